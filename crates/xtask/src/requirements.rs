//! `cargo xtask requirements`: which CWMP requirement is held by which test, from what the tests cite.
//!
//! A number of a group that has begun is either cited by a test or listed in `requirements-waiting.tsv` with the reason;
//! `cargo xtask tidy` fails otherwise, and when the written table is stale.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::Context;

use crate::process::root;
use crate::tidy::rust_files;

/// Numbers that wait, and why.
const WAITING: &str = include_str!("../requirements-waiting.tsv");
/// Where the table is written.
const TABLE: &str = "docs/requirements.md";
/// The groups of the requirement list that have begun, with their numbers.
const GROUPS: [(&str, RangeInclusive<u16>); 11] = [
    ("A. Transport and TLS", 1..=39),
    ("B. Authentication of the CPE", 40..=64),
    ("C. SOAP encoding, headers, faults", 65..=104),
    ("D. Session rules", 110..=140),
    ("E. Protocol versions", 160..=169),
    ("F. Session retry and events", 175..=199),
    ("G. Methods", 220..=252),
    ("H. File transfer", 330..=353),
    ("I. Parameters, notification, aliases", 370..=388),
    ("J. Connection request: HTTP", 410..=423),
    ("O. Robustness", 530..=539),
];
/// Numbers inside a group that do not exist, or were struck.
const GAPS: [RangeInclusive<u16>; 2] = [177..=177, 194..=198];

/// Writes the table.
pub(crate) fn write() -> anyhow::Result<()> {
    fs::create_dir_all(root().join("docs"))?;
    fs::write(root().join(TABLE), table(&held()?, &waiting()?)?)?;
    println!("wrote {TABLE}");
    Ok(())
}

/// What is wrong with the table or the tests behind it.
pub(crate) fn problems() -> anyhow::Result<Vec<String>> {
    let held = held()?;
    let waiting = waiting()?;
    let mut problems = Vec::new();
    for number in numbers() {
        match (held.contains_key(&number), waiting.contains_key(&number)) {
            (false, false) => {
                problems.push(format!("CWMP-{number:03} is neither cited by a test nor listed as waiting"));
            }
            (true, true) => problems.push(format!("CWMP-{number:03} is listed as waiting, but a test cites it")),
            _ => {}
        }
    }
    if fs::read_to_string(root().join(TABLE)).unwrap_or_default() != table(&held, &waiting)? {
        problems.push(format!("{TABLE} is stale: run `cargo xtask requirements`"));
    }
    Ok(problems)
}

fn numbers() -> impl Iterator<Item = u16> {
    let exists = |number: &u16| !GAPS.iter().any(|gap| gap.contains(number));
    GROUPS.iter().flat_map(|(_, range)| range.clone()).filter(exists)
}

fn table(held: &Held, waiting: &BTreeMap<u16, String>) -> anyhow::Result<String> {
    let mut text = String::from(
        "# Which CWMP requirement is held where\n\nWritten by `cargo xtask requirements` from what the tests cite; \
         `cargo xtask tidy` notices when it is stale. The numbers are those of the project's requirement list for \
         TR-069 Amendment 6. A number without a test waits, with the reason.\n",
    );
    for (group, range) in &GROUPS {
        write!(text, "\n## {group}\n\n| requirement | held by |\n|---|---|\n")?;
        for number in numbers().filter(|number| range.contains(number)) {
            let by = match (held.get(&number), waiting.get(&number)) {
                (Some(files), _) => files.iter().map(|file| format!("`{file}`")).collect::<Vec<_>>().join(", "),
                (None, Some(reason)) => format!("*waits:* {reason}"),
                (None, None) => "**nothing**".to_owned(),
            };
            writeln!(text, "| CWMP-{number:03} | {by} |")?;
        }
    }
    Ok(text)
}

