use acs_types::{FileRecord, FileType};
use cwmp_model::Timestamp;

use super::{RecordError, SecretSeal, Wire, field};
use crate::v1;

impl Wire for FileRecord {
    type Message = v1::FileRecord;

    fn to_wire(&self, _seal: &dyn SecretSeal) -> v1::FileRecord {
        v1::FileRecord {
            id: self.id.to_string(),
            tenant: self.tenant.to_string(),
            name: self.name.clone(),
            file_type: self.file_type.as_str().to_owned(),
            version: self.version.clone(),
            size: self.size,
            sha256: self.sha256.to_vec(),
            created_at: self.created_at.as_micros(),
            created_by: self.created_by.clone(),
        }
    }

    fn from_wire(message: v1::FileRecord, _seal: &dyn SecretSeal) -> Result<Self, RecordError> {
        Ok(Self {
            id: field::id(&message.id, "FileRecord.id")?,
            tenant: field::id(&message.tenant, "FileRecord.tenant")?,
            name: message.name,
            file_type: file_type(message.file_type, "FileRecord.file_type")?,
            version: message.version,
            size: message.size,
            sha256: field::fixed(&message.sha256, "FileRecord.sha256")?,
            created_at: Timestamp::from_micros(message.created_at),
            created_by: message.created_by,
        })
    }
}

/// From the wire form. A text that is none of the standard is kept as a vendor's: what was stored is never refused.
pub(crate) fn file_type(text: String, field: &'static str) -> Result<FileType, RecordError> {
    if text.is_empty() {
        return Err(RecordError::Missing { field });
    }
    let standard = FileType::parse(&text).filter(|kind| kind.as_str() == text);
    Ok(standard.unwrap_or(FileType::Vendor(text)))
}
