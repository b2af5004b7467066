//! Reading the configuration: defaults, file, environment, flags, with every problem told at once.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::Context;

/// The defaults, which are also the manual.
pub(crate) const DEFAULTS: &str = include_str!("../config.default.toml");
/// What environment variables begin with.
const PREFIX: &str = "LASTMILE_";
/// Environment variables with the prefix that are not configuration keys.
const NOT_KEYS: [&str; 4] = ["LASTMILE_TOKEN", "LASTMILE_API", "LASTMILE_FLEET_PASSWORD", crate::failpoints::VARIABLE];
/// Keys whose values are never shown.
const SECRET_KEYS: [&str; 6] = [
    "cwmp.password",
    "api.admin_token",
    "kafka.sasl_password",
    "redis.password",
    "redis.sentinel_password",
    "store.password",
];

/// The merged settings: key → value with its source.
#[derive(Debug)]
pub(crate) struct Settings {
    values: BTreeMap<String, Setting>,
    problems: Vec<String>,
}

#[derive(Clone)]
struct Setting {
    value: toml::Value,
    source: String,
}

impl Settings {
    /// The defaults alone.
    pub(crate) fn defaults() -> Self {
        let mut settings = Self { values: BTreeMap::new(), problems: Vec::new() };
        let table: toml::Table = DEFAULTS.parse().expect("the built-in defaults are valid TOML (tested)");
        for (key, value) in flatten(table) {
            settings.values.insert(key, Setting { value, source: "default".to_owned() });
        }
        settings
    }

    /// Lays a configuration file over what is there.
    pub(crate) fn add_file(&mut self, name: &str, text: &str) {
        match text.parse::<toml::Table>() {
            Ok(table) => {
                for (key, value) in flatten(table) {
                    self.set(&key, value, name);
                }
            }
            Err(error) => self.problems.push(format!("{name}: {}", error.to_string().trim_end())),
        }
    }

    /// Lays environment variables over what is there; others than ours are passed over.
    pub(crate) fn add_environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            if NOT_KEYS.contains(&name.as_str()) {
                continue;
            }
            let wanted = rest.to_ascii_lowercase();
            match self.values.keys().find(|key| key.replace('.', "_") == wanted).cloned() {
                Some(key) => self.set_text(&key, &text, &format!("environment variable {name}")),
                None => self.problems.push(format!("environment variable {name}: there is no such key")),
            }
        }
    }

    /// Lays one flag over what is there.
    pub(crate) fn add_flag(&mut self, flag: &str, key: &str, text: Option<String>) {
        if let Some(text) = text {
            self.set_text(key, &text, &format!("flag --{flag}"));
        }
    }

    /// Lays one `KEY=VALUE` over what is there.
    pub(crate) fn add_assignment(&mut self, assignment: &str) {
        match assignment.split_once('=') {
            Some((key, text)) => self.set_text(key.trim(), text, "flag --set"),
            None => self.problems.push(format!("flag --set: `{assignment}` is not KEY=VALUE")),
        }
    }

    /// Sets a key that the caller knows.
    pub(crate) fn override_default(&mut self, key: &str, value: impl Into<toml::Value>) {
        self.set(key, value.into(), "default of this command");
    }

    fn set(&mut self, key: &str, value: toml::Value, source: &str) {
        match self.values.get_mut(key) {
            None => self.problems.push(format!("{source}: there is no key `{key}`")),
            Some(setting) if setting.value.type_str() != value.type_str() => self.problems.push(format!(
                "{source}: `{key}` is a {}, expected a {}",
                value.type_str(),
                setting.value.type_str()
            )),
            Some(setting) => *setting = Setting { value, source: source.to_owned() },
        }
    }

    fn set_text(&mut self, key: &str, text: &str, source: &str) {
        let Some(setting) = self.values.get(key) else {
            self.problems.push(format!("{source}: there is no key `{key}`"));
            return;
        };
        let value = match &setting.value {
            toml::Value::Integer(_) => text.trim().parse().map(toml::Value::Integer).map_err(|_| "a whole number"),
            toml::Value::Boolean(_) => text.trim().parse().map(toml::Value::Boolean).map_err(|_| "true or false"),
            toml::Value::Array(_) => Ok(toml::Value::Array(
                text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(toml::Value::from).collect(),
            )),
            _ => Ok(toml::Value::from(text)),
        };
        match value {
            Ok(value) => self.set(key, value, source),
            Err(expected) => self.problems.push(format!("{source}: `{text}` is not {expected}")),
        }
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> String {
        self.values.get(key).and_then(|s| s.value.as_str()).unwrap_or_default().to_owned()
    }

    /// A switch.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.values.get(key).and_then(|s| s.value.as_bool()).unwrap_or_default()
    }

    /// A whole number within `range`; outside it a problem is noted and the nearest one returned.
    pub(crate) fn number(&mut self, key: &str, range: std::ops::RangeInclusive<u64>) -> u64 {
        let found = self.values.get(key).and_then(|s| s.value.as_integer()).unwrap_or_default();
        match u64::try_from(found).ok().filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                self.problem(key, &format!("{found} is not a whole number from {} to {}", range.start(), range.end()));
                *range.start()
            }
        }
    }

    /// A text in a form that `T` reads; otherwise a problem is noted and `fallback` returned.
    pub(crate) fn parsed<T: FromStr>(&mut self, key: &str, expected: &str, fallback: T) -> T {
        let text = self.text(key);
        match text.trim().parse() {
            Ok(value) => value,
            Err(_) => {
                self.problem(key, &format!("`{text}` is not {expected}"));
                fallback
            }
        }
    }

    /// A list of texts, each in a form that `T` reads.
    pub(crate) fn list<T: FromStr>(&mut self, key: &str, expected: &str) -> Vec<T> {
        let texts: Vec<String> = match self.values.get(key).map(|s| &s.value) {
            Some(toml::Value::Array(items)) => {
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        let mut parsed = Vec::new();
        for text in texts {
            match text.trim().parse() {
                Ok(value) => parsed.push(value),
                Err(_) => self.problem(key, &format!("`{text}` is not {expected}")),
            }
        }
        parsed
    }

    /// Notes a problem with a key.
    pub(crate) fn problem(&mut self, key: &str, what: &str) {
        let source = self.values.get(key).map_or("default", |s| s.source.as_str());
        let told = format!("{key} ({source}): {what}");
        // Two sections may read one key.
        if !self.problems.contains(&told) {
            self.problems.push(told);
        }
    }

    /// All problems so far, each told once.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }
}

/// Reads a configuration file.
pub(crate) fn read_file(path: &std::path::Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("the configuration file {} cannot be read", path.display()))
}

