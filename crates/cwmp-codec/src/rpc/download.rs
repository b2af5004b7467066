use std::fmt;

use super::{
    COMMAND_KEY_CHARS_MAX, TIME_CHARS_MAX, TRANSFER_TEXT_CHARS_MAX, URL_CHARS_MAX, check_url, encode_status,
    has_user_information,
};
use crate::arguments::{Arguments, invalid, lenient_number, status, text};
use crate::value::check_date_time;
use crate::xml::{Reader, Writer};
use crate::{CwmpNamespace, DecodeError, EncodeError, Remark};

/// Download (TR-069 A.3.2.8).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Download {
    /// CommandKey, at most 32 characters, unlike that of any open transfer of the device (CWMP-330).
    pub command_key: String,
    /// FileType (CWMP-331).
    pub file_type: String,
    /// URL, at most 256 characters, without user information (CWMP-332).
    pub url: String,
    /// Username; may be empty.
    pub username: String,
    /// Password; may be empty.
    pub password: String,
    /// FileSize in bytes, 0: unknown (CWMP-333).
    pub file_size: u32,
    /// TargetFileName; may be empty.
    pub target_file_name: String,
    /// DelaySeconds.
    pub delay_seconds: u32,
    /// SuccessURL (CWMP-334).
    pub success_url: String,
    /// FailureURL (CWMP-334).
    pub failure_url: String,
}

/// DownloadResponse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DownloadResponse {
    /// Status: 0 done, 1 accepted and TransferComplete follows (CWMP-335, CWMP-336).
    pub status: u32,
    /// StartTime, as sent.
    pub start_time: String,
    /// CompleteTime, as sent.
    pub complete_time: String,
}

/// Without the credentials and without the query of the URL, which may hold a signature (P26).
impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("command_key", &self.command_key)
            .field("file_type", &self.file_type)
            .field("url", &self.url.split('?').next().unwrap_or_default())
            .field("file_size", &self.file_size)
            .field("target_file_name", &self.target_file_name)
            .field("delay_seconds", &self.delay_seconds)
            .finish_non_exhaustive()
    }
}

/// The file types of Download and the first namespace that has each (CWMP-331, `filetypes.tsv`).
const FILE_TYPES: [(&str, CwmpNamespace); 6] = [
    ("1 Firmware Upgrade Image", CwmpNamespace::V1_0),
    ("2 Web Content", CwmpNamespace::V1_0),
    ("3 Vendor Configuration File", CwmpNamespace::V1_0),
    ("4 Tone File", CwmpNamespace::V1_2),
    ("5 Ringer File", CwmpNamespace::V1_2),
    ("6 Stored Firmware Image", CwmpNamespace::V1_2),
];

const FILE_TYPE_CHARS_MAX: usize = 64;

