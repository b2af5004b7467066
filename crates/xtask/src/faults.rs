//! `cargo xtask faults`: the tests that break something under load (`tests/faults`), one after another.
//!
//! Each gets the servers that it needs before it begins: the usual set, the set `faults` whose servers it may kill, or the
//! set of three. A server that the test before left dead is started again. What a test found out is its exit status and its
//! line `figures: …`; both stand in the table at the end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::Message;

use crate::process;
use crate::services::{self, Cql, Variable, Which};

/// Modules and tests that are part of the long lane alone, or asked for by name: those that take many minutes whatever their
/// numbers are, those that need the set of three, which is most of their time and of the memory, and where several are alike, all but
/// one or two of them. What is left takes less than ten minutes together.
const LONG: [&str; 9] = [
    "away_and_standing_still",
    "brokers::away_for_long",
    "certificates::",
    "clocks::",
    "everything::",
    "producer::",
    "slow_to_answer",
    "standing_still_for_seconds",
    OF_THREE,
];
/// What a test begins its figures with.
const FIGURES: &str = "figures: ";
/// Modules whose tests kill servers that are alone of their kind.
const KILLS: [&str; 4] = ["brokers::", "clocks::", "everything::", "producer::"];
/// In the name of tests that take away one of three servers.
const OF_THREE: &str = "of_three";
/// Tells the tests to take the numbers of the long lane.
const LANE: &str = "LASTMILE_TEST_LONG";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Hours instead of minutes: as many kills, sessions and races as `docs/promises.md` tells of.
    #[arg(long)]
    long: bool,
    /// Optimized processes: two to five times as many sessions in a second, and a build of many minutes before it.
    #[arg(long)]
    release: bool,
    /// Leaves the servers that were started for the tests as they are, for another run.
    #[arg(long)]
    keep: bool,
    /// Only tests with one of these in their name, such as `provisioning` or `brokers::one_of_three`.
    names: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let program = build(options.release)?;
    let all = list(&program)?;
    let tests = select(&all, &options.names, options.long);
    ensure!(!tests.is_empty(), "no test of tests/faults has one of {:?} in its name", options.names);
    let mut started = BTreeMap::new();
    let mut outcomes = Vec::new();
    for test in tests {
        outcomes.push(one(&program, test, options.long, &mut started)?);
    }
    print!("{}", table(&outcomes));
    let took: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    println!("{} faults in {} s", outcomes.len(), took.as_secs());
    let ended = if options.keep { Ok(()) } else { end(&started) };
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    ensure!(failed == 0, "{failed} of {} faults broke a promise, see above", outcomes.len());
    ended
}

/// What a test found out.
#[derive(Debug)]
struct Outcome {
    name: String,
    passed: bool,
    took: Duration,
    figures: Vec<String>,
}

/// The sets that were brought up, by the name of their folder, and whether it was here.
type Started = BTreeMap<String, (Which, bool)>;

/// Builds the tests; gives the program.
fn build(is_optimized: bool) -> Result<PathBuf> {
    let mut arguments = vec!["test", "--locked", "--no-run", "-p", "lastmile", "--all-features", "--test", "faults"];
    if is_optimized {
        arguments.push("--release");
    }
    println!("$ cargo {}", arguments.join(" "));
    let output = Command::new(env!("CARGO"))
        .args(&arguments)
        .arg("--message-format=json-render-diagnostics")
        .current_dir(process::root())
        .stderr(Stdio::inherit())
        .output()
        .context("`cargo test` could not be started")?;
    ensure!(output.status.success(), "the tests could not be built ({})", output.status);
    let mut messages = Message::parse_stream(&output.stdout[..]).filter_map(Result::ok);
    let program = messages.find_map(|message| match message {
        Message::CompilerArtifact(artifact) if artifact.target.name == "faults" => artifact.executable,
        _ => None,
    });
    Ok(program.context("cargo told of no program of the test `faults`")?.into_std_path_buf())
}

/// All tests of the program.
fn list(program: &Path) -> Result<Vec<String>> {
    let output = Command::new(program).args(["--list", "--include-ignored", "--format", "terse"]).output()?;
    ensure!(output.status.success(), "{} does not list its tests", program.display());
    let text = String::from_utf8(output.stdout).context("the names of the tests")?;
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

fn select<'a>(tests: &'a [String], names: &[String], is_long: bool) -> Vec<&'a str> {
    let is_of_long = |test: &str| LONG.iter().any(|part| test.contains(part));
    let is_wanted = |test: &&str| match names {
        [] => is_long || !is_of_long(test),
        names => names.iter().any(|name| test.contains(name.as_str())),
    };
    tests.iter().map(String::as_str).filter(is_wanted).collect()
}

