use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acs_events::{AppendError, EventSink, Topic};
use acs_types::EventRecord;
use async_trait::async_trait;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::{Notify, oneshot, watch};

use crate::message::{Outgoing, RECORD_MAX};
use crate::producer::{Delivered, Generation, Outcome, Producer, Receipt};
use crate::{ConfigError, KafkaConfig, Metrics};

/// Unawaited records that wait for their acknowledgement, at most; and their bytes.
const WAITING_MAX: usize = 10_000;
const WAITING_BYTES_MAX: usize = 64 << 20;
/// The shortest and the longest wait before a producer is built anew.
const REBUILD_WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How long a new producer may take to find the leaders of all partitions.
const PROBE: Duration = Duration::from_secs(3);
/// Records given to the fallback at a time.
const FALLBACK_BATCH: usize = 100;

/// Event records to Kafka: acknowledged by all in-sync replicas, or refused in time.
///
/// A record that is not acknowledged within the deadline opens the **breaker**: what the producer still holds is purged (its
/// callers get [`AppendError::Unavailable`] at once and take their records elsewhere), and while the breaker is open
/// [`EventSink::append`] fails at once. Meanwhile a new producer is built; when it sees a leader of every partition, one
/// append is let through, and its acknowledgement closes the breaker.
///
/// Unawaited records are kept until they are acknowledged, over any number of producers, within limits.
/// [`KafkaSink::with_fallback`] names the durable place for those that wait while the breaker is open; without one, a process
/// that ends then loses them, as [`EventSink::append_unawaited`] says.
///
/// Clones are the same sink. It works within a Tokio runtime, and its threads end when the last clone goes.
#[derive(Clone)]
pub struct KafkaSink {
    shared: Arc<Shared>,
    /// Ends the task that builds producers.
    _ends: Arc<watch::Sender<()>>,
}

pub(crate) struct Shared {
    config: KafkaConfig,
    metrics: Metrics,
    fallback: Option<Arc<dyn EventSink>>,
    state: Mutex<State>,
    tripped: Notify,
    /// Every unawaited record before this is done with.
    undone: watch::Sender<u64>,
}

struct State {
    breaker: Breaker,
    generation: Generation,
    waiting: BTreeMap<u64, Waiting>,
    waiting_bytes: usize,
    next: u64,
}

enum Breaker {
    Closed(Arc<Producer>),
    /// Since when not, and why.
    Open(String),
    /// The next append tries it.
    HalfOpen(Arc<Producer>),
    /// An append tries it.
    Trial(Arc<Producer>),
}

/// An unawaited record.
struct Waiting {
    record: EventRecord,
    bytes: usize,
    /// Whose producer has it.
    sent_by: Option<Generation>,
}

impl KafkaSink {
    /// A sink over a producer of its own. Does not wait for Kafka: call [`crate::check_topics`] before.
    pub fn new(config: KafkaConfig, metrics: Metrics) -> Result<Self, ConfigError> {
        Self::start(config, metrics, None)
    }

    /// The same; unawaited records that wait while the breaker is open are given to `fallback`, which makes them durable.
    pub fn with_fallback(
        config: KafkaConfig,
        metrics: Metrics,
        fallback: Arc<dyn EventSink>,
    ) -> Result<Self, ConfigError> {
        Self::start(config, metrics, Some(fallback))
    }

    /// Whether appends fail at once now.
    pub fn is_open(&self) -> bool {
        !matches!(self.shared.state().breaker, Breaker::Closed(_))
    }

    fn start(config: KafkaConfig, metrics: Metrics, fallback: Option<Arc<dyn EventSink>>) -> Result<Self, ConfigError> {
        let (ends, ended) = watch::channel(());
        let producing = config.producer()?;
        let mut refused = None;
        let shared = Arc::new_cyclic(|shared| {
            let first = Producer::new(&producing, &config, shared.clone(), 1);
            let breaker = match first {
                Ok(first) => Breaker::Closed(Arc::new(first)),
                Err(error) => {
                    refused = Some(error);
                    Breaker::Open(String::new())
                }
            };
            let (waiting, undone) = (BTreeMap::new(), watch::Sender::new(0));
            let state = State { breaker, generation: 1, waiting, waiting_bytes: 0, next: 0 };
            Shared { config, metrics, fallback, state: Mutex::new(state), tripped: Notify::new(), undone }
        });
        if let Some(error) = refused {
            return Err(ConfigError::Refused(error.to_string()));
        }
        tokio::spawn(rebuild_when_tripped(Arc::downgrade(&shared), ended));
        Ok(Self { shared, _ends: Arc::new(ends) })
    }
}

