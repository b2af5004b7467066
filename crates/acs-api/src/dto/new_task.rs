use std::collections::HashSet;

use acs_types::{DownloadSource, DownloadSpec, FileId, FileType, Secret, SetValue, TaskKind, TaskSpec, Wanted};
use cwmp_model::ParameterPath;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{SetValueDto, any_path};
use crate::extract::ObjectOnly;
use crate::problem::{FieldProblem, Problem};

/// The longest time until a task expires, in seconds: as long as history is kept by default.
const EXPIRES_SECONDS_MAX: u64 = 400 * 24 * 3600;
/// Characters of URL, user name, password and file name of a Download (TR-069 A.3.2.8).
const DOWNLOAD_TEXT_MAX: usize = 256;

/// A task to create. `wanted` is when: `now` wakes the device, `next_session` waits until it comes by itself.
/// `expires_in_seconds` is when nobody wants it any more; without it: never.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = NewTask, examples(
    json!({"kind": "get_values", "paths": ["Device.DeviceInfo."]}),
    json!({"kind": "set_values", "values": [{"path": "Device.WiFi.SSID.1.SSID", "value": "home"}]}),
    json!({"kind": "reboot", "wanted": "next_session", "expires_in_seconds": 86400}),
))]
pub(crate) enum NewTaskDto {
    /// Reads values of parameters or of whole objects.
    GetValues {
        /// Parameters, or objects with their final dot.
        #[schema(min_items = 1, max_items = 1000)]
        paths: Vec<String>,
        wanted: Option<WantedDto>,
        #[schema(minimum = 1, maximum = 34_560_000)]
        expires_in_seconds: Option<u64>,
    },
    /// Sets values in one SetParameterValues: all or none.
    SetValues {
        /// Each parameter once.
        #[schema(value_type = Vec<SetValueDto>, min_items = 1, max_items = 1000)]
        values: Vec<ObjectOnly<SetValueDto>>,
        wanted: Option<WantedDto>,
        #[schema(minimum = 1, maximum = 34_560_000)]
        expires_in_seconds: Option<u64>,
    },
    /// Reads the names of the tree or a part of it.
    GetNames {
        /// Where to begin; without it: the whole tree.
        #[serde(default)]
        #[schema(max_length = 256, pattern = r"^(?!\.)(?!.*\.\.)[^\s\u0000-\u001f\u007f-\u009f]*$")]
        path: String,
        /// Only the direct children.
        #[serde(default)]
        next_level: bool,
        wanted: Option<WantedDto>,
        #[schema(minimum = 1, maximum = 34_560_000)]
        expires_in_seconds: Option<u64>,
    },
    /// Reads names and then values of an object.
    Refresh {
        /// The object with its final dot; without it: the whole tree.
        #[serde(default)]
        #[schema(max_length = 256, pattern = r"^(?!\.)(?!.*\.\.)([^\s\u0000-\u001f\u007f-\u009f]*\.)?$")]
        path: String,
        wanted: Option<WantedDto>,
        #[schema(minimum = 1, maximum = 34_560_000)]
        expires_in_seconds: Option<u64>,
    },
    /// Adds an instance to a table.
    AddObject {
        /// The table with its final dot.
        #[schema(
            max_length = 256,
            pattern = r"^(?!\.)(?!.*\.\.)(?!.*\.[0-9]+\.$)[^\s\u0000-\u001f\u007f-\u009f]+\.$",
            example = "Device.WiFi.SSID."
        )]
        object: String,
        /// Values to set on the new instance, by their path below it.
        #[serde(default)]
        #[schema(value_type = Vec<SetValueDto>, max_items = 1000)]
        values: Vec<ObjectOnly<SetValueDto>>,
        wanted: Option<WantedDto>,
        #[schema(minimum = 1, maximum = 34_560_000)]
        expires_in_seconds: Option<u64>,
    },
    /// Deletes an instance.
    DeleteObject {
        /// The instance with its number and final dot.
        #[schema(
            max_length = 256,
            pattern = r"^(?!\.)(?!.*\.\.)[^\s\u0000-\u001f\u007f-\u009f]+\.(0|[1-9][0-9]{0,9}|\[[^\]]*\])\.$",
            example = "Device.WiFi.SSID.2."
        )]
        object: String,
        wanted: Option<WantedDto>,
        #[schema(minimum = 1, maximum = 34_560_000)]
        expires_in_seconds: Option<u64>,
    },
    /// Has the device fetch a file: `file_id` for one of this server, or `url` for one of another server.
    Download {
        /// A file of this server.
        #[schema(max_length = 256, pattern = "^[A-Za-z0-9_.-]+$")]
        file_id: Option<String>,
        /// A file of another server: http, https or ftp, without user and password.
        #[schema(max_length = 256)]
        url: Option<String>,
        /// What it is: `firmware`, `web`, `config`, `tone`, `ringer`, `stored-firmware`, or the FileType of Download.
        /// Needed with `url`; with `file_id` that of the file is the default.
        #[schema(
            max_length = 64,
            pattern = "^(firmware|web|config|tone|ringer|stored-firmware|[1-6]|1 Firmware Upgrade Image|2 Web Content|3 Vendor Configuration File|4 Tone File|5 Ringer File|6 Stored Firmware Image|X [ -~]+)$"
        )]
        file_type: Option<String>,
        /// The user name for `url`.
        #[serde(default)]
        #[schema(max_length = 256)]
        username: String,
        /// The password for `url`; never shown again.
        #[serde(default)]
        #[schema(value_type = String, format = Password, max_length = 256)]
        password: PasswordDto,
        /// Bytes of the file at `url`; 0: not known.
        #[serde(default)]
        file_size: u32,
        #[serde(default)]
        #[schema(max_length = 256)]
        target_file_name: String,
        /// How long the device waits before it begins.
        #[serde(default)]
        delay_seconds: u32,
        wanted: Option<WantedDto>,
        #[schema(minimum = 1, maximum = 34_560_000)]
        expires_in_seconds: Option<u64>,
    },
    /// Restarts the device.
    Reboot {
        wanted: Option<WantedDto>,
        #[schema(minimum = 1, maximum = 34_560_000)]
        expires_in_seconds: Option<u64>,
    },
    /// Resets the device to factory settings.
    FactoryReset {
        wanted: Option<WantedDto>,
        #[schema(minimum = 1, maximum = 34_560_000)]
        expires_in_seconds: Option<u64>,
    },
}

