use crate::{FileId, Tenant};
use cwmp_model::Timestamp;

/// A file that devices download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// Its id.
    pub id: FileId,
    /// Whose it is.
    pub tenant: Tenant,
    /// Its name, 1–128 characters without `/` and control characters.
    pub name: String,
    /// What kind it is.
    pub file_type: FileType,
    /// Its version, as operators name it; may be empty.
    pub version: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// When it was uploaded.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
}

/// The FileType argument of Download (TR-069 A.3.2.8).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FileType {
    /// `1 Firmware Upgrade Image`
    Firmware,
    /// `2 Web Content`
    WebContent,
    /// `3 Vendor Configuration File`
    VendorConfiguration,
    /// `4 Tone File`
    Tone,
    /// `5 Ringer File`
    Ringer,
    /// `6 Stored Firmware Image`
    StoredFirmware,
    /// `X <OUI> <vendor-specific>`
    Vendor(String),
}

impl FileType {
    /// As it stands on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Firmware => "1 Firmware Upgrade Image",
            Self::WebContent => "2 Web Content",
            Self::VendorConfiguration => "3 Vendor Configuration File",
            Self::Tone => "4 Tone File",
            Self::Ringer => "5 Ringer File",
            Self::StoredFirmware => "6 Stored Firmware Image",
            Self::Vendor(text) => text,
        }
    }

    /// Characters of a vendor's type: what the FileType argument takes (TR-069 A.3.2.8).
    pub const CHARS_MAX: usize = 64;

    /// From the wire form, its number, or its short name (`firmware`, `config` …). A vendor's type has at most
    /// [`FileType::CHARS_MAX`] characters and no control characters.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.trim() {
            "1 Firmware Upgrade Image" | "1" | "firmware" => Self::Firmware,
            "2 Web Content" | "2" | "web" => Self::WebContent,
            "3 Vendor Configuration File" | "3" | "config" => Self::VendorConfiguration,
            "4 Tone File" | "4" | "tone" => Self::Tone,
            "5 Ringer File" | "5" | "ringer" => Self::Ringer,
            "6 Stored Firmware Image" | "6" | "stored-firmware" => Self::StoredFirmware,
            vendor if is_vendor(vendor) => Self::Vendor(vendor.to_owned()),
            _ => return None,
        })
    }
}

fn is_vendor(text: &str) -> bool {
    text.starts_with("X ") && text.chars().count() <= FileType::CHARS_MAX && !text.chars().any(char::is_control)
}