/// The sets that a test needs beside the usual one.
fn needs(test: &str) -> Option<Which> {
    let kills = KILLS.iter().any(|module| test.starts_with(module));
    match test.contains(OF_THREE) {
        true => Some(Which::of_three()),
        false => kills.then(|| Which::named("faults")),
    }
}

fn one(program: &Path, test: &str, is_long: bool, started: &mut Started) -> Result<Outcome> {
    println!("\n== {test}");
    let variables = up(&Which::default(), started)?;
    if let Some(which) = needs(test) {
        up(&which, started)?;
    }
    let began = Instant::now();
    let mut command = Command::new(program);
    command.args([test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]).envs(variables);
    if is_long {
        command.env(LANE, "1");
    }
    // As cargo would.
    let mut child = command
        .current_dir(process::root().join("crates/lastmile"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} could not be started", program.display()))?;
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let errors = thread::spawn(move || errors.map(show).unwrap_or_default());
    let mut figures = output.map(show).unwrap_or_default();
    figures.extend(errors.join().unwrap_or_default());
    let passed = child.wait()?.success();
    Ok(Outcome { name: test.to_owned(), passed, took: began.elapsed(), figures })
}

fn up(which: &Which, started: &mut Started) -> Result<Vec<Variable>> {
    let up = services::up(which, &Cql::Cassandra)?;
    started.entry(which.folder()).or_insert_with(|| (which.clone(), up.is_new));
    Ok(up.variables)
}

/// Who started a set ends it.
fn end(started: &Started) -> Result<()> {
    let ours = started.values().filter(|(_, is_new)| *is_new);
    let failed: Vec<String> =
        ours.filter_map(|(which, _)| services::down(which).err()).map(|error| format!("{error:#}")).collect();
    if !failed.is_empty() {
        bail!("servers were left: {}", failed.join("; "));
    }
    Ok(())
}

/// Shows each line, and keeps those with figures. libtest writes some words before what a test prints first.
fn show(output: impl Read) -> Vec<String> {
    let mut figures = Vec::new();
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        println!("{line}");
        figures.extend(line.split_once(FIGURES).map(|(_, told)| told.to_owned()));
    }
    figures
}

fn table(outcomes: &[Outcome]) -> String {
    let width = outcomes.iter().map(|outcome| outcome.name.len()).max().unwrap_or(0);
    let line = |outcome: &Outcome| {
        let verdict = if outcome.passed { "held" } else { "BROKEN" };
        let (name, seconds) = (&outcome.name, outcome.took.as_secs());
        format!("{name:<width$}  {verdict:<7}  {seconds:>6} s  {}\n", outcome.figures.join("; "))
    };
    format!("\n{:<width$}  verdict    seconds  figures\n{}", "fault", outcomes.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_gets_the_servers_it_may_kill() {
        let folder = |test| needs(test).map(|which| which.folder());
        assert_eq!(folder("brokers::the_broker_is_killed_p7").as_deref(), Some("faults-1"));
        assert_eq!(folder("brokers::one_of_three_is_away_p15").as_deref(), Some("nodes-3"));
        assert_eq!(folder("stores::one_of_three_is_killed_p15").as_deref(), Some("nodes-3"));
        assert_eq!(folder("fronts::killed_at_random_p13"), None);
    }

    #[test]
    fn names_select_tests() {
        let tests = ["a::one", "a::two", "b::three", "everything::killed"].map(str::to_owned);
        assert_eq!(select(&tests, &[], false), ["a::one", "a::two", "b::three"]);
        assert_eq!(select(&tests, &[], true).len(), 4);
        assert_eq!(select(&tests, &["two".to_owned(), "b::".to_owned()], true), ["a::two", "b::three"]);
        assert_eq!(select(&tests, &["every".to_owned()], false), ["everything::killed"]);
        assert!(select(&tests, &["four".to_owned()], false).is_empty());
    }

    #[test]
    fn figures_are_found_in_what_a_test_says() {
        let said = "test a ... figures: 3 kills, 9 sessions\nand more\nfigures: drained in 4 s\n";
        assert_eq!(show(said.as_bytes()), ["3 kills, 9 sessions", "drained in 4 s"]);
    }

    #[test]
    fn the_table_says_what_broke() {
        let outcome = |passed| Outcome {
            name: "a::b".to_owned(),
            passed,
            took: Duration::from_secs(12),
            figures: vec!["3 kills".to_owned()],
        };
        let table = table(&[outcome(true), outcome(false)]);
        assert!(table.contains("a::b  held         12 s  3 kills\n"), "{table}");
        assert!(table.contains("BROKEN"), "{table}");
    }
}
