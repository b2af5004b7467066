use std::fmt;

use super::Root;
use crate::ValueType;

/// What a data model says of one object, table, row or parameter.
///
/// A handle of a few words into the embedded facts; each question reads its column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    root: Root,
    kind: EntryKind,
    object: &'static str,
    leaf: &'static str,
    row: &'static str,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// An object that is there once.
    Object,
    /// A table, the path before the instance number.
    Table,
    /// A row of a table, the path with its `{i}`.
    Row,
    /// A parameter.
    Parameter,
}

/// Whether the ACS can change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read only.
    ReadOnly,
    /// A parameter can be set; rows can be added to a table and deleted.
    ReadWrite,
    /// Can be set once.
    WriteOnce,
}

/// The basic type of a value, or of an item where the value is a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemType {
    /// One of the types that CWMP-075 names.
    Basic(ValueType),
    /// A decimal number with a fraction (from TR-181 2.14 on). On the wire we know it as string.
    Decimal,
}

/// A default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultValue {
    /// When it applies.
    pub kind: DefaultKind,
    /// The value as the model writes it; a list without its brackets.
    pub text: &'static str,
}

/// When a default applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DefaultKind {
    /// After a factory reset.
    Factory,
    /// When its object is created (AddObject).
    Creation,
    /// For information.
    Informational,
}

/// A value of an enumeration. Vendors may add values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnumValue {
    /// As sent.
    pub text: &'static str,
    /// Whether it should still be used.
    pub status: Status,
}

/// Where an item stands in the life of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// In use.
    Current,
    /// Still there, on its way out.
    Deprecated,
    /// Should not be used.
    Obsoleted,
}

/// Both ends included; `None` is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberRange {
    /// The lower end.
    pub min: Option<i128>,
    /// The upper end.
    pub max: Option<i128>,
}

/// Ranges of which one has to hold the number; none means any number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges(pub Vec<NumberRange>);

/// The columns of a row in the fact files, after the name.
#[derive(Clone, Copy)]
enum Column {
    Type,
    Access,
    Default,
    Range,
    Size,
    Enum,
    Units,
    Notify,
    Pattern,
    Flags,
}

impl Entry {
    pub(super) const fn new(
        root: Root,
        kind: EntryKind,
        object: &'static str,
        leaf: &'static str,
        row: &'static str,
    ) -> Self {
        Self { root, kind, object, leaf, row }
    }

    /// Object, table, row or parameter.
    pub const fn kind(&self) -> EntryKind {
        self.kind
    }

    /// The full path as the model writes it, with `{i}` for instance numbers.
    pub fn path(&self) -> String {
        let object = self.object.strip_suffix("{i}.").filter(|_| self.kind == EntryKind::Table).unwrap_or(self.object);
        format!("{}{object}{}", self.root, self.leaf)
    }