fn flatten(table: toml::Table) -> Vec<(String, toml::Value)> {
    let mut flat = Vec::new();
    for (section, value) in table {
        match value {
            toml::Value::Table(inner) => {
                flat.extend(inner.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)));
            }
            other => flat.push((section, other)),
        }
    }
    flat
}

/// TOML with the source of each value as a comment, and without secrets.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = "";
        for (key, setting) in &self.values {
            let (this, name) = key.split_once('.').unwrap_or(("", key));
            if this != section {
                writeln!(f, "{}[{this}]", if section.is_empty() { "" } else { "\n" })?;
                section = this;
            }
            let set = setting.value.as_str().is_some_and(|text| !text.is_empty());
            if SECRET_KEYS.contains(&key.as_str()) && set {
                writeln!(f, "{name} = \"(secret)\"  # {}", setting.source)?;
            } else {
                writeln!(f, "{name} = {}  # {}", setting.value, setting.source)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set by {}", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_at_once() {
        let mut settings = Settings::defaults();
        settings.add_file("a.toml", "[cwmp]\nlisten = 5\nspeed = 1\n[nowhere]\nx = 1\n");
        settings.add_environment([
            ("LASTMILE_CWMP_NOTHING".to_owned(), "1".to_owned()),
            ("LASTMILE_FLEET_DEVICES".to_owned(), "many".to_owned()),
            ("PATH".to_owned(), "/bin".to_owned()),
        ]);
        settings.add_flag("cwmp-listen", "cwmp.listen", Some("nowhere".to_owned()));
        settings.parsed::<std::net::SocketAddr>("cwmp.listen", "an address and port", ([127, 0, 0, 1], 1).into());
        let told = settings.problems().join("\n");
        for part in [
            "a.toml: `cwmp.listen` is a integer, expected a string",
            "a.toml: there is no key `cwmp.speed`",
            "a.toml: there is no key `nowhere.x`",
            "environment variable LASTMILE_CWMP_NOTHING: there is no such key",
            "environment variable LASTMILE_FLEET_DEVICES: `many` is not a whole number",
            "cwmp.listen (flag --cwmp-listen): `nowhere` is not an address and port",
        ] {
            assert!(told.contains(part), "{part:?} is missing in:\n{told}");
        }
    }

    #[test]
    fn later_sources_win_and_secrets_are_not_shown() {
        let mut settings = Settings::defaults();
        settings.add_file("a.toml", "[cwmp]\nuser = \"file\"\npassword = \"canary\"\n");
        settings.add_environment([("LASTMILE_CWMP_USER".to_owned(), "environment".to_owned())]);
        assert_eq!(settings.text("cwmp.user"), "environment");
        settings.add_flag("cpe-user", "cwmp.user", Some("flag".to_owned()));
        assert_eq!(settings.text("cwmp.user"), "flag");
        let shown = format!("{settings}{settings:?}");
        assert!(!shown.contains("canary"), "P26: {shown}");
        assert!(shown.contains("user = \"flag\"  # flag --cpe-user"), "{shown}");
    }

    #[test]
    fn numbers_are_held_to_their_range() {
        let mut settings = Settings::defaults();
        settings.add_flag("x", "cwmp.session_timeout_seconds", Some("5".to_owned()));
        assert_eq!(settings.number("cwmp.session_timeout_seconds", 30..=3600), 30);
        assert!(settings.problems()[0].contains("5 is not a whole number from 30 to 3600"));
    }
}