/// When a task is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Wanted)]
pub(crate) enum WantedDto {
    /// At once: the device is woken.
    Now,
    /// When the device comes by itself.
    NextSession,
}

/// A password; `Debug` does not show it.
#[derive(Default, Deserialize)]
pub(crate) struct PasswordDto(String);

impl std::fmt::Debug for PasswordDto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A task as asked for, checked as far as the device's store is not needed.
#[derive(Debug)]
pub(crate) struct AskedTask {
    pub(crate) spec: AskedSpec,
    pub(crate) wanted: Wanted,
    pub(crate) expires_in_seconds: Option<u64>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum AskedSpec {
    /// All is known.
    Ready(TaskSpec),
    /// A download of a file of this server, whose record is still to be looked up.
    File { file: FileId, file_type: Option<FileType>, target_file_name: String, delay_seconds: u32 },
}

impl AskedSpec {
    pub(crate) const fn kind(&self) -> TaskKind {
        match self {
            Self::Ready(spec) => spec.kind(),
            Self::File { .. } => TaskKind::Download,
        }
    }

    /// What it is about, for the audit log: names, never values (P26).
    pub(crate) fn account(&self) -> String {
        let list = |paths: Vec<&str>| format!(" of {}: {}", paths.len(), paths.join(", "));
        let about = match self {
            Self::Ready(TaskSpec::GetValues { paths }) => list(paths.iter().map(ParameterPath::as_str).collect()),
            Self::Ready(TaskSpec::SetValues { values }) => list(values.iter().map(|v| v.path.as_str()).collect()),
            Self::Ready(TaskSpec::GetNames { path, .. } | TaskSpec::Refresh { path }) => format!(" {path}"),
            Self::Ready(TaskSpec::AddObject { object, values }) => {
                format!(" {object}{}", list(values.iter().map(|v| v.path.as_str()).collect()))
            }
            Self::Ready(TaskSpec::DeleteObject { object }) => format!(" {object}"),
            Self::File { file, .. } => format!(" of file {file}"),
            Self::Ready(TaskSpec::Download(_)) => " from another server".to_owned(),
            Self::Ready(TaskSpec::Reboot | TaskSpec::FactoryReset | TaskSpec::Discover | TaskSpec::SetCredentials) => {
                String::new()
            }
        };
        format!("{}{about}", self.kind().as_str())
    }
}

impl NewTaskDto {
    /// Everything that is wrong, or the task.
    pub(crate) fn checked(self) -> Result<AskedTask, Problem> {
        let mut problems = Vec::new();
        let (wanted, expires_in_seconds) = self.options();
        if expires_in_seconds.is_some_and(|seconds| !(1..=EXPIRES_SECONDS_MAX).contains(&seconds)) {
            let detail = format!("it must be 1 to {EXPIRES_SECONDS_MAX}");
            problems.push(FieldProblem::new("expires_in_seconds", detail));
        }
        match self.spec(&mut problems) {
            Some(spec) if problems.is_empty() => {
                let wanted = match wanted {
                    Some(WantedDto::NextSession) => Wanted::NextSession,
                    Some(WantedDto::Now) | None => Wanted::Now,
                };
                Ok(AskedTask { spec, wanted, expires_in_seconds })
            }
            _ => Err(Problem::invalid_body(problems)),
        }
    }

