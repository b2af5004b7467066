//! Makes the fact files of the data-model catalogue (`crates/cwmp-model/facts`) from the extracted data models.
//!
//! The source has one tab-separated file per model with seventeen columns. What the product reads is smaller: paths
//! relative to the root, one line per object followed by its parameters by their last name, no deleted items, only the
//! columns that something asks for, no trailing empty columns. Rows are sorted, so that a new source gives a small diff.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// What is taken, from which file.
const MODELS: [Model; 6] = [
    Model::root("tr-098-internetgatewaydevice-1.14.tsv", "InternetGatewayDevice."),
    Model::root("tr-181-device-2.19.tsv", "Device."),
    Model::service("tr-104-voiceservice-1.1.tsv"),
    Model::service("tr-104-voiceservice-2.0.tsv"),
    Model::service("tr-135-stbservice-1.4.tsv"),
    Model::service("tr-140-storageservice-1.3.tsv"),
];

/// Patterns of the source that are descriptions in the place of an expression.
const NO_EXPRESSIONS: [&str; 1] = ["/YYYYMMDD.HHMMSS/"];

/// The columns of a target line after the name.
const COLUMNS: [&str; 10] =
    ["type", "access", "default", "range", "size", "enum", "units", "notify", "pattern", "flags"];

struct Model {
    source: &'static str,
    /// What paths begin with in the source; left out in the target.
    strip: &'static str,
    /// What they begin with in the target.
    below: &'static str,
}

impl Model {
    const fn root(source: &'static str, strip: &'static str) -> Self {
        Self { source, strip, below: "" }
    }

    const fn service(source: &'static str) -> Self {
        Self { source, strip: "", below: "Services." }
    }

    /// `tr-181-device-2.19.tsv` is kept as `device-2.19.tsv`.
    fn target(&self) -> &'static str {
        self.source.splitn(3, '-').last().unwrap_or(self.source)
    }
}

