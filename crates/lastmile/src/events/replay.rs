//! `events replay`

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use acs_events::{AppendError, EventSink, LoggedEvent};
use acs_events_kafka::{
    KafkaConfig, KafkaLog, KafkaSink, Metrics, TopicsError, check_topics, cluster_id, create_topics,
};
use acs_types::EventRecord;
use anyhow::bail;
use cwmp_model::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::reading::Reading;
use super::when::{self, Window};
use super::{Common, Failure, Filter, print, read};

/// Records sent at a time.
const BATCH_MAX: u64 = 500;
/// How long the target may be away.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause before a batch is sent again.
const PAUSE: Duration = Duration::from_millis(500);

/// `replay`
///
/// For a consumer that lost what it had read, or a new one that needs history: it gets the events again in topics of its own
/// (--to-prefix) or on another cluster (--to-brokers), while those of everyone else stay as they are. Events keep their ids,
/// numbers, partitions and order, so that a consumer drops what it has already, and repeating a replay does no harm. It
/// does not restore anything in Lastmile itself: `lastmile ingest --rebuild` does that.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    filter: Filter,
    /// Only what happened from here on: 2026-01-31T12:00:00Z, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    from: Option<Timestamp>,
    /// Only what happened up to here.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    to: Option<Timestamp>,
    /// Before the name of each topic of the target; without it as in the source.
    #[arg(long, value_name = "PREFIX")]
    to_prefix: Option<String>,
    /// The brokers of the target; without it those of the source.
    #[arg(long, value_name = "HOST:PORT,…")]
    to_brokers: Option<String>,
    /// Another key of the configuration that is not the same for the target, such as kafka.sasl_user=NAME.
    #[arg(long, value_name = "KEY=VALUE")]
    to_set: Vec<String>,
    /// Makes the topics of the target that do not exist.
    #[arg(long)]
    create_topics: bool,
    /// Events a second, at most.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// Sends nothing and says what would be sent.
    #[arg(long)]
    dry_run: bool,
}

impl Options {
    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    fn window(&self) -> Window {
        Window { from: self.from, to: self.to }
    }

    fn takes(&self, event: &LoggedEvent) -> bool {
        self.window().has(event.record.occurred_at) && self.filter.takes(event)
    }
}

/// What was sent, or would be.
#[derive(Debug, Default)]
struct Sent {
    by_type: BTreeMap<&'static str, u64>,
    count: u64,
    /// Of types that are newer than this version: they cannot be sent.
    skipped: u64,
    unreadable: u64,
}

pub(super) async fn run(options: Options, source: KafkaConfig) -> Result<ExitCode, Failure> {
    options.window().check()?;
    let target = target(&options)?;
    if is_same(&target.client, &source).await.map_err(anyhow::Error::from)? {
        let problem = "the target is the source: everyone would get the events again; name --to-prefix or --to-brokers";
        return Err(Failure::Usage(problem.to_owned()));
    }
    if !options.dry_run {
        if options.create_topics {
            create_topics(&target.client, &target.topics).await.map_err(anyhow::Error::from)?;
        }
        check_topics(&target.client).await.map_err(anyhow::Error::from)?;
    }
    let log = KafkaLog::new(source).map_err(anyhow::Error::from)?;
    let mut target = (!options.dry_run).then(|| Target::new(target.client, options.rate)).transpose()?;
    let sent = send(&log, &options, target.as_mut()).await?;
    print(&told(&sent, &options))?;
    Ok(ExitCode::SUCCESS)
}

/// The source with what is not the same for the target.
fn target(options: &Options) -> Result<crate::config::cluster::Kafka, Failure> {
    let mut settings = options.common.settings()?;
    settings.add_flag("to-prefix", "kafka.topic_prefix", options.to_prefix.clone());
    settings.add_flag("to-brokers", "kafka.brokers", options.to_brokers.clone());
    options.to_set.iter().for_each(|assignment| settings.add_assignment(assignment));
    Ok(read(settings)?.1)
}

/// Whether both have the same topics: a cluster has many names.
async fn is_same(target: &KafkaConfig, source: &KafkaConfig) -> Result<bool, TopicsError> {
    if target.topic_prefix != source.topic_prefix {
        return Ok(false);
    }
    if target.bootstrap_servers == source.bootstrap_servers {
        return Ok(true);
    }
    let (target, source) = tokio::try_join!(cluster_id(target), cluster_id(source))?;
    Ok(target == source)
}

async fn send(log: &KafkaLog, options: &Options, mut target: Option<&mut Target>) -> anyhow::Result<Sent> {
    let mut sent = Sent::default();
    let mut reading = Reading::all(log).await?;
    while let Some(page) = reading.next().await? {
        if let Some(why) = page.unreadable {
            eprintln!("passed over: {why}");
            sent.unreadable += 1;
        }
        sent.skipped += page.skipped;
        let records: Vec<_> = page.events.into_iter().filter(|e| options.takes(e)).map(|e| e.record).collect();
        if let Some(target) = &mut target {
            target.send(&records).await?;
        }
        for record in &records {
            *sent.by_type.entry(record.event_type().as_str()).or_default() += 1;
            sent.count += 1;
        }
    }
    Ok(sent)
}

/// Where events go, not faster than told.
struct Target {
    sink: KafkaSink,
    rate: u64,
    /// When the next record may go.
    next: Instant,
    sent: u64,
}

impl Target {
    fn new(config: KafkaConfig, rate: u64) -> anyhow::Result<Self> {
        Ok(Self { sink: KafkaSink::new(config, Metrics::default())?, rate, next: Instant::now(), sent: 0 })
    }

    async fn send(&mut self, records: &[EventRecord]) -> anyhow::Result<()> {
        for batch in records.chunks(batch(self.rate)) {
            tokio::time::sleep_until(self.next).await;
            self.append(batch).await?;
            self.sent += batch.len() as u64;
            // From now on, not from when it might have been: what was slow is not made up for.
            self.next = Instant::now() + Duration::from_secs_f64(batch.len() as f64 / self.rate as f64);
        }
        Ok(())
    }

    /// A batch whose outcome is not known is sent again: its ids stay the same.
    async fn append(&self, batch: &[EventRecord]) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.sink.append(batch.to_vec()).await {
                Ok(()) => return Ok(()),
                Err(AppendError::Unavailable(_)) if Instant::now() < until => tokio::time::sleep(PAUSE).await,
                Err(error) => bail!("after {} events: {error}; run it again, which does no harm", self.sent),
            }
        }
    }
}

/// A tenth of a second's worth.
fn batch(rate: u64) -> usize {
    (rate / 10).clamp(1, BATCH_MAX) as usize
}

fn told(sent: &Sent, options: &Options) -> String {
    let Sent { by_type, count, skipped, unreadable } = sent;
    if options.common.is_json() {
        let dry_run = options.dry_run;
        let passed_over = json!({"skipped": skipped, "unreadable": unreadable});
        return json!({"dry_run": dry_run, "events": count, "types": by_type, "passed_over": passed_over}).to_string();
    }
    let done = if options.dry_run { "would be sent" } else { "were sent" };
    let mut lines: Vec<_> = by_type.iter().map(|(name, count)| format!("{name}: {count}")).collect();
    lines.push(format!("{count} events {done}"));
    if *skipped > 0 {
        lines.push(format!("{skipped} messages are of types that are newer than this version and were passed over"));
    }
    if *unreadable > 0 {
        lines.push(format!("{unreadable} messages cannot be read and were passed over"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_small_where_the_rate_is() {
        assert_eq!([1, 9, 10, 1000, 100_000].map(batch), [1, 1, 1, 100, 500]);
    }
}