impl Download {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const TEXT: usize = TRANSFER_TEXT_CHARS_MAX;
        let mut d = Self::default();
        let mut arguments = Arguments::new(&[
            "CommandKey",
            "FileType",
            "URL",
            "Username",
            "Password",
            "FileSize",
            "TargetFileName",
            "DelaySeconds",
            "SuccessURL",
            "FailureURL",
        ]);
        while let Some((argument, _)) = arguments.next(r)? {
            match argument {
                "CommandKey" => d.command_key = text(r, argument, COMMAND_KEY_CHARS_MAX)?,
                "FileType" => d.file_type = text(r, argument, FILE_TYPE_CHARS_MAX)?,
                "URL" => d.url = text(r, argument, URL_CHARS_MAX)?,
                "Username" => d.username = text(r, argument, TEXT)?,
                "Password" => d.password = text(r, argument, TEXT)?,
                "FileSize" => d.file_size = lenient_number(r, argument)?,
                "TargetFileName" => d.target_file_name = text(r, argument, TEXT)?,
                "DelaySeconds" => d.delay_seconds = lenient_number(r, argument)?,
                "SuccessURL" => d.success_url = text(r, argument, URL_CHARS_MAX)?,
                _ => d.failure_url = text(r, argument, URL_CHARS_MAX)?,
            }
        }
        d.note(r, &arguments)?;
        Ok(d)
    }

    fn note(&self, r: &mut Reader<'_>, arguments: &Arguments) -> Result<(), DecodeError> {
        if self.url.is_empty() {
            return Err(invalid(r, "Download", "URL", "is missing"));
        }
        arguments.note_missing(r, &["CommandKey", "FileType", "FileSize", "DelaySeconds"]);
        if file_type_since(&self.file_type).is_none() {
            r.note(Remark::FileTypeOther);
        }
        if has_user_information(&self.url) {
            r.note(Remark::UrlUserInformation);
        }
        Ok(())
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.check_file_type(w.namespace())?;
        check_url("URL", &self.url)?;
        w.open("cwmp:Download");
        w.text("CommandKey", &self.command_key, COMMAND_KEY_CHARS_MAX)?;
        w.text("FileType", &self.file_type, FILE_TYPE_CHARS_MAX)?;
        w.text("URL", &self.url, URL_CHARS_MAX)?;
        w.text("Username", &self.username, TRANSFER_TEXT_CHARS_MAX)?;
        w.text("Password", &self.password, TRANSFER_TEXT_CHARS_MAX)?;
        w.number("FileSize", self.file_size);
        w.text("TargetFileName", &self.target_file_name, TRANSFER_TEXT_CHARS_MAX)?;
        w.number("DelaySeconds", self.delay_seconds);
        w.text("SuccessURL", &self.success_url, URL_CHARS_MAX)?;
        w.text("FailureURL", &self.failure_url, URL_CHARS_MAX)?;
        w.close("cwmp:Download");
        Ok(())
    }

    fn check_file_type(&self, namespace: CwmpNamespace) -> Result<(), EncodeError> {
        match file_type_since(&self.file_type) {
            Some(since) if since <= namespace => Ok(()),
            Some(_) => Err(EncodeError::NotInNamespace { field: "FileType", text: self.file_type.clone(), namespace }),
            None => Err(crate::value::form("FileType", &self.file_type, "file type of Download")),
        }
    }
}

/// `X <OUI or vendor> <name>` goes everywhere, though the schema of 1.0 and 1.1 wants an OUI: there are models whose
/// only types are of the other form.
fn file_type_since(file_type: &str) -> Option<CwmpNamespace> {
    if let Some(vendors) = file_type.strip_prefix("X ") {
        let (vendor, name) = vendors.split_once(' ')?;
        return (!vendor.is_empty() && !name.is_empty()).then_some(CwmpNamespace::V1_0);
    }
    FILE_TYPES.iter().find(|(name, _)| *name == file_type).map(|&(_, since)| since)
}

impl DownloadResponse {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut response = Self::default();
        let mut arguments = Arguments::new(&["Status", "StartTime", "CompleteTime"]);
        while let Some((argument, _)) = arguments.next(r)? {
            match argument {
                "Status" => response.status = status(r, "DownloadResponse")?,
                "StartTime" => response.start_time = text(r, argument, TIME_CHARS_MAX)?,
                _ => response.complete_time = text(r, argument, TIME_CHARS_MAX)?,
            }
        }
        // Whether a TransferComplete follows hangs on it, so it has no default (CWMP-335).
        if !arguments.has("Status") {
            return Err(invalid(r, "DownloadResponse", "Status", "is missing"));
        }
        arguments.note_missing(r, &["StartTime", "CompleteTime"]);
        Ok(response)
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        check_date_time("StartTime", &self.start_time)?;
        check_date_time("CompleteTime", &self.complete_time)?;
        w.open("cwmp:DownloadResponse");
        encode_status(w, self.status)?;
        w.text("StartTime", &self.start_time, TIME_CHARS_MAX)?;
        w.text("CompleteTime", &self.complete_time, TIME_CHARS_MAX)?;
        w.close("cwmp:DownloadResponse");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_envelope::{assert_reads, read, write_in};
    use crate::{AcsRequest, CpeResponse, Message};
    use CwmpNamespace::{V1_0, V1_1, V1_2};

    fn download(file_type: &str, url: &str) -> Download {
        Download { file_type: file_type.to_owned(), url: url.to_owned(), ..Download::default() }
    }

    fn written(namespace: CwmpNamespace, download: Download) -> Result<String, EncodeError> {
        write_in(namespace, Message::AcsRequest(AcsRequest::Download(download)))
    }

