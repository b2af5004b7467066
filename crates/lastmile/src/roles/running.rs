//! A role as a process: health, what it stands on, and its end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use acs_events::EventSink;
use acs_events_kafka::{KafkaSink, TopicsError, check_topics};
use acs_keyring::KeyRing;
use acs_proto::remote::{GrpcServer, MutualTls, Peers};
use acs_session_redis::{RedisConfig, RedisSessionCache};
use acs_store::History as _;
use acs_store_scylla::{OpenError, ScyllaConfig, ScyllaStore};
use acs_telemetry::{Check, Health, Impact};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::assembly::{Process, asked_to_end, bind};
use super::health_listener;
use crate::config::StoreSeal;
use crate::config::cluster::Kafka;

/// How often a check looks, how long a look may take, and how many bad ones in a row make a check fail: a short trouble
/// changes nothing.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
const BAD_LOOKS: u32 = 3;
/// How long a start waits for Kafka to say how its topics are.
const TOPICS_TIMEOUT: Duration = Duration::from_secs(5);
/// How often topics are asked for that could not be looked at.
const TOPICS_INTERVAL: Duration = Duration::from_secs(30);
/// How often clients are told how this process is.
const SERVING_INTERVAL: Duration = Duration::from_millis(500);
/// How long the last records may take.
const FLUSH: Duration = Duration::from_secs(5);
/// How long other work that has begun may go on at the end: transfers of files get 20 s.
const WORK_DRAIN: Duration = Duration::from_secs(22);
/// How long calls that have begun may go on at the end: the longest call, a wake-up, takes 30 s.
const CALLS_DRAIN: Duration = Duration::from_secs(30);

/// How often a store is tried that does not answer when the process starts.
const STORE_INTERVAL: Duration = Duration::from_secs(2);

/// The cursor whose reading shows that the store answers; nobody keeps it.
const PROBE: &str = "health";

/// A process of one role.
pub(super) struct Running {
    pub(super) process: Process,
    /// Fails until everything is built.
    built: Check,
    /// What is finished at the end.
    work: TaskTracker,
    /// Nothing new is taken.
    ending: CancellationToken,
    /// What only looks, stops.
    stop: CancellationToken,
}

impl Running {
    /// Answers probes from now on: not ready before everything is built.
    pub(super) async fn begin(role: &str, health_listen: SocketAddr) -> anyhow::Result<Self> {
        let listener = bind(health_listen, "`health.listen`").await?;
        let (ending, stop) = (CancellationToken::new(), CancellationToken::new());
        let process = Process::new();
        let built = process.health.check("built", Impact::NotReady);
        let running = Self { process, built, work: TaskTracker::new(), ending, stop };
        let (health, metrics) = (running.process.health.clone(), running.process.metrics.clone());
        running.spawn(health_listener::serve(listener, health, metrics));
        tracing::info!(role, version = %running.process.build, "starting");
        Ok(running)
    }

    /// Everything is built and takes work from now on.
    pub(super) fn built(&self) {
        self.built.pass();
    }

