//! `events verify`

use std::process::ExitCode;

use acs_events_kafka::{KafkaConfig, KafkaLog, TopicsError, check_topics};
use cwmp_model::Timestamp;
use serde::Serialize;

use super::ledger::{Ledger, Report};
use super::reading::Reading;
use super::when::{self, Window};
use super::{Common, Failure, print};

/// `verify`
///
/// Reads everything that Kafka keeps and says whether something is missing: numbers of an emitter that its control totals count,
/// records of a session that its end counts, messages that cannot be read, copies that differ, topics that may lose
/// records. What waits in an outbox is missing until it is relayed: use --to 1h to leave out the last hour.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// Judges what happened from here on: 2026-01-31T12:00:00Z, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    from: Option<Timestamp>,
    /// Judges what happened up to here; what comes later is still read, for it may be a late part of that.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    to: Option<Timestamp>,
}

impl Options {
    pub(super) fn common(&self) -> &Common {
        &self.common
    }
}

/// All that `verify` found.
#[derive(Debug, Serialize)]
struct Findings {
    complete: bool,
    /// What is wrong with the topics.
    topics: Vec<String>,
    #[serde(flatten)]
    report: Report,
}

pub(super) async fn run(options: Options, kafka: KafkaConfig) -> Result<ExitCode, Failure> {
    let window = Window { from: options.from, to: options.to }.check()?;
    let topics = weak_topics(&kafka).await?;
    let log = KafkaLog::new(kafka).map_err(anyhow::Error::from)?;
    let report = read(&log, window).await?;
    let findings = Findings { complete: report.is_complete() && topics.is_empty(), topics, report };
    if options.common.is_json() {
        print(&serde_json::to_string_pretty(&findings).map_err(anyhow::Error::from)?)?;
    } else {
        print(&text(&findings))?;
    }
    Ok(if findings.complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the topics are lacking; with `kafka.allow_weak_topics` only that they cannot be used at all.
async fn weak_topics(kafka: &KafkaConfig) -> anyhow::Result<Vec<String>> {
    match check_topics(kafka).await {
        Ok(()) => Ok(Vec::new()),
        // Without its partitions nothing can be read.
        Err(TopicsError::Unfit { problems, readable: true }) => Ok(problems),
        Err(error) => Err(error.into()),
    }
}

async fn read(log: &KafkaLog, window: Window) -> anyhow::Result<Report> {
    let mut reading = Reading::all(log).await?;
    let mut ledger = Ledger::new(window, reading.from());
    while let Some(page) = reading.next().await? {
        for event in &page.events {
            ledger.add(event)?;
        }
        ledger.skip(page.skipped);
        if let Some(why) = page.unreadable {
            ledger.unreadable(why);
        }
    }
    Ok(ledger.report())
}

fn text(findings: &Findings) -> String {
    let report = &findings.report;
    let sessions: Vec<_> = report.sessions.iter().map(|(state, count)| format!("{count} {}", state.as_str())).collect();
    let mut lines = vec![
        format!(
            "read {} messages: {} copies, {} late, {} devices, {} emitters",
            report.messages,
            report.duplicates,
            report.late,
            report.devices,
            report.emitters.len()
        ),
        format!("sessions: {}", sessions.join(", ")),
        format!(
            "events of devices: {} occurrences, {} repeated by the CPE, {} that may be repetitions",
            report.occurrences, report.repetitions, report.chain_unknown
        ),
    ];
    if report.skipped > 0 {
        lines.push(format!("{} messages are of types that are newer than this version", report.skipped));
    }
    if report.unjudged_totals > 0 {
        lines.push(format!(
            "{} control totals reach before what Kafka keeps; they prove nothing",
            report.unjudged_totals
        ));
    }
    let problems: Vec<_> = findings.topics.iter().cloned().chain(report.problems()).collect();
    lines.extend(problems.iter().map(|problem| format!("problem: {problem}")));
    lines.push(if findings.complete { "nothing is missing".into() } else { format!("{} problem(s)", problems.len()) });
    lines.join("\n")
}