    #[test]
    fn cwmp_331_file_types_by_namespace() {
        for (file_type, namespaces) in [
            ("1 Firmware Upgrade Image", vec![V1_0, V1_1, V1_2]),
            ("2 Web Content", vec![V1_0, V1_1, V1_2]),
            ("3 Vendor Configuration File", vec![V1_0, V1_1, V1_2]),
            ("4 Tone File", vec![V1_2]),
            ("5 Ringer File", vec![V1_2]),
            ("6 Stored Firmware Image", vec![V1_2]),
            ("X 00D09E Language", vec![V1_0, V1_1, V1_2]),
            ("X MIKROTIK Factory Configuration File", vec![V1_0, V1_1, V1_2]),
            ("X nothing", vec![]),
            ("Firmware", vec![]),
            ("", vec![]),
        ] {
            for namespace in [V1_0, V1_1, V1_2] {
                let ok = written(namespace, download(file_type, "http://a/")).is_ok();
                assert_eq!(ok, namespaces.contains(&namespace), "CWMP-331: {file_type} in {namespace:?}");
            }
        }
    }

    #[test]
    fn p26_credentials_are_not_printed() {
        let secret = Download {
            username: "us3r".to_owned(),
            password: "s3cret".to_owned(),
            url: "https://a/fw.bin?sig=s3cret".to_owned(),
            ..Download::default()
        };
        let printed = format!("{secret:?}");
        assert!(!printed.contains("s3cret") && !printed.contains("us3r"), "P26: {printed}");
    }

    #[test]
    fn cwmp_332_urls_of_256_characters_without_user_information() {
        let firmware = "1 Firmware Upgrade Image";
        for (url, ok) in [
            ("https://files.example.net/fw.bin", true),
            ("https://files.example.net/a@b", true),
            ("https://u:p@files.example.net/fw.bin", false),
            ("ftp://u@files.example.net", false),
            ("", false),
        ] {
            assert_eq!(written(V1_0, download(firmware, url)).is_ok(), ok, "CWMP-332: {url}");
        }
        let long = |chars: usize| format!("http://a/{}", "x".repeat(chars - 9));
        assert!(written(V1_0, download(firmware, &long(256))).is_ok(), "CWMP-084");
        let error = written(V1_0, download(firmware, &long(257))).expect_err("CWMP-084");
        assert_eq!(error, EncodeError::TooLong { field: "URL", limit: 256, chars: 257 });
    }

    #[test]
    fn cwmp_332_user_information_is_read_with_a_remark() {
        let body = "<cwmp:Download><CommandKey>k</CommandKey><FileType>Firmware</FileType><URL>http://u:p@a/</URL>\
                    <FileSize>0</FileSize></cwmp:Download>";
        let mut expected = download("Firmware", "http://u:p@a/");
        expected.command_key = "k".to_owned();
        let remarks = ["argument_missing", "file_type_other", "url_user_information"];
        assert_reads(body, &Message::AcsRequest(AcsRequest::Download(expected)), &remarks);
        assert!(read("<cwmp:Download><CommandKey>k</CommandKey></cwmp:Download>").is_err(), "CWMP-099");
    }

    #[test]
    fn cwmp_336_download_responses() {
        let times = "<StartTime>0001-01-01T00:00:00Z</StartTime><CompleteTime>0001-01-01T00:00:00Z</CompleteTime>";
        let unknown = "0001-01-01T00:00:00Z".to_owned();
        let response = DownloadResponse { status: 1, start_time: unknown.clone(), complete_time: unknown };
        let message = Message::CpeResponse(CpeResponse::Download(response));
        let body = format!("<cwmp:DownloadResponse><Status>1</Status>{times}</cwmp:DownloadResponse>");
        assert_reads(&body, &message, &[]);
        assert!(read(&format!("<cwmp:DownloadResponse>{times}</cwmp:DownloadResponse>")).is_err(), "CWMP-335");
        assert!(write_in(V1_0, message).is_ok());
        let no_times = Message::CpeResponse(CpeResponse::Download(DownloadResponse::default()));
        assert!(write_in(V1_0, no_times).is_err(), "a dateTime is not empty");
    }
}