/// Reads the data-model files in `source` and writes the fact files into `target`, which must exist.
pub(crate) fn generate(source: &Path, target: &Path) -> Result<()> {
    for model in MODELS {
        let from = source.join(model.source);
        let text = fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?;
        let facts = facts(&model, &text).with_context(|| format!("cannot take facts from {}", from.display()))?;
        let to = target.join(model.target());
        fs::write(&to, facts).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}

/// An object's line and its parameters' lines by name.
#[derive(Default)]
struct Object {
    line: String,
    parameters: BTreeMap<String, String>,
}

fn facts(model: &Model, text: &str) -> Result<String> {
    let mut lines = text.lines();
    let header = lines.next().context("the file is empty")?;
    let columns: HashMap<&str, usize> = header.split('\t').enumerate().map(|(at, name)| (name, at)).collect();
    let mut objects: BTreeMap<String, Object> = BTreeMap::new();
    if !model.below.is_empty() {
        objects.insert(model.below.to_owned(), Object { line: "object\tR".to_owned(), ..Object::default() });
    }
    for line in lines {
        let row = Row { columns: &columns, cells: line.split('\t').collect() };
        if row.get("status")? == "deleted" {
            continue;
        }
        add(model, &row, &mut objects).with_context(|| format!("in the row `{line}`"))?;
    }
    Ok(written(model, &objects))
}

fn add(model: &Model, row: &Row<'_>, objects: &mut BTreeMap<String, Object>) -> Result<()> {
    let path = row.get("path")?;
    let inner = path.strip_prefix(model.strip).context("the path does not begin with the root")?;
    let path = format!("{}{inner}", model.below);
    match row.get("kind")? {
        "object" => {
            ensure!(path.is_empty() || path.ends_with('.'), "an object ends in a dot");
            objects.entry(path).or_default().line = row.facts()?;
        }
        "parameter" => {
            let (object, name) = path.rsplit_once('.').map_or(("", path.as_str()), |(o, n)| (&path[..=o.len()], n));
            let object = objects.get_mut(object).context("its object has no row above it")?;
            object.parameters.insert(name.to_owned(), row.facts()?);
        }
        other => bail!("unknown kind `{other}`"),
    }
    Ok(())
}

fn written(model: &Model, objects: &BTreeMap<String, Object>) -> String {
    let mut text =
        format!("# {}, made by `cargo xtask catalogue`; see NOTICE\n", model.source.trim_end_matches(".tsv"));
    text.push_str(&format!("# name\t{}\n", COLUMNS.join("\t")));
    for (path, object) in objects {
        // The root itself is written as a dot.
        let path = if path.is_empty() { "." } else { path };
        text.push_str(&format!("{path}\t{}\n", object.line));
        for (name, facts) in &object.parameters {
            text.push_str(&format!("{name}\t{facts}\n"));
        }
    }
    text
}

struct Row<'a> {
    columns: &'a HashMap<&'a str, usize>,
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn get(&self, column: &str) -> Result<&'a str> {
        let at = *self.columns.get(column).with_context(|| format!("the file has no column `{column}`"))?;
        self.cells.get(at).copied().with_context(|| format!("no cell in column `{column}`"))
    }

    /// The columns of the target, tab-separated, without empty ones at the end.
    fn facts(&self) -> Result<String> {
        let cells = COLUMNS.map(|column| match column {
            "flags" => self.flags(),
            "pattern" => {
                self.get(column).map(|p| if NO_EXPRESSIONS.contains(&p) { String::new() } else { p.to_owned() })
            }
            _ => self.get(column).map(str::to_owned),
        });
        let cells = cells.into_iter().collect::<Result<Vec<_>>>()?;
        let is_escaped = |(column, cell): (&str, &String)| column != "pattern" && cell.contains('\\');
        ensure!(!COLUMNS.into_iter().zip(&cells).any(is_escaped), "an escaped character, which no reader expects");
        Ok(cells.join("\t").trim_end_matches('\t').to_owned())
    }

    /// `forced`, the status, `ref`, `hidden`, `secured`, `command`, and `datatype=…`, `listsize=…`, `items=…`.
    fn flags(&self) -> Result<String> {
        const KEPT: [&str; 6] = ["hidden", "secured", "command", "datatype", "listsize", "items"];
        let extra = self.get("extra")?.split(' ');
        let extra = extra.filter(|flag| KEPT.contains(&flag.split('=').next().unwrap_or(flag)));
        let flags: Vec<&str> =
            [self.get("forced")?, self.get("status")?, self.reference()?].into_iter().chain(extra).collect();
        Ok(flags.into_iter().filter(|flag| !flag.is_empty()).collect::<Vec<_>>().join(" "))
    }

    /// `ref` where the value names an object or a parameter.
    fn reference(&self) -> Result<&'static str> {
        let is_reference = self.get("ref")?.starts_with("strong") || self.get("ref")?.starts_with("weak");
        Ok(if is_reference { "ref" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "path\tkind\ttype\taccess\trange\tsize\tenum\tpattern\tunits\tdefault\tnotify\tforced\tversion\tstatus\tsince\tref\textra";

    fn row(path: &str, kind: &str, kind_type: &str, status: &str, extra: &str) -> String {
        format!("{path}\t{kind}\t{kind_type}\tR\t\t0..64\t\t\t\to:x\t\t\t2.0\t{status}\t\t\t{extra}")
    }

    #[test]
    fn rows_are_grouped_by_object_without_the_deleted() {
        let source = [
            HEADER.to_owned(),
            row("Device.", "object", "object", "", ""),
            row("Device.B.", "object", "object", "", ""),
            row("Device.Name", "parameter", "string", "deprecated", "enable=X secured datatype=Alias"),
            row("Device.B.Z", "parameter", "string", "", ""),
            row("Device.B.Old", "parameter", "string", "deleted", ""),
        ];
        let made = facts(&MODELS[1], &source.join("\n")).unwrap();
        let lines: Vec<&str> = made.lines().skip(2).collect();
        let common = "\tR\to:x\t\t0..64";
        assert_eq!(
            lines,
            [
                format!(".\tobject{common}"),
                format!("Name\tstring{common}\t\t\t\t\tdeprecated secured datatype=Alias"),
                format!("B.\tobject{common}"),
                format!("Z\tstring{common}"),
            ]
        );
    }

    #[test]
    fn services_go_below_services() {
        let source = [HEADER.to_owned(), row("VoiceServiceNumberOfEntries", "parameter", "unsignedInt", "", "")];
        let made = facts(&MODELS[2], &source.join("\n")).unwrap();
        let lines: Vec<&str> = made.lines().skip(2).collect();
        assert_eq!(lines, ["Services.\tobject\tR", "VoiceServiceNumberOfEntries\tunsignedInt\tR\to:x\t\t0..64"]);
        assert_eq!(MODELS[2].target(), "voiceservice-1.1.tsv");
    }

    #[test]
    fn a_source_of_another_shape_is_refused() {
        assert!(facts(&MODELS[1], "").is_err());
        assert!(facts(&MODELS[1], "path\tkind\nDevice.\tobject").is_err());
        let orphan = [HEADER.to_owned(), row("Device.B.Z", "parameter", "string", "", "")].join("\n");
        assert!(facts(&MODELS[1], &orphan).is_err());
    }
}