    const fn options(&self) -> (Option<WantedDto>, Option<u64>) {
        match self {
            Self::GetValues { wanted, expires_in_seconds, .. }
            | Self::SetValues { wanted, expires_in_seconds, .. }
            | Self::GetNames { wanted, expires_in_seconds, .. }
            | Self::Refresh { wanted, expires_in_seconds, .. }
            | Self::AddObject { wanted, expires_in_seconds, .. }
            | Self::DeleteObject { wanted, expires_in_seconds, .. }
            | Self::Download { wanted, expires_in_seconds, .. }
            | Self::Reboot { wanted, expires_in_seconds }
            | Self::FactoryReset { wanted, expires_in_seconds } => (*wanted, *expires_in_seconds),
        }
    }

    fn spec(self, problems: &mut Vec<FieldProblem>) -> Option<AskedSpec> {
        let spec = match self {
            Self::GetValues { paths, .. } => TaskSpec::GetValues { paths: paths_to_read(&paths, problems)? },
            Self::SetValues { values, .. } => {
                check_count("values", values.len(), 1, problems)?;
                TaskSpec::SetValues { values: values_to_set(values, problems)? }
            }
            Self::GetNames { path, next_level, .. } => {
                let path = any_path(&path, "path", problems)?;
                if next_level && !path.is_object() {
                    problems.push(FieldProblem::new("path", "only an object, ending in a dot, has a next level"));
                    return None;
                }
                TaskSpec::GetNames { path, next_level }
            }
            Self::Refresh { path, .. } => {
                let path = any_path(&path, "path", problems)?;
                if !path.is_object() {
                    problems.push(FieldProblem::new("path", "it must name an object, ending in a dot"));
                    return None;
                }
                TaskSpec::Refresh { path }
            }
            Self::AddObject { object, values, .. } => {
                let object = table(&object, problems)?;
                check_count("values", values.len(), 0, problems)?;
                TaskSpec::AddObject { object, values: values_to_set(values, problems)? }
            }
            Self::DeleteObject { object, .. } => TaskSpec::DeleteObject { object: row(&object, problems)? },
            Self::Download {
                file_id,
                url,
                file_type,
                username,
                password,
                file_size,
                target_file_name,
                delay_seconds,
                ..
            } => {
                let asked = AskedDownload {
                    file_id,
                    url,
                    file_type,
                    username,
                    password: Secret::new(password.0),
                    file_size,
                    target_file_name,
                    delay_seconds,
                };
                return asked.checked(problems);
            }
            Self::Reboot { .. } => TaskSpec::Reboot,
            Self::FactoryReset { .. } => TaskSpec::FactoryReset,
        };
        Some(AskedSpec::Ready(spec))
    }
}

fn check_count(field: &str, count: usize, least: usize, problems: &mut Vec<FieldProblem>) -> Option<()> {
    if (least..=TaskSpec::PATHS_MAX).contains(&count) {
        return Some(());
    }
    let detail = format!("{count} are given; {least} to {} are possible", TaskSpec::PATHS_MAX);
    problems.push(FieldProblem::new(field, detail));
    None
}

fn paths_to_read(texts: &[String], problems: &mut Vec<FieldProblem>) -> Option<Vec<ParameterPath>> {
    check_count("paths", texts.len(), 1, problems)?;
    let mut paths = Vec::with_capacity(texts.len());
    for (i, text) in texts.iter().enumerate() {
        let field = format!("paths[{i}]");
        match any_path(text, &field, problems) {
            Some(path) if path.as_str().is_empty() => {
                problems.push(FieldProblem::new(field, "the whole tree is read by the kind `refresh`"));
            }
            path => paths.extend(path),
        }
    }
    problems.is_empty().then_some(paths)
}

fn values_to_set(asked: Vec<ObjectOnly<SetValueDto>>, problems: &mut Vec<FieldProblem>) -> Option<Vec<SetValue>> {
    let mut seen = HashSet::new();
    let mut values = Vec::with_capacity(asked.len());
    for (i, value) in asked.into_iter().enumerate() {
        let field = format!("values[{i}]");
        let Some(value) = value.0.checked(&field, problems) else { continue };
        if !seen.insert(value.path.clone()) {
            problems.push(FieldProblem::new(format!("{field}.path"), "the parameter is given twice"));
        }
        values.push(value);
    }
    problems.is_empty().then_some(values)
}

fn table(text: &str, problems: &mut Vec<FieldProblem>) -> Option<ParameterPath> {
    let path = any_path(text, "object", problems)?;
    if path.as_str().is_empty() || !path.is_object() || path.instance().is_some() {
        let detail = "it must name a table, ending in a dot, without an instance number";
        problems.push(FieldProblem::new("object", detail));
        return None;
    }
    Some(path)
}

fn row(text: &str, problems: &mut Vec<FieldProblem>) -> Option<ParameterPath> {
    let path = any_path(text, "object", problems)?;
    let is_alias = path.is_object() && path.leaf().starts_with('[') && path.leaf().ends_with(']');
    if path.instance().is_none() && !is_alias {
        let detail = "it must name an instance, such as `Device.WiFi.SSID.2.`";
        problems.push(FieldProblem::new("object", detail));
        return None;
    }
    Some(path)
}

struct AskedDownload {
    file_id: Option<String>,
    url: Option<String>,
    file_type: Option<String>,
    username: String,
    password: Secret,
    file_size: u32,
    target_file_name: String,
    delay_seconds: u32,
}

impl AskedDownload {
    fn checked(self, problems: &mut Vec<FieldProblem>) -> Option<AskedSpec> {
        for (field, text) in [
            ("username", self.username.as_str()),
            ("password", self.password.reveal()),
            ("target_file_name", &self.target_file_name),
        ] {
            if text.chars().count() > DOWNLOAD_TEXT_MAX || text.chars().any(char::is_control) {
                let detail = format!("it must be at most {DOWNLOAD_TEXT_MAX} characters without control characters");
                problems.push(FieldProblem::new(field, detail));
            }
        }
        let file_type = match self.file_type.as_deref().map(FileType::parse) {
            Some(None) => {
                let detail =
                    "it must be firmware, web, config, tone, ringer, stored-firmware, or a FileType of Download";
                problems.push(FieldProblem::new("file_type", detail));
                return None;
            }
            Some(Some(file_type)) => Some(file_type),
            None => None,
        };
        match (&self.file_id, &self.url) {
            (Some(file), None) => self.of_file(file, file_type, problems),
            (None, Some(url)) => self.of_url(url, file_type, problems),
            _ => {
                problems.push(FieldProblem::new("file_id", "give either file_id or url"));
                None
            }
        }
    }