    /// Looks after something until the process has ended.
    pub(super) fn spawn(&self, look: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(look).await });
    }

    /// Works until the process is asked to end, and then finishes what it has begun.
    pub(super) fn spawn_until_ending<F>(&self, work: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.work.spawn(work(self.ending.clone()));
    }

    /// Keeps a check true.
    pub(super) fn watch<F>(&self, name: &'static str, impact: Impact, look: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check = self.process.health.check(name, impact);
        self.spawn(keep_true(check, look));
    }

    /// Whether processes of another role serve; without them this one goes on, worse.
    pub(super) fn watch_peers(&self, name: &'static str, peers: Peers) {
        self.watch(name, Impact::Degraded, move || {
            let (serving, known) = peers.serving();
            let none = format!("none of {known} process(es) serves");
            async move { if serving > 0 { Ok(()) } else { Err(none) } }
        });
    }

    /// The event log to write to. Topics that cannot hold what is promised are refused; a Kafka that is away is not.
    pub(super) async fn events(
        &self,
        kafka: &Kafka,
        fallback: Option<Arc<dyn EventSink>>,
    ) -> anyhow::Result<KafkaSink> {
        let metrics = acs_events_kafka::Metrics::default();
        metrics.register(&self.process.metrics);
        let config = kafka.client.clone();
        match tokio::time::timeout(TOPICS_TIMEOUT, check_topics(&config)).await {
            Ok(Ok(())) => {}
            Ok(Err(TopicsError::Unavailable { .. })) | Err(_) => {
                tracing::warn!("Kafka does not say how its topics are: they are checked later");
                self.spawn(check_topics_later(config.clone(), self.process.health.clone()));
            }
            Ok(Err(unfit)) => return Err(unfit.into()),
        }
        let sink = match fallback {
            Some(fallback) => KafkaSink::with_fallback(config, metrics, fallback)?,
            None => KafkaSink::new(config, metrics)?,
        };
        let seen = sink.clone();
        self.watch("events", Impact::Degraded, move || {
            let open = seen.is_open();
            async move { if open { Err("Kafka does not take records".to_owned()) } else { Ok(()) } }
        });
        Ok(sink)
    }

    /// The store. One that does not answer is waited for, not ready meanwhile; a schema that does not fit is refused.
    pub(super) async fn store(&self, config: ScyllaConfig, keys: &Arc<KeyRing>) -> anyhow::Result<Arc<ScyllaStore>> {
        let check = self.process.health.check("store", Impact::NotReady);
        let store = Arc::new(self.open_store(config, keys, &check).await?);
        let seen = Arc::clone(&store);
        self.spawn(keep_true(check, move || {
            let store = Arc::clone(&seen);
            async move { store.cursor(PROBE).await.map(|_| ()).map_err(|error| error.to_string()) }
        }));
        Ok(store)
    }

    async fn open_store(
        &self,
        config: ScyllaConfig,
        keys: &Arc<KeyRing>,
        check: &Check,
    ) -> anyhow::Result<ScyllaStore> {
        loop {
            let opened = Box::pin(ScyllaStore::open(config.clone(), Arc::new(StoreSeal(keys.clone()))));
            let why = match opened.await {
                Err(why @ OpenError::Unreachable { .. }) => why.to_string(),
                opened => return Ok(opened?),
            };
            tracing::warn!(why, "the store cannot be used yet, trying again");
            check.fail(why);
            tokio::time::sleep(STORE_INTERVAL).await;
        }
    }

    /// The session cache. Nothing depends on it, so the process is ready without it (P14).
    pub(super) fn sessions(&self, config: RedisConfig) -> anyhow::Result<Arc<RedisSessionCache>> {
        let metrics = acs_session_redis::Metrics::registered(&self.process.metrics);
        let cache = Arc::new(RedisSessionCache::new(config, metrics)?);
        let seen = Arc::clone(&cache);
        self.watch("session_cache", Impact::Degraded, move || {
            let cache = Arc::clone(&seen);
            async move { cache.ping().await.map_err(|error| error.to_string()) }
        });
        Ok(cache)
    }

    /// Waits until the process is asked to end, and ends then.
    pub(super) async fn work(self, events: Option<&KafkaSink>) -> anyhow::Result<()> {
        self.built();
        asked_to_end().await?;
        self.drain();
        self.finish(events).await;
        Ok(())
    }

    /// The same, and offers services to other roles.
    pub(super) async fn serve_calls(
        self,
        server: GrpcServer,
        listener: TcpListener,
        tls: Arc<MutualTls>,
        events: Option<&KafkaSink>,
    ) -> anyhow::Result<()> {
        let (serving, health) = (server.serving(), self.process.health.clone());
        self.spawn(async move {
            loop {
                serving.set(health.report().ready).await;
                tokio::time::sleep(SERVING_INTERVAL).await;
            }
        });
        let calls = server.serve(listener, tls, CALLS_DRAIN, self.ending.clone());
        self.built();
        let ended = async {
            asked_to_end().await?;
            self.drain();
            std::future::pending::<anyhow::Result<()>>().await
        };
        tokio::select! {
            served = calls => served?,
            ended = ended => ended?,
        }
        self.finish(events).await;
        Ok(())
    }

    /// From now on not ready, and nothing new is taken.
    pub(super) fn drain(&self) {
        tracing::info!("asked to end: what has begun may finish");
        self.process.health.drain();
        self.ending.cancel();
    }

    /// Ends: what has begun is finished, then what was appended last is made durable.
    pub(super) async fn finish(self, events: Option<&KafkaSink>) {
        self.work.close();
        if tokio::time::timeout(WORK_DRAIN, self.work.wait()).await.is_err() {
            tracing::warn!("some work did not end in time and is cut off");
        }
        if let Some(events) = events
            && !matches!(tokio::time::timeout(FLUSH, events.flush()).await, Ok(Ok(())))
        {
            tracing::warn!("the last event records may be lost that no answer depends on");
        }
        self.stop.cancel();
        tracing::info!("ended");
    }
}

/// The key ring that all roles share. It is never made here: keys of which only one process knows would seal what the others
/// cannot open.
pub(super) fn open_keys(folder: &Path) -> anyhow::Result<Arc<KeyRing>> {
    Ok(Arc::new(KeyRing::open(folder)?))
}

async fn keep_true<F>(check: Check, look: impl Fn() -> F)
where
    F: Future<Output = Result<(), String>>,
{
    let mut bad = 0;
    loop {
        match tokio::time::timeout(LOOK_TIMEOUT, look()).await.unwrap_or_else(|_| Err("no answer".to_owned())) {
            Ok(()) => {
                bad = 0;
                check.pass();
            }
            Err(why) => {
                bad += 1;
                if bad >= BAD_LOOKS {
                    check.fail(why);
                }
            }
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Asks until Kafka says how its topics are. If they cannot hold what is promised, the process asks to be restarted, and
/// then says why it does not start.
async fn check_topics_later(config: acs_events_kafka::KafkaConfig, health: Health) {
    loop {
        tokio::time::sleep(TOPICS_INTERVAL).await;
        match check_topics(&config).await {
            Ok(()) => return,
            Err(TopicsError::Unavailable { .. }) => {}
            Err(unfit) => {
                tracing::error!(error = %unfit, "this process must not go on");
                health.check("topics", Impact::Fatal).fail(unfit.to_string());
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use acs_telemetry::Metrics;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readiness_does_not_flap() {
        let health = Health::new(&Metrics::default());
        let check = health.check("store", Impact::NotReady);
        assert!(!health.report().ready, "before the first look");
        // Looks 1 and 4 are good, 2 and 3 bad, and all from 5 on.
        let looks = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&looks);
        tokio::spawn(keep_true(check, move || {
            let n = counted.fetch_add(1, Ordering::Relaxed) + 1;
            async move { if matches!(n, 1 | 4) { Ok(()) } else { Err("away".to_owned()) } }
        }));
        for (after, ready) in [(1, true), (2, true), (3, true), (4, true), (5, true), (6, true), (7, false)] {
            while looks.load(Ordering::Relaxed) < after {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(health.report().ready, ready, "after look {after}");
        }
    }
}