#[async_trait]
impl EventSink for KafkaSink {
    async fn append(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        let format = self.shared.config.format;
        let messages: Vec<_> = records.iter().map(|r| Outgoing::of(r, format)).collect::<Result<_, _>>()?;
        if messages.is_empty() {
            return Ok(());
        }
        let producer = self.shared.enter()?;
        let generation = producer.generation();
        let mut answers = Vec::with_capacity(messages.len());
        for message in &messages {
            let (receipt, answer) = oneshot::channel();
            producer
                .send(message, Receipt::Awaited(receipt))
                .map_err(|error| self.shared.not_sent(&producer, error))?;
            answers.push(answer);
        }
        drop(producer);
        let all = async {
            for answer in answers {
                // Gone without an answer: the producer was.
                answer.await.unwrap_or(Err(Outcome::Purged))?;
            }
            Ok(())
        };
        match tokio::time::timeout(self.shared.config.delivery_deadline, all).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(outcome)) => Err(refusal(outcome)),
            Err(_) => {
                let why = format!("not acknowledged within {:?}", self.shared.config.delivery_deadline);
                self.shared.trip(generation, &why);
                Err(AppendError::Unavailable(why))
            }
        }
    }

    async fn append_unawaited(&self, records: Vec<EventRecord>) -> Result<(), AppendError> {
        let format = self.shared.config.format;
        let messages: Vec<_> = records.iter().map(|r| Outgoing::of(r, format)).collect::<Result<_, _>>()?;
        self.shared.take(records.into_iter().zip(messages))
    }

    async fn flush(&self) -> Result<(), AppendError> {
        let upto = self.shared.state().next;
        let mut undone = self.shared.undone.subscribe();
        // The sender lives as long as this sink, so waiting cannot fail.
        let _ = undone.wait_for(|undone| *undone >= upto).await;
        Ok(())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The producer for an append, if one may be tried.
    fn enter(&self) -> Result<Arc<Producer>, AppendError> {
        let mut state = self.state();
        state.enter().ok_or_else(|| AppendError::Unavailable(state.why()))
    }

    /// An append that the client did not even take.
    fn not_sent(&self, producer: &Producer, error: KafkaError) -> AppendError {
        // A full queue is no word of Kafka's; anything else is.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            self.trip(producer.generation(), &error.to_string());
        }
        AppendError::Unavailable(format!("the Kafka client did not take a record: {error}"))
    }

    /// Keeps unawaited records, all or none, and sends them if there is a producer.
    fn take(&self, records: impl ExactSizeIterator<Item = (EventRecord, Outgoing)>) -> Result<(), AppendError> {
        let mut state = self.state();
        let records: Vec<_> = records.collect();
        let bytes: usize = records.iter().map(|(_, message)| message.payload.len()).sum();
        if state.waiting.len() + records.len() > WAITING_MAX || state.waiting_bytes + bytes > WAITING_BYTES_MAX {
            let waiting = state.waiting.len();
            return Err(AppendError::Unavailable(format!("{waiting} records wait for Kafka already")));
        }
        let producer = if records.is_empty() { None } else { state.enter() };
        let mut refused = None;
        for (record, message) in records {
            let number = state.next;
            state.next += 1;
            let mut sent_by = None;
            if let Some(producer) = &producer {
                match producer.send(&message, Receipt::Unawaited(number)) {
                    Ok(()) => sent_by = Some(producer.generation()),
                    Err(error) => refused = Some((producer.generation(), error)),
                }
            }
            let bytes = message.payload.len();
            state.waiting_bytes += bytes;
            state.waiting.insert(number, Waiting { record, bytes, sent_by });
        }
        self.metrics.waiting.set(state.waiting.len() as i64);
        drop(state);
        // Only the next producer sends what this one did not take.
        if let Some((generation, error)) = refused {
            self.trip(generation, &error.to_string());
        }
        Ok(())
    }

    /// What the producer says of a record.
    pub(crate) fn delivered(&self, by: Generation, delivered: Delivered) {
        let Delivered { receipt, outcome } = delivered;
        match &outcome {
            Ok(()) => {
                self.metrics.delivered.inc();
                self.acknowledged(by);
            }
            Err(Outcome::Failed(why)) => {
                self.metrics.failed.inc();
                self.trip(by, why);
            }
            Err(Outcome::Purged) => drop(self.metrics.failed.inc()),
            // It answered, at least.
            Err(Outcome::TooLarge { .. }) => {
                self.metrics.failed.inc();
                self.acknowledged(by);
            }
        }
        match receipt {
            // Nobody listens any more if the caller gave up.
            Receipt::Awaited(receipt) => drop(receipt.send(outcome)),
            Receipt::Unawaited(number) => match outcome {
                Ok(()) => self.done(&[number]),
                Err(Outcome::TooLarge { bytes }) => {
                    tracing::error!(bytes, "Kafka refuses an event record of this size for ever; it is lost");
                    self.metrics.lost.inc();
                    self.done(&[number]);
                }
                // It waits for the next producer.
                Err(Outcome::Failed(_) | Outcome::Purged) => {}
            },
        }
    }

    fn done(&self, numbers: &[u64]) {
        let mut state = self.state();
        for number in numbers {
            let gone = state.waiting.remove(number).map_or(0, |waiting| waiting.bytes);
            state.waiting_bytes -= gone;
        }
        self.metrics.waiting.set(state.waiting.len() as i64);
        let first = state.waiting.keys().next().copied().unwrap_or(state.next);
        // Told under the lock, so that it never goes back.
        self.undone.send_if_modified(|undone| std::mem::replace(undone, first) != first);
    }

    /// Kafka works: a trial closes the breaker.
    fn acknowledged(&self, by: Generation) {
        let mut state = self.state();
        let Breaker::Trial(producer) = &state.breaker else { return };
        if producer.generation() != by {
            return;
        }
        let producer = Arc::clone(producer);
        // Before others may append, so that none of them overtakes what waits.
        let sent = state.send_waiting(&producer, self.config.format);
        state.breaker = Breaker::Closed(producer);
        self.metrics.open.set(0);
        drop(state);
        tracing::info!("Kafka acknowledges event records again; the breaker is closed");
        if let Err(error) = sent {
            self.trip(by, &error.to_string());
        }
    }

    /// Opens the breaker, unless the producer it is about is not the one in use any more.
    fn trip(&self, of: Generation, why: &str) {
        let mut state = self.state();
        let (Breaker::Closed(producer) | Breaker::HalfOpen(producer) | Breaker::Trial(producer)) = &state.breaker
        else {
            return;
        };
        if producer.generation() != of {
            return;
        }
        let (producer, was_closed) = (Arc::clone(producer), matches!(state.breaker, Breaker::Closed(_)));
        state.breaker = Breaker::Open(why.to_owned());
        drop(state);
        if was_closed {
            self.metrics.opened.inc();
            self.metrics.open.set(1);
            tracing::warn!(why, "Kafka does not acknowledge event records in time; the breaker is open");
        }
        producer.purge();
        self.tripped.notify_one();
    }

    /// Puts a new producer in the place of the purged one; it is tried with what waits, else with the next append.
    fn half_open(&self, producer: Producer) -> Result<(), KafkaError> {
        let producer = Arc::new(producer);
        let mut state = self.state();
        state.breaker = Breaker::HalfOpen(Arc::clone(&producer));
        if state.waiting.is_empty() {
            return Ok(());
        }
        state.breaker = Breaker::Trial(Arc::clone(&producer));
        state.send_waiting(&producer, self.config.format)
    }

    /// Gives what waits to the fallback, as far as it takes it.
    async fn fall_back(&self) {
        let Some(fallback) = &self.fallback else { return };
        loop {
            let batch: Vec<_> = {
                let state = self.state();
                state.waiting.iter().take(FALLBACK_BATCH).map(|(n, waiting)| (*n, waiting.record.clone())).collect()
            };
            let (numbers, records): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            if numbers.is_empty() {
                return;
            }
            match tokio::time::timeout(self.config.delivery_deadline, fallback.append(records)).await {
                Ok(Ok(())) => self.done(&numbers),
                Ok(Err(error)) => return tracing::warn!(%error, "event records find no place beside Kafka"),
                Err(_) => return tracing::warn!("event records find no place beside Kafka in time"),
            }
        }
    }
}

