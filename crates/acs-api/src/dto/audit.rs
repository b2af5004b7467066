use acs_types::AuditRecord;
use serde::Serialize;
use utoipa::ToSchema;

use super::TimeDto;

/// A change by a person or a token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRecord)]
pub(crate) struct AuditRecordDto {
    at: TimeDto,
    tenant: String,
    /// By whom.
    principal: String,
    /// With which token.
    token_id: Option<String>,
    /// What.
    #[schema(example = "task.create")]
    action: String,
    /// To which object: a path of this API without its prefix.
    #[schema(example = "devices/00AABB-IGD-000001/tasks/abcdefghijklmnopqrstuvwxyz")]
    object: String,
    /// A short account without secrets.
    detail: String,
}

impl From<AuditRecord> for AuditRecordDto {
    fn from(record: AuditRecord) -> Self {
        Self {
            at: record.at.into(),
            tenant: record.tenant.to_string(),
            principal: record.principal,
            token_id: record.token.map(|token| token.to_string()),
            action: record.action,
            object: record.object,
            detail: record.detail,
        }
    }
}