fn waiting() -> anyhow::Result<BTreeMap<u16, String>> {
    let mut waiting = BTreeMap::new();
    for line in WAITING.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (number, reason) = line.split_once('\t').with_context(|| format!("requirements-waiting.tsv: {line}"))?;
        waiting.insert(number.parse().with_context(|| format!("requirements-waiting.tsv: {line}"))?, reason.to_owned());
    }
    Ok(waiting)
}

/// Number → the files whose tests cite it.
type Held = BTreeMap<u16, BTreeSet<String>>;

fn held() -> anyhow::Result<Held> {
    let mut held = Held::new();
    for (name, text) in test_files()? {
        for number in cited(&text) {
            held.entry(number).or_default().insert(name.clone());
        }
    }
    Ok(held)
}

/// The files that have tests, by name, with the part that is tests.
pub(crate) fn test_files() -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for folder in ["crates", "tests"] {
        for file in rust_files(&root().join(folder))? {
            let name = file.strip_prefix(root()).unwrap_or(&file).to_string_lossy().into_owned();
            if name.starts_with("crates/xtask") {
                continue;
            }
            let text = fs::read_to_string(&file)?;
            files.push((name.clone(), test_text(&name, &text).to_owned()));
        }
    }
    Ok(files)
}

/// The part of a file that is tests.
fn test_text<'a>(name: &str, text: &'a str) -> &'a str {
    let is_test_file =
        Path::new(name).components().any(|part| part.as_os_str() == "tests") || name.ends_with("tests.rs");
    if is_test_file {
        return text;
    }
    text.find("#[cfg(test)]").map_or("", |start| &text[start..])
}

/// The numbers cited: `CWMP-112`, `cwmp_112`, and ranges such as `CWMP-110 to CWMP-123` or `CWMP-110…123`.
fn cited(text: &str) -> BTreeSet<u16> {
    let mut numbers = BTreeSet::new();
    let lower = text.to_ascii_lowercase();
    for (start, _) in lower.match_indices("cwmp") {
        let Some((first, rest)) = number_after(&lower[start + 4..]) else { continue };
        numbers.insert(first);
        let range = ["…", " to cwmp-", "–", ".."].iter().find_map(|sign| rest.strip_prefix(sign));
        if let Some(last) = range.and_then(three_digits)
            && (first..first + 40).contains(&last)
        {
            numbers.extend(first..=last);
        }
        // A list goes on with bare numbers: `cwmp_013_014`, `CWMP-079, 080`, `CWMP-101/102`.
        let mut rest = rest;
        while let Some(next) = ["_", ", ", "/", ", -", " and "]
            .iter()
            .filter_map(|sign| rest.strip_prefix(sign))
            .find_map(three_digits_and_rest)
        {
            numbers.insert(next.0);
            rest = next.1;
        }
    }
    numbers
}

fn number_after(text: &str) -> Option<(u16, &str)> {
    three_digits_and_rest(text.strip_prefix(['-', '_'])?)
}

fn three_digits(text: &str) -> Option<u16> {
    three_digits_and_rest(text).map(|(number, _)| number)
}

fn three_digits_and_rest(text: &str) -> Option<(u16, &str)> {
    let digits = text.get(..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let rest = &text[3..];
    (!rest.starts_with(|c: char| c.is_ascii_digit())).then_some(())?;
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_are_read_in_all_their_forms() {
        let text =
            "// CWMP-112, 113; CWMP-110…112\nfn cwmp_013_014_empty() {} // CWMP-079/080 CWMP-101 to CWMP-103 CWMP-1234";
        let numbers: Vec<u16> = cited(text).into_iter().collect();
        assert_eq!(numbers, [13, 14, 79, 80, 101, 102, 103, 110, 111, 112, 113]);
    }

    #[test]
    fn only_tests_count() {
        assert_eq!(test_text("crates/a/src/b.rs", "CWMP-001 #[cfg(test)] CWMP-002"), "#[cfg(test)] CWMP-002");
        assert_eq!(test_text("crates/a/tests/b.rs", "CWMP-001"), "CWMP-001");
    }
}