    fn of_file(&self, file: &str, file_type: Option<FileType>, problems: &mut Vec<FieldProblem>) -> Option<AskedSpec> {
        if !self.username.is_empty() || !self.password.is_empty() || self.file_size != 0 {
            let detail = "username, password and file_size are for url alone";
            problems.push(FieldProblem::new("file_id", detail));
        }
        match file.parse() {
            Ok(file) => {
                let target_file_name = self.target_file_name.clone();
                Some(AskedSpec::File { file, file_type, target_file_name, delay_seconds: self.delay_seconds })
            }
            Err(error) => {
                problems.push(FieldProblem::new("file_id", error.to_string()));
                None
            }
        }
    }

    fn of_url(&self, url: &str, file_type: Option<FileType>, problems: &mut Vec<FieldProblem>) -> Option<AskedSpec> {
        if let Err(why) = check_url(url) {
            problems.push(FieldProblem::new("url", why));
        }
        let Some(file_type) = file_type else {
            problems.push(FieldProblem::new("file_type", "with url it must say what the file is"));
            return None;
        };
        Some(AskedSpec::Ready(TaskSpec::Download(DownloadSpec {
            file_type,
            source: DownloadSource::Url {
                url: url.to_owned(),
                username: self.username.clone(),
                password: self.password.clone(),
                file_size: self.file_size,
            },
            target_file_name: self.target_file_name.clone(),
            delay_seconds: self.delay_seconds,
        })))
    }
}

/// CWMP-332
fn check_url(url: &str) -> Result<(), &'static str> {
    if url.chars().count() > DOWNLOAD_TEXT_MAX {
        return Err("a URL has at most 256 characters");
    }
    let uri: http::Uri = url.parse().map_err(|_| "it is no URL")?;
    if !matches!(uri.scheme_str(), Some("http" | "https" | "ftp")) {
        return Err("it must begin with http://, https:// or ftp://");
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("it must not hold user and password; give username and password")
        }
        Some(authority) if !authority.host().is_empty() => Ok(()),
        _ => Err("it names no host"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(json: &str) -> Result<AskedTask, Problem> {
        serde_json::from_str::<NewTaskDto>(json).unwrap().checked()
    }

    fn spec(json: &str) -> TaskSpec {
        match asked(json).unwrap().spec {
            AskedSpec::Ready(spec) => spec,
            AskedSpec::File { .. } => panic!("a file download"),
        }
    }

    #[test]
    fn every_kind_is_taken() {
        let kinds = [
            (r#"{"kind": "get_values", "paths": ["Device.A", "Device.B."]}"#, TaskKind::GetValues),
            (r#"{"kind": "set_values", "values": [{"path": "Device.A", "value": "1"}]}"#, TaskKind::SetValues),
            (r#"{"kind": "get_names"}"#, TaskKind::GetNames),
            (r#"{"kind": "refresh", "path": "Device."}"#, TaskKind::Refresh),
            (r#"{"kind": "add_object", "object": "Device.A."}"#, TaskKind::AddObject),
            (r#"{"kind": "delete_object", "object": "Device.A.3."}"#, TaskKind::DeleteObject),
            (r#"{"kind": "delete_object", "object": "Device.A.[cpe-1]."}"#, TaskKind::DeleteObject),
            (r#"{"kind": "download", "url": "http://h/f", "file_type": "firmware"}"#, TaskKind::Download),
            (r#"{"kind": "reboot"}"#, TaskKind::Reboot),
            (r#"{"kind": "factory_reset"}"#, TaskKind::FactoryReset),
        ];
        for (json, kind) in kinds {
            assert_eq!(spec(json).kind(), kind, "{json}");
        }
        let file = asked(r#"{"kind": "download", "file_id": "abc"}"#).unwrap();
        assert!(matches!(file.spec, AskedSpec::File { file_type: None, .. }));
        // These two are the server's own.
        for kind in ["discover", "set_credentials"] {
            assert!(serde_json::from_str::<NewTaskDto>(&format!(r#"{{"kind": "{kind}"}}"#)).is_err());
        }
    }

    #[test]
    fn options_are_taken_and_bounded() {
        let task = asked(r#"{"kind": "reboot", "wanted": "next_session", "expires_in_seconds": 34560000}"#).unwrap();
        assert_eq!((task.wanted, task.expires_in_seconds), (Wanted::NextSession, Some(34_560_000)));
        assert_eq!(asked(r#"{"kind": "reboot"}"#).unwrap().wanted, Wanted::Now);
        assert!(asked(r#"{"kind": "reboot", "expires_in_seconds": 34560001}"#).is_err());
        assert!(asked(r#"{"kind": "reboot", "expires_in_seconds": 0}"#).is_err());
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(serde_json::from_str::<NewTaskDto>(r#"{"kind": "reboot", "path": "Device."}"#).is_err());
        let value = r#"{"kind": "set_values", "values": [{"path": "Device.A", "value": "1", "x": 1}]}"#;
        assert!(serde_json::from_str::<NewTaskDto>(value).is_err());
        let as_array = r#"{"kind": "set_values", "values": [["Device.A", "1"]]}"#;
        assert!(serde_json::from_str::<NewTaskDto>(as_array).is_err());
    }

    #[test]
    fn wrong_tasks_are_refused() {
        for json in [
            r#"{"kind": "get_values", "paths": []}"#,
            r#"{"kind": "get_values", "paths": [""]}"#,
            r#"{"kind": "get_values", "paths": ["Device..A"]}"#,
            r#"{"kind": "set_values", "values": []}"#,
            r#"{"kind": "set_values", "values": [{"path": "A.B", "value": ""}, {"path": "A.B", "value": ""}]}"#,
            r#"{"kind": "get_names", "path": "Device.A", "next_level": true}"#,
            r#"{"kind": "refresh", "path": "Device.A"}"#,
            r#"{"kind": "add_object", "object": "Device.A.1."}"#,
            r#"{"kind": "add_object", "object": ""}"#,
            r#"{"kind": "delete_object", "object": "Device.A."}"#,
            r#"{"kind": "download"}"#,
            r#"{"kind": "download", "file_id": "a", "url": "http://h/f"}"#,
            r#"{"kind": "download", "file_id": "a b"}"#,
            r#"{"kind": "download", "file_id": "a", "username": "u"}"#,
            r#"{"kind": "download", "file_id": "a", "file_type": "9"}"#,
            r#"{"kind": "download", "url": "http://h/f"}"#,
            r#"{"kind": "download", "url": "http://u:p@h/f", "file_type": "1"}"#,
            r#"{"kind": "download", "url": "file:///etc/passwd", "file_type": "1"}"#,
            r#"{"kind": "download", "url": "/relative", "file_type": "1"}"#,
        ] {
            assert_eq!(asked(json).unwrap_err().status().as_u16(), 422, "{json}");
        }
    }

    #[test]
    fn limits_hold_at_their_edges() {
        let many = |count: usize| {
            let paths: Vec<String> = (0..count).map(|i| format!("Device.A{i}")).collect();
            asked(&serde_json::json!({"kind": "get_values", "paths": paths}).to_string())
        };
        assert!(many(TaskSpec::PATHS_MAX).is_ok());
        assert!(many(TaskSpec::PATHS_MAX + 1).is_err());
        assert!(check_url(&format!("http://h/{}", "a".repeat(247))).is_ok());
        assert!(check_url(&format!("http://h/{}", "a".repeat(248))).is_err());
    }

    #[test]
    fn the_account_of_a_task_has_no_values() {
        // P26
        let json = r#"{"kind": "set_values", "values": [{"path": "Device.X.Password", "value": "canary"}]}"#;
        let task = asked(json).unwrap();
        assert_eq!(task.spec.account(), "set_values of 1: Device.X.Password");
        assert!(!format!("{task:?}").contains("canary"));
    }
}
