use cwmp_model::{Access, Catalogue, Entry, EntryKind, ParameterPath};
use serde::Serialize;
use utoipa::ToSchema;

use super::ValueTypeDto;

/// Names that begin as asked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Completion)]
pub(crate) struct CompletionDto {
    pub(crate) items: Vec<CatalogueNameDto>,
}

/// A name of the data models.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueName, example = json!({
    "path": "Device.WiFi.SSID.1.Enable", "kind": "parameter", "type": "boolean", "writable": true
}))]
pub(crate) struct CatalogueNameDto {
    /// The name; objects end in a dot, any row of a table is `{i}.`.
    path: String,
    /// `object`, `table`, `row` or `parameter`.
    kind: &'static str,
    /// The type of a parameter; `null` for objects.
    #[serde(rename = "type")]
    value_type: Option<ValueTypeDto>,
    /// Whether the data model lets it be written; `null` if it does not say.
    writable: Option<bool>,
}

impl CatalogueNameDto {
    pub(crate) fn new(path: String) -> Self {
        let entry = ParameterPath::new(&path).ok().and_then(|path| Catalogue::find(&path));
        let kind = match entry.as_ref().map(Entry::kind) {
            Some(EntryKind::Parameter) => "parameter",
            Some(EntryKind::Table) => "table",
            Some(EntryKind::Row) => "row",
            Some(EntryKind::Object) => "object",
            None if path.ends_with('.') => "object",
            None => "parameter",
        };
        Self {
            kind,
            value_type: entry.as_ref().and_then(Entry::value_type).map(ValueTypeDto::from),
            writable: entry.as_ref().map(|entry| entry.access() != Access::ReadOnly),
            path,
        }
    }
}