    /// The name of a parameter; empty for an object.
    pub const fn leaf(&self) -> &'static str {
        self.leaf
    }

    /// The last segment, with the final dot of an object.
    pub(super) fn segment(&self) -> String {
        let path = self.path();
        let inner = path.strip_suffix('.').unwrap_or(&path);
        let start = inner.rfind('.').map_or(0, |dot| dot + 1);
        path[start..].to_owned()
    }

    /// The type on the wire: string for a list or a decimal. `None` for what is no parameter.
    pub fn value_type(&self) -> Option<ValueType> {
        match self.item_type()? {
            ItemType::Basic(kind) if !self.is_list() => Some(kind),
            _ => Some(ValueType::String),
        }
    }

    /// The type of the value, or of each item of a list. `None` for what is no parameter.
    pub fn item_type(&self) -> Option<ItemType> {
        let name = self.column(Column::Type);
        match name.strip_suffix("[]").unwrap_or(name) {
            _ if self.kind != EntryKind::Parameter => None,
            "decimal" => Some(ItemType::Decimal),
            basic => ValueType::parse(basic).map(ItemType::Basic),
        }
    }

    /// Whether the value is a comma-separated list (CWMP-374).
    pub fn is_list(&self) -> bool {
        self.column(Column::Type).ends_with("[]")
    }

    /// What the ACS can do with it. For an object that is no row of a table: nothing.
    pub fn access(&self) -> Access {
        match self.column(Column::Access) {
            "W" => Access::ReadWrite,
            "WO" => Access::WriteOnce,
            _ => Access::ReadOnly,
        }
    }

    /// The default, if the model has one.
    pub fn default_value(&self) -> Option<DefaultValue> {
        let (kind, text) = self.column(Column::Default).split_once(':')?;
        let kind = match kind {
            "f" => DefaultKind::Factory,
            "o" => DefaultKind::Creation,
            _ => DefaultKind::Informational,
        };
        let items = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).filter(|_| self.is_list());
        Some(DefaultValue { kind, text: items.unwrap_or(text) })
    }

    /// The ranges of a number (of each item of a list); of a table, how many rows it can have.
    pub fn ranges(&self) -> Ranges {
        Ranges::parse(self.column(Column::Range))
    }

    /// The lengths of a string (of each item of a list) in characters, or of a binary value in bytes before encoding.
    pub fn sizes(&self) -> Ranges {
        Ranges::parse(self.column(Column::Size))
    }

    /// The length of a whole list in characters.
    pub fn list_sizes(&self) -> Ranges {
        Ranges::parse(self.attribute("listsize"))
    }

    /// How many items a list has.
    pub fn item_counts(&self) -> Ranges {
        Ranges::parse(self.attribute("items"))
    }

    /// The values of an enumeration; none where there is no enumeration.
    pub fn enumeration(&self) -> impl Iterator<Item = EnumValue> + use<> {
        let values = self.column(Column::Enum).split('|').filter(|value| !value.is_empty());
        values.map(|value| match (value.strip_suffix("!d"), value.strip_suffix("!o")) {
            (Some(text), _) => EnumValue { text, status: Status::Deprecated },
            (_, Some(text)) => EnumValue { text, status: Status::Obsoleted },
            _ => EnumValue { text: value, status: Status::Current },
        })
    }

    /// Regular expressions in XML Schema syntax, of which one has to match the whole value (each item of a list).
    pub fn patterns(&self) -> impl Iterator<Item = &'static str> + use<> {
        // `/one/ /two/`; an empty expression allows the empty value.
        let inner = self.column(Column::Pattern).strip_prefix('/').and_then(|p| p.strip_suffix('/'));
        inner.into_iter().flat_map(|patterns| patterns.split("/ /"))
    }

    /// The unit of a number, as the model writes it; empty for none.
    pub fn units(&self) -> &'static str {
        self.column(Column::Units)
    }

    /// The named data type of the models, such as `IPAddress` or `MACAddress`; empty for none.
    pub fn data_type(&self) -> &'static str {
        self.attribute("datatype")
    }

    /// Whether it must be in every Inform.
    pub fn is_forced_inform(&self) -> bool {
        self.has_flag("forced")
    }

    /// Whether the CPE may refuse active notification (CWMP-242).
    pub fn may_deny_active(&self) -> bool {
        self.column(Column::Notify) == "canDeny"
    }

    /// Whether active notification is on by default (CWMP-378).
    pub fn is_active_by_default(&self) -> bool {
        matches!(self.column(Column::Notify), "forceEnabled" | "forceDefaultEnabled")
    }

    /// Whether active notification cannot be turned off (CWMP-378).
    pub fn is_active_for_ever(&self) -> bool {
        self.column(Column::Notify) == "forceEnabled"
    }

    /// Whether its value reads as empty for secrecy (`hidden`, `secured`): what was read says nothing (CWMP-235).
    pub fn is_secret(&self) -> bool {
        self.has_flag("hidden") || self.has_flag("secured")
    }

    /// Whether setting it makes the device do something, so that setting it twice is not the same as once: what the models
    /// mark as command or as a hidden switch (Reset), and DiagnosticsState.
    pub fn is_command(&self) -> bool {
        let is_switch = self.has_flag("hidden") && self.value_type() == Some(ValueType::Boolean);
        self.has_flag("command") || is_switch || self.leaf == "DiagnosticsState"
    }

    /// Whether the value names another object or parameter (CWMP-375).
    pub fn is_reference(&self) -> bool {
        self.has_flag("ref")
    }

    /// Where it stands in the life of the model.
    pub fn status(&self) -> Status {
        if self.has_flag("obsoleted") {
            Status::Obsoleted
        } else if self.has_flag("deprecated") {
            Status::Deprecated
        } else {
            Status::Current
        }
    }

    fn column(&self, column: Column) -> &'static str {
        self.row.split('\t').nth(column as usize).unwrap_or("")
    }

    fn flags(&self) -> impl Iterator<Item = &'static str> {
        self.column(Column::Flags).split(' ')
    }

    fn has_flag(&self, flag: &str) -> bool {
        self.flags().any(|f| f == flag)
    }

    fn attribute(&self, name: &str) -> &'static str {
        self.flags().find_map(|flag| flag.strip_prefix(name)?.strip_prefix('=')).unwrap_or("")
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.path(), self.kind)
    }
}

