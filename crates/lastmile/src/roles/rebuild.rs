//! `lastmile ingest --rebuild`: what ingest wrote is made anew from what Kafka keeps.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use acs_events::EventGroup;
use acs_events_kafka::{KafkaGroup, KafkaLog};
use acs_ingest::{Progress, Rebuild};
use acs_store_scylla::{ScyllaConfig, ScyllaStore};

use super::ingest::GROUP;
use super::running::open_keys;
use crate::config::StoreSeal;
use crate::config::cluster::{self, Kafka};
use crate::settings::Settings;

/// How often it says how far it is.
const TELL_INTERVAL: Duration = Duration::from_secs(2);

/// What it is told: of what ingest is told, what it needs.
#[derive(Debug)]
pub(super) struct Config {
    keys: PathBuf,
    kafka: Kafka,
    store: ScyllaConfig,
}

impl Config {
    pub(super) fn read(s: &mut Settings) -> Self {
        Self { keys: cluster::key_folder(s), kafka: Kafka::read(s), store: cluster::store(s) }
    }
}

pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    let keys = open_keys(&config.keys)?;
    let store = Box::pin(ScyllaStore::open(config.store, Arc::new(StoreSeal(keys)))).await?;
    let done = KafkaGroup::new(config.kafka.client.clone(), GROUP)?.done().await?;
    let log = KafkaLog::new(config.kafka.client)?;
    let (began, mut teller) = (Instant::now(), Teller::new());
    let rebuilt = Rebuild::new(Arc::new(log), Arc::new(store), done).run(|progress| teller.tell(progress)).await?;
    eprintln!("rebuilt from {} records in {:.1} s", rebuilt.records, began.elapsed().as_secs_f64());
    if rebuilt.skipped > 0 {
        anyhow::bail!("{} record(s) could not be written and are left out; the log names them", rebuilt.skipped);
    }
    Ok(())
}

/// Says how far it is, on standard error.
struct Teller {
    pass: u8,
    told: Instant,
}

impl Teller {
    fn new() -> Self {
        Self { pass: 0, told: Instant::now() }
    }

    fn tell(&mut self, progress: Progress) {
        let Progress { pass, read, of } = progress;
        if pass == self.pass && read < of && self.told.elapsed() < TELL_INTERVAL {
            return;
        }
        (self.pass, self.told) = (pass, Instant::now());
        let percent = read.saturating_mul(100) / of.max(1);
        eprintln!("rebuilding, pass {pass} of 2: {read} of {of} records ({percent} %)");
    }
}
