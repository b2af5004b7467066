//! The table of promises: which tests hold each, from what the tests cite (`P7`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use anyhow::Context;

use crate::process::root;
use crate::requirements::test_files;

const PROMISES: &str = include_str!("../promises.tsv");
const TABLE: &str = "docs/promises.md";
/// What runs showed, written by people.
const RUNS: &str = "docs/promises-runs.md";

/// Writes the table.
pub(crate) fn write() -> anyhow::Result<()> {
    fs::write(root().join(TABLE), table(&held()?)?)?;
    println!("wrote {TABLE}");
    Ok(())
}

/// What is wrong with the table or the tests behind it.
pub(crate) fn problems() -> anyhow::Result<Vec<String>> {
    let held = held()?;
    let mut problems = Vec::new();
    for promise in promises()? {
        if promise.state == "held" && !held.contains_key(promise.number) {
            problems.push(format!("{} is listed as held, but no test cites it", promise.number));
        }
    }
    if fs::read_to_string(root().join(TABLE)).unwrap_or_default() != table(&held)? {
        problems.push(format!("{TABLE} is stale: run `cargo xtask requirements`"));
    }
    Ok(problems)
}

struct Promise {
    number: &'static str,
    text: &'static str,
    state: &'static str,
}

fn promises() -> anyhow::Result<Vec<Promise>> {
    let lines = PROMISES.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let parse = |line: &'static str| {
        let mut columns = line.split('\t');
        let mut next = || columns.next().with_context(|| format!("promises.tsv: {line}"));
        Ok(Promise { number: next()?, text: next()?, state: next()? })
    };
    lines.map(parse).collect()
}

fn table(held: &Held) -> anyhow::Result<String> {
    let mut text = String::from(
        "# What Lastmile promises, and where each promise is held\n\nWritten by `cargo xtask requirements` from what the \
         tests cite; `cargo xtask tidy` notices when it is stale. These tests run with `cargo xtask test`, \
         those in `tests/faults` with `cargo xtask faults`.\n\n\
         | promise | what | held by |\n|---|---|---|\n",
    );
    for promise in promises()? {
        let files = held.get(promise.number).cloned().unwrap_or_default();
        let files: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
        let by = match promise.state {
            "held" => files.join(", "),
            waits if files.is_empty() => format!("*{waits}*"),
            waits => format!("*{waits}*: {}", files.join(", ")),
        };
        writeln!(text, "| {} | {} | {by} |", promise.number, promise.text)?;
    }
    let runs = fs::read_to_string(root().join(RUNS)).unwrap_or_default();
    if !runs.is_empty() {
        write!(text, "\n{runs}")?;
    }
    Ok(text)
}

/// Promise → the files whose tests cite it.
type Held = BTreeMap<String, BTreeSet<String>>;

fn held() -> anyhow::Result<Held> {
    let mut held = Held::new();
    for (name, text) in test_files()? {
        for promise in cited(&text) {
            held.entry(promise).or_default().insert(name.clone());
        }
    }
    Ok(held)
}

/// `P1` … `P27` as words of their own, also `p7_` at the begin of a function's name, and ranges such as `P1–P6`.
fn cited(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut previous: Option<u32> = None;
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let number = word.strip_prefix(['P', 'p']).and_then(|digits| digits.parse::<u32>().ok());
        let number = number.filter(|number| (1..=27).contains(number));
        if let Some(number) = number {
            found.insert(format!("P{number}"));
            let range = |first: u32| [format!("P{first}–P{number}"), format!("P{first} to P{number}")];
            if let Some(first) = previous.filter(|first| range(*first).iter().any(|sign| text.contains(sign.as_str())))
            {
                found.extend((first..number).map(|between| format!("P{between}")));
            }
            previous = Some(number);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_are_words_of_their_own() {
        let found = cited("// P7, (P11) fn p3_is_held() HTTP1 P99 MP3 P1–P3");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["P1", "P11", "P2", "P3", "P7"]);
    }
}
