use acs_types::FileRecord;
use data_encoding::HEXLOWER;
use serde::Serialize;
use utoipa::ToSchema;

use super::TimeDto;

/// A file that devices download.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = File)]
pub(crate) struct FileDto {
    id: String,
    tenant: String,
    #[schema(example = "router-2.1.bin")]
    name: String,
    /// The FileType of Download, as on the wire.
    #[schema(example = "1 Firmware Upgrade Image")]
    file_type: String,
    /// As operators name it; may be empty.
    #[schema(example = "2.1")]
    version: String,
    /// Bytes.
    size: u64,
    /// 64 hexadecimal digits.
    sha256: String,
    created_at: TimeDto,
    created_by: String,
}

impl From<FileRecord> for FileDto {
    fn from(file: FileRecord) -> Self {
        Self {
            id: file.id.to_string(),
            tenant: file.tenant.to_string(),
            name: file.name,
            file_type: file.file_type.as_str().to_owned(),
            version: file.version,
            size: file.size,
            sha256: HEXLOWER.encode(&file.sha256),
            created_at: file.created_at.into(),
            created_by: file.created_by,
        }
    }
}