impl Ranges {
    /// Whether one of them holds `number`, or there is none.
    pub fn contain(&self, number: i128) -> bool {
        self.0.is_empty() || self.0.iter().any(|range| range.contains(number))
    }

    /// `0..5;13..13`, an end left out is open.
    fn parse(text: &str) -> Self {
        let ranges = text.split(';').filter_map(|range| range.split_once(".."));
        Self(ranges.map(|(min, max)| NumberRange { min: min.parse().ok(), max: max.parse().ok() }).collect())
    }
}

/// For messages: `0..5 or 13`.
impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            f.write_str(if index > 0 { " or " } else { "" })?;
            range.fmt(f)?;
        }
        Ok(())
    }
}

impl NumberRange {
    /// Whether it holds `number`.
    pub fn contains(&self, number: i128) -> bool {
        self.min.is_none_or(|min| min <= number) && self.max.is_none_or(|max| number <= max)
    }
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) if min == max => write!(f, "{min}"),
            (min, max) => {
                let end = |end: Option<i128>| end.map(|number| number.to_string()).unwrap_or_default();
                write!(f, "{}..{}", end(min), end(max))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Catalogue;
    use super::*;
    use crate::ParameterPath;

    fn entry(text: &str) -> Entry {
        Catalogue::find(&ParameterPath::new(text).unwrap()).unwrap()
    }

    #[test]
    fn every_parameter_has_a_type() {
        for entry in Root::ALL.into_iter().flat_map(|root| Catalogue::get(root).entries()) {
            assert_eq!(entry.item_type().is_some(), entry.kind() == EntryKind::Parameter, "{entry:?}");
            assert_eq!(entry.value_type().is_some(), entry.kind() == EntryKind::Parameter, "{entry:?}");
        }
    }

    #[test]
    fn columns_are_read() {
        let interval = entry("Device.ManagementServer.PeriodicInformInterval");
        assert_eq!(interval.ranges(), Ranges(vec![NumberRange { min: Some(1), max: None }]));
        assert_eq!((interval.units(), interval.ranges().to_string().as_str()), ("seconds", "1.."));
        let mode = entry("InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.BeaconType");
        assert!(mode.enumeration().any(|v| v == EnumValue { text: "WPA", status: Status::Current }));
        assert!(mode.enumeration().any(|v| v.text == "BasicandWPA" && v.status == Status::Obsoleted));
        let version = entry("Device.RootDataModelVersion");
        assert!(version.is_forced_inform());
        assert_eq!(version.patterns().collect::<Vec<_>>(), [r"2\.\d+"]);
        assert_eq!(version.sizes().to_string(), "0..32");
        let mac = entry("Device.Ethernet.Interface.1.MACAddress");
        assert_eq!((mac.data_type(), mac.patterns().next()), ("MACAddress", Some("")));
        assert!(entry("Device.WiFi.AccessPoint.1.Security.KeyPassphrase").is_secret());
        assert!(entry("Device.DeviceInfo.SoftwareVersion").is_active_by_default());
        assert!(entry("InternetGatewayDevice.DeviceSummary").status() == Status::Deprecated);
        assert_eq!(entry("Device.WiFi.SSID.").access(), Access::ReadWrite);
        assert!(entry("Device.Ethernet.Interface.1.LowerLayers").is_reference());
    }

    #[test]
    fn commands_are_told_from_settings() {
        for name in ["IP.Diagnostics.IPPing.DiagnosticsState", "WiFi.Reset", "DSL.Line.1.Stats.Reset"] {
            assert!(entry(&format!("Device.{name}")).is_command(), "{name}");
        }
        assert!(entry("InternetGatewayDevice.SmartCardReader.1.Reset").is_command());
        assert!(!entry("Device.ManagementServer.Password").is_command());
        assert!(!entry("InternetGatewayDevice.ManagementServer.Password").is_command());
    }

    #[test]
    fn lists_have_items() {
        let list = entry("Device.WiFi.Radio.1.OperatingStandards");
        assert!(list.is_list());
        assert_eq!(list.value_type(), Some(ValueType::String));
        assert_eq!(list.item_type(), Some(ItemType::Basic(ValueType::String)));
        for list in Root::ALL.into_iter().flat_map(|root| Catalogue::get(root).entries()).filter(Entry::is_list) {
            assert!(list.default_value().is_none_or(|d| !d.text.starts_with('[')), "{list:?}");
        }
    }
}
