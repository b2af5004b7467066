//! Group commit: one thread takes all jobs that wait, decides and applies them one after the other, makes the outcome durable
//! with one sync, and only then answers all. So a check and its write are one step, no two writers need a lock, and a
//! hundred writers at once cost one sync.
//!
//! Every batch is synced before the next is written. So after a power loss at most the last batch can be torn, and nobody was
//! told of that one ([`crate::journal`] stands on this).

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use acs_events::AppendError;
use acs_store::{Error, Result};
use fjall::Slice;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::failpoint::failpoint;
use crate::keys::{self, Space};
use crate::shared::{EventsState, Shared};
use crate::space::FreeSpace;
use crate::transaction::{Batch, Transaction};
use crate::{retention, slot};

/// Jobs and event records that may wait; who comes after them waits for room.
pub(crate) const QUEUE_MAX: usize = 16_384;
/// Jobs and calls of append in one batch.
const BATCH_MAX: usize = 1024;
/// Records that nobody waits for become durable with the next batch, or after this.
const UNAWAITED_MAX: Duration = Duration::from_millis(20);
/// How often the thread looks what retention allows to drop.
const TICK: Duration = Duration::from_secs(1);

/// The queue to the commit thread.
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    wake: Condvar,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct QueueState {
    jobs: VecDeque<(Box<dyn Job>, OwnedSemaphorePermit)>,
    appends: VecDeque<Append>,
    /// When the oldest append came that nobody waits for.
    unawaited_since: Option<Instant>,
    awaited_appends: usize,
    sleeping: bool,
    closed: bool,
}

/// Records to append, in one piece.
pub(crate) struct Append {
    pub(crate) records: Vec<Slice>,
    pub(crate) reply: Option<oneshot::Sender<Result<(), AppendError>>>,
    permit: OwnedSemaphorePermit,
}

/// Jobs with the room they take in the queue.
type Jobs = Vec<(Box<dyn Job>, OwnedSemaphorePermit)>;

/// Something to decide and write.
trait Job: Send {
    /// Decides and changes; `false`: what it changed is to be taken back.
    fn run(&mut self, transaction: &mut Transaction<'_>) -> bool;
    /// Answers, once the batch is durable or lost.
    fn finish(self: Box<Self>, outcome: Result<(), &Error>);
    /// Whether it makes room, so that it may run on a full disk.
    fn makes_room(&self) -> bool;
}

struct TypedJob<F, T> {
    decide: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
    makes_room: bool,
}

impl<F, T> Job for TypedJob<F, T>
where
    F: FnOnce(&mut Transaction<'_>) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) -> bool {
        let Some(decide) = self.decide.take() else { return false };
        let result = decide(transaction);
        let accepted = result.is_ok();
        self.result = Some(result);
        accepted
    }

    fn finish(self: Box<Self>, outcome: Result<(), &Error>) {
        let result = match (outcome, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(Error::Unavailable("a write ended in a panic; this is a bug".into())),
            (Err(error), _) => Err(error.clone()),
        };
        // Nobody listens any more if the caller gave up.
        let _ = self.reply.send(result);
    }

    fn makes_room(&self) -> bool {
        self.makes_room
    }
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), room: Arc::new(Semaphore::new(QUEUE_MAX)) }
    }

    /// Runs `decide` in the commit thread and returns its result when it is durable. Given up or not, it runs once it waits.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        makes_room: bool,
        decide: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let closed = || Error::Unavailable("the store is closed".into());
        let permit = Arc::clone(&self.room).acquire_owned().await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        let job = Box::new(TypedJob { decide: Some(decide), result: None, reply, makes_room });
        self.push(|state| state.jobs.push_back((job, permit)))?;
        answer.await.map_err(|_| closed())?
    }

    /// Appends records; durable when it returns, unless nobody waits.
    pub(crate) async fn append(&self, records: Vec<Slice>, awaited: bool) -> Result<(), AppendError> {
        let closed = || AppendError::Unavailable("the event log is closed".into());
        let permits = u32::try_from(records.len().min(QUEUE_MAX)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.room).acquire_many_owned(permits).await.map_err(|_| closed())?;
        if !awaited {
            let append = Append { records, reply: None, permit };
            return self
                .push(|state| {
                    state.unawaited_since.get_or_insert_with(Instant::now);
                    state.appends.push_back(append);
                })
                .map_err(|_| closed());
        }
        let (reply, answer) = oneshot::channel();
        let append = Append { records, reply: Some(reply), permit };
        self.push(|state| {
            state.awaited_appends += 1;
            state.appends.push_back(append);
        })
        .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    fn push(&self, add: impl FnOnce(&mut QueueState)) -> Result<()> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Unavailable("the store is closed".into()));
        }
        add(&mut state);
        let wake = std::mem::take(&mut state.sleeping);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// No more jobs; those that wait are done.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next jobs. `None`: closed and empty. May be empty when it is time for retention.
    fn next(&self, next_tick: Instant) -> Option<Taken> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let unawaited_due = state.unawaited_since.map(|since| since + UNAWAITED_MAX);
            let has_work =
                !state.jobs.is_empty() || state.awaited_appends > 0 || unawaited_due.is_some_and(|due| due <= now);
            if has_work || state.closed || next_tick <= now {
                break;
            }
            let until = unawaited_due.map_or(next_tick, |due| due.min(next_tick));
            state.sleeping = true;
            let waited = self.wake.wait_timeout(state, until - now);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.sleeping = false;
        }
        if state.closed && state.jobs.is_empty() && state.appends.is_empty() {
            return None;
        }
        let count = state.jobs.len().min(BATCH_MAX);
        let jobs = state.jobs.drain(..count).collect();
        let count = state.appends.len().min(BATCH_MAX);
        let appends: Vec<Append> = state.appends.drain(..count).collect();
        state.awaited_appends -= appends.iter().filter(|a| a.reply.is_some()).count();
        if state.appends.is_empty() {
            state.unawaited_since = None;
        }
        Some(Taken { jobs, appends })
    }

    /// Gives back what could not be written and nobody waits for, in front of what came since.
    fn give_back(&self, appends: Vec<Append>) {
        if appends.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.unawaited_since.get_or_insert_with(Instant::now);
        appends.into_iter().rev().for_each(|append| state.appends.push_front(append));
    }
}

