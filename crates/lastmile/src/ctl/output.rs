//! What goes to the terminal: tables for people, JSON for programs.
//!
//! Texts that come from devices are shown without control characters, so that none of them steers the terminal.

use std::io::{self, IsTerminal, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table};
use serde_json::Value;

use super::client::Page;
use super::exit::Failure;

/// What results look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Tables and sentences, for people.
    #[default]
    Table,
    /// The API's JSON, for programs: one document, or one a line for what follows.
    Json,
}

/// Where results go.
#[derive(Debug)]
pub(super) struct Output {
    format: Format,
    /// Columns of the terminal; `None`: it is no terminal, nothing is wrapped.
    width: Option<u16>,
}

/// A column of a table of JSON objects.
pub(super) struct Column {
    title: &'static str,
    cell: fn(&Value) -> String,
    wraps: bool,
}

impl Column {
    /// A column whose cells stay on one line, such as ids, which people copy.
    pub(super) const fn new(title: &'static str, cell: fn(&Value) -> String) -> Self {
        Self { title, cell, wraps: false }
    }

    /// A column whose cells may be wrapped.
    pub(super) const fn wrapping(title: &'static str, cell: fn(&Value) -> String) -> Self {
        Self { title, cell, wraps: true }
    }
}

impl Output {
    /// On this process's standard output.
    pub(super) fn new(format: Format) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let width = is_terminal.then(terminal_size::terminal_size).flatten().map(|(width, _)| width.0);
        Self { format, width }
    }

    /// Whether programs read it.
    pub(super) const fn is_json(&self) -> bool {
        matches!(self.format, Format::Json)
    }

    /// Whether progress may be shown.
    pub(super) fn shows_progress(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// A remark beside the result.
    pub(super) fn note(&self, text: &str) {
        // A remark that nobody can read is no failure.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Progress on one line of the terminal, each over the one before; the last one ends in a line feed.
    pub(super) fn progress(text: &str) {
        let mut out = io::stderr();
        let _ = write!(out, "\r{text}").and_then(|()| out.flush());
    }

    /// A text, already safe to show.
    pub(super) fn text(&self, text: &str) -> Result<(), Failure> {
        write_line(text)
    }

    /// One document.
    pub(super) fn json(&self, document: &Value) -> Result<(), Failure> {
        write_line(&format!("{document:#}"))
    }

    /// One document on one line.
    pub(super) fn json_line(&self, document: &Value) -> Result<(), Failure> {
        write_line(&document.to_string())
    }

    /// A list, as the API gave it or as a table.
    pub(super) fn list(&self, page: &Page, columns: &[Column]) -> Result<(), Failure> {
        if self.is_json() {
            return self.json(&page.to_json());
        }
        let rows = page.items.iter().map(|item| columns.iter().map(|column| (column.cell)(item)).collect());
        let titles: Vec<(&str, bool)> = columns.iter().map(|column| (column.title, column.wraps)).collect();
        self.rows(&titles, rows)?;
        if page.next.is_some() {
            self.note("There are more: --all shows all, --limit N so many.");
        }
        Ok(())
    }

    /// A table; each title with whether its cells may be wrapped.
    pub(super) fn rows(
        &self,
        titles: &[(&str, bool)],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Result<(), Failure> {
        write_line(&table(titles, rows, self.width))
    }

    /// Names and values, one a line; those without a value are left out.
    pub(super) fn facts(&self, facts: &[(&str, String)]) -> Result<(), Failure> {
        let known = facts.iter().filter(|(_, value)| value != NONE);
        let width = known.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
        let lines: Vec<String> = known.map(|(name, value)| format!("{name:width$}  {value}")).collect();
        if lines.is_empty() { Ok(()) } else { write_line(&lines.join("\n")) }
    }
}

fn write_line(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout().lock(), "{text}").map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::NotDone(format!("the output cannot be written: {error}")),
    })
}

fn table(titles: &[(&str, bool)], rows: impl IntoIterator<Item = Vec<String>>, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(titles.iter().map(|(title, _)| *title));
    table.add_rows(rows);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for (column, (_, wraps)) in table.column_iter_mut().zip(titles) {
        column.set_padding((0, 2));
        if !wraps {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.trim_fmt()
}

/// What stands where nothing is known.
pub(super) const NONE: &str = "-";

/// A field as text: `-` for nothing, lists with commas, times without fractions of a second are left to [`time`].
pub(super) fn text(object: &Value, key: &str) -> String {
    shown(&object[key])
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::Bool(is) => (if *is { "yes" } else { "no" }).to_owned(),
        Value::String(text) => printable(text),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    if text.is_empty() { NONE.to_owned() } else { text }
}

/// A moment to the second, in UTC.
pub(super) fn time(object: &Value, key: &str) -> String {
    let text = text(object, key);
    match (text.get(..10), text.get(10..11), text.get(11..19)) {
        (Some(date), Some("T"), Some(clock)) if text.ends_with('Z') => format!("{date} {clock}Z"),
        _ => text,
    }
}

/// A parameter's value: that of a secret is never there.
pub(super) fn value(object: &Value) -> String {
    match (&object["secret"], &object["value"]) {
        (Value::Bool(true), _) => "(secret)".to_owned(),
        (_, Value::String(text)) => printable(text),
        _ => NONE.to_owned(),
    }
}

/// A text without what would steer a terminal: control characters and marks of direction are written as escapes.
pub(super) fn printable(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        vec![row(["00AABB-IGD-000001", "an account of many words"]), row(["00AABB-IGD-2", NONE])]
    }

    #[test]
    fn tables_have_no_borders() {
        expect![[r#"
            ID                 ABOUT
            00AABB-IGD-000001  an account of many words
            00AABB-IGD-2       -"#]]
        .assert_eq(&table(&[("ID", false), ("ABOUT", true)], rows(), None));
    }

    #[test]
    fn ids_stay_whole_in_a_narrow_terminal() {
        let text = table(&[("ID", false), ("ABOUT", true)], rows(), Some(34));
        assert!(text.contains("00AABB-IGD-000001  "), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 34), "{text}");
    }

    #[test]
    fn nothing_from_a_device_steers_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\n\u{9b}b\u{202e}ü"), "a\\u{1b}[2J\\n\\u{9b}b\\u{202e}ü");
    }

    #[test]
    fn fields_are_shown_for_people() {
        let object = json!({"a": null, "b": "", "c": ["1 BOOT", "4 VALUE CHANGE"], "d": true, "e": 7,
            "at": "2026-01-31T12:00:00.123456Z"});
        let texts: Vec<_> = ["a", "b", "c", "d", "e", "missing"].iter().map(|key| text(&object, key)).collect();
        assert_eq!(texts, ["-", "-", "1 BOOT, 4 VALUE CHANGE", "yes", "7", "-"]);
        assert_eq!(time(&object, "at"), "2026-01-31 12:00:00Z");
        assert_eq!(time(&object, "a"), "-");
    }

    #[test]
    fn secrets_are_not_shown() {
        // P26
        assert_eq!(value(&json!({"value": "canary", "secret": true})), "(secret)");
        assert_eq!(value(&json!({"value": null, "secret": false})), "-");
        assert_eq!(value(&json!({"value": "home", "secret": false})), "home");
    }
}