impl State {
    fn enter(&mut self) -> Option<Arc<Producer>> {
        match &self.breaker {
            Breaker::Closed(producer) => Some(Arc::clone(producer)),
            Breaker::HalfOpen(producer) => {
                let producer = Arc::clone(producer);
                self.breaker = Breaker::Trial(Arc::clone(&producer));
                Some(producer)
            }
            Breaker::Open(_) | Breaker::Trial(_) => None,
        }
    }

    fn why(&self) -> String {
        match &self.breaker {
            Breaker::Open(why) => format!("Kafka is not used for a moment: {why}"),
            _ => "Kafka is just being tried again".to_owned(),
        }
    }

    /// Sends everything that waits and that this producer does not have yet, oldest first.
    fn send_waiting(&mut self, producer: &Producer, format: crate::Format) -> Result<(), KafkaError> {
        for (number, waiting) in &mut self.waiting {
            if waiting.sent_by == Some(producer.generation()) {
                continue;
            }
            // It was made once before it was taken.
            let Ok(message) = Outgoing::of(&waiting.record, format) else { continue };
            producer.send(&message, Receipt::Unawaited(*number))?;
            waiting.sent_by = Some(producer.generation());
        }
        Ok(())
    }
}

/// Builds a new producer whenever the breaker opens, until the sink goes.
async fn rebuild_when_tripped(shared: std::sync::Weak<Shared>, mut ended: watch::Receiver<()>) {
    let mut wait = REBUILD_WAITS.0;
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let is_open = matches!(strong.state().breaker, Breaker::Open(_));
        if is_open {
            strong.fall_back().await;
        }
        let next = async {
            if is_open {
                tokio::time::sleep(wait).await;
            } else {
                strong.tripped.notified().await;
            }
        };
        tokio::select! {
            () = next => {}
            _ = ended.changed() => return,
        }
        if !is_open {
            continue;
        }
        wait = match rebuild(&strong).await {
            Ok(()) => REBUILD_WAITS.0,
            Err(error) => {
                tracing::debug!(%error, "Kafka is not back yet");
                (wait * 2).min(REBUILD_WAITS.1)
            }
        };
    }
}

async fn rebuild(shared: &Arc<Shared>) -> Result<(), String> {
    let (weak, config) = (Arc::downgrade(shared), shared.config.clone());
    let generation = {
        let mut state = shared.state();
        state.generation += 1;
        state.generation
    };
    let build = move || {
        let producing = config.producer().map_err(|e| e.to_string())?;
        let producer = Producer::new(&producing, &config, weak, generation).map_err(|e| e.to_string())?;
        Topic::ALL.iter().try_for_each(|topic| producer.has_leaders(&config.topic(*topic), PROBE))?;
        Ok(producer)
    };
    let producer = tokio::task::spawn_blocking(build).await.unwrap_or_else(|e| Err(e.to_string()))?;
    shared.half_open(producer).map_err(|error| {
        shared.trip(generation, &error.to_string());
        error.to_string()
    })
}

fn refusal(outcome: Outcome) -> AppendError {
    match outcome {
        Outcome::Failed(why) => AppendError::Unavailable(why),
        Outcome::Purged => AppendError::Unavailable("given up with others that Kafka did not acknowledge".to_owned()),
        Outcome::TooLarge { bytes } => AppendError::TooLarge { bytes, limit: RECORD_MAX },
    }
}