struct Taken {
    jobs: Jobs,
    appends: Vec<Append>,
}

/// The commit thread; ends when the queue is closed and empty.
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) space: FreeSpace,
}

impl Committer {
    pub(crate) fn work(mut self) {
        let mut next_tick = Instant::now() + TICK;
        while let Some(taken) = self.queue.next(next_tick) {
            if !taken.jobs.is_empty() || !taken.appends.is_empty() {
                self.commit(taken);
            }
            if Instant::now() >= next_tick {
                retention::trim_events(&self.shared);
                next_tick = Instant::now() + TICK;
            }
        }
        self.shared.slot.close();
    }

    fn commit(&mut self, taken: Taken) {
        let Taken { jobs, appends } = taken;
        let (jobs, appends) = match self.space.check() {
            Ok(()) => (jobs, appends),
            Err(error) => {
                let (run, refuse): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|(job, _)| job.makes_room());
                refuse.into_iter().for_each(|(job, _)| job.finish(Err(&error)));
                self.refuse(appends, &error);
                (run, Vec::new())
            }
        };
        if jobs.is_empty() && appends.is_empty() {
            return;
        }
        let engine = match self.shared.slot.for_writing(&self.shared) {
            Ok(engine) => engine,
            Err(error) => return self.fail(jobs, appends, &error),
        };
        failpoint!("store::before_write");
        let (batch, jobs, events) = self.decide(&engine, jobs, &appends);
        let (devices, refused) = (batch.devices, batch.refused);
        if !batch.is_empty()
            && let Err(error) = slot::write(&engine, batch)
        {
            drop(engine);
            tracing::error!(%error, "the store could not write; it is opened anew");
            let error = Error::Unavailable(format!("a write failed, whether it happened is not known: {error}"));
            self.shared.slot.fail();
            self.space.forget();
            return self.fail(jobs, appends, &error);
        }
        failpoint!("store::after_sync");
        self.shared.committed(devices, refused, events);
        jobs.into_iter().for_each(|(job, _)| job.finish(Ok(())));
        for append in appends {
            if let Some(reply) = append.reply {
                let _ = reply.send(Ok(()));
            }
        }
    }

    /// Runs the jobs one after the other; what they change goes into one batch, with the records appended.
    fn decide(
        &self,
        engine: &crate::engine::Engine,
        mut jobs: Jobs,
        appends: &[Append],
    ) -> (Batch, Jobs, Option<EventsState>) {
        let mut batch = Batch::default();
        for (job, _) in &mut jobs {
            let mut transaction = Transaction::new(engine, &*self.shared.options.seal, &mut batch);
            let accepted = catch_unwind(AssertUnwindSafe(|| job.run(&mut transaction)));
            match accepted {
                Ok(true) => batch.accept(),
                Ok(false) => batch.reject(),
                Err(_) => {
                    tracing::error!("a write ended in a panic; it changed nothing");
                    batch.reject();
                }
            }
        }
        let mut events = self.shared.events();
        let records = appends.iter().flat_map(|append| &append.records);
        let before = events.end;
        for record in records {
            events.end += 1;
            events.bytes += record.len() as u64;
            batch.put(Space::Events, keys::event(events.end).to_vec(), Some(record.clone()));
        }
        if events.end == before {
            return (batch, jobs, None);
        }
        batch.put(Space::Rows, keys::EVENTS_STATE.to_vec(), Some(events.to_bytes().into()));
        (batch, jobs, Some(events))
    }

    fn fail(&self, jobs: Jobs, appends: Vec<Append>, error: &Error) {
        jobs.into_iter().for_each(|(job, _)| job.finish(Err(error)));
        self.refuse(appends, error);
    }

    /// Answers the appends that somebody waits for; the others are tried again.
    fn refuse(&self, appends: Vec<Append>, error: &Error) {
        let mut unawaited = Vec::new();
        for mut append in appends {
            match append.reply.take() {
                Some(reply) => {
                    let _ = reply.send(Err(append_error(error)));
                    drop(append.permit);
                }
                None => unawaited.push(append),
            }
        }
        self.queue.give_back(unawaited);
    }
}

fn append_error(error: &Error) -> AppendError {
    match error {
        Error::NoSpace(text) => AppendError::NoSpace(text.clone()),
        other => AppendError::Unavailable(other.to_string()),
    }
}
