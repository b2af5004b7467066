use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use acs_events::AppendError;
use acs_store::{Error, Result};
use fjall::Slice;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::transaction::Transaction;

/// KiB that wait; who comes after them waits for room (P19).
const QUEUE_KIB: u32 = 64 << 10;
/// KiB of records that nobody waits for, a budget of their own: on a full disk they must not keep others from an answer.
const UNAWAITED_KIB: u32 = 16 << 10;
/// What a job is taken to hold.
const JOB_KIB: u32 = 4;
/// Jobs, and calls of append, in one batch.
const BATCH_MAX: usize = 1024;
/// Bytes of records in one batch, beside its last call of append.
const BATCH_BYTES: usize = 4 << 20;
/// Records that nobody waits for become durable with the next batch, or after this.
const UNAWAITED_MAX: Duration = Duration::from_millis(20);
/// How long a batch waits for more callers when they come in crowds: a sync costs more than anything else here, so it is
/// shared by as many as come within this. Who comes alone never waits.
const GATHER_MAX: Duration = Duration::from_millis(1);
/// A batch with so many callers does not wait for more.
const GATHER_ENOUGH: usize = 32;
/// Callers come in crowds when the last batches had more than so many of them on average, in hundredths.
const CROWD: usize = 150;

/// What waits for the commit thread.
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    closing: Condvar,
    room: Arc<Semaphore>,
    unawaited_room: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Waiting>,
    appends: VecDeque<Append>,
    awaited_appends: usize,
    /// When the oldest append came that nobody waits for.
    unawaited_since: Option<Instant>,
    sleep: Sleep,
    /// Callers in a batch, in hundredths: the average of the last ones, the latest weighing most.
    crowd: usize,
    closed: bool,
}

/// What the commit thread sleeps for.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    /// It is at work.
    #[default]
    Awake,
    /// Anything.
    Idle,
    /// More callers to share a sync with.
    Gathering,
}

/// A job with the room it takes.
type Waiting = (Box<dyn Job>, Option<OwnedSemaphorePermit>);
/// Jobs in the order they came.
pub(crate) type Jobs = Vec<Waiting>;

/// What the commit thread takes at once.
pub(crate) struct Taken {
    pub(crate) jobs: Jobs,
    pub(crate) appends: Vec<Append>,
}

/// Records to append, in one piece.
pub(crate) struct Append {
    pub(crate) records: Vec<Slice>,
    reply: Option<oneshot::Sender<Result<(), AppendError>>>,
    _room: OwnedSemaphorePermit,
}

impl Append {
    pub(crate) fn is_awaited(&self) -> bool {
        self.reply.is_some()
    }

    pub(crate) fn answer(self, outcome: Result<(), AppendError>) {
        if let Some(reply) = self.reply {
            // Nobody listens any more if the caller gave up.
            let _ = reply.send(outcome);
        }
    }
}

/// Something to decide and write.
pub(crate) trait Job: Send {
    /// Decides and changes; `false`: what it changed is to be taken back.
    fn run(&mut self, transaction: &mut Transaction<'_>) -> bool;
    /// Answers, once the batch is durable or lost.
    fn finish(self: Box<Self>, outcome: Result<(), &Error>);
    /// Whether it makes room, so that it may run on a full disk.
    fn makes_room(&self) -> bool;
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            closing: Condvar::new(),
            room: Arc::new(Semaphore::new(QUEUE_KIB as usize)),
            unawaited_room: Arc::new(Semaphore::new(UNAWAITED_KIB as usize)),
        }
    }

    /// Runs `decide` in the commit thread and returns its result when it is durable. Given up or not, it runs once it waits.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        makes_room: bool,
        decide: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let room = Arc::clone(&self.room).acquire_many_owned(JOB_KIB).await.map_err(|_| closed())?;
        let answer = self.push_job(makes_room, Some(room), decide)?;
        answer.await.map_err(|_| closed())?
    }

    /// The same for a thread that may block.
    pub(crate) fn run_blocking<T: Send + 'static>(
        &self,
        makes_room: bool,
        decide: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.push_job(makes_room, None, decide)?.blocking_recv().map_err(|_| closed())?
    }

    fn push_job<T: Send + 'static>(
        &self,
        makes_room: bool,
        room: Option<OwnedSemaphorePermit>,
        decide: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(TypedJob { decide: Some(decide), result: None, reply, makes_room });
        self.push(|state| state.jobs.push_back((job, room)))?;
        Ok(answer)
    }

    /// Appends records; durable when it returns.
    pub(crate) async fn append(&self, records: Vec<Slice>) -> Result<(), AppendError> {
        let closed = || AppendError::Unavailable("the event log is closed".into());
        let room = kib(&records).min(QUEUE_KIB);
        let room = Arc::clone(&self.room).acquire_many_owned(room).await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        let append = Append { records, reply: Some(reply), _room: room };
        self.push(|state| {
            state.awaited_appends += 1;
            state.appends.push_back(append);
        })
        .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Appends records that nobody waits for. Refused when too many wait already: then the disk is full or stands still.
    pub(crate) fn append_unawaited(&self, records: Vec<Slice>) -> Result<(), AppendError> {
        let room = Arc::clone(&self.unawaited_room).try_acquire_many_owned(kib(&records));
        let room = room.map_err(|_| {
            AppendError::Unavailable(format!(
                "{UNAWAITED_KIB} KiB of records wait to become durable; is the disk full?"
            ))
        })?;
        let append = Append { records, reply: None, _room: room };
        self.push(|state| {
            state.unawaited_since.get_or_insert_with(Instant::now);
            state.appends.push_back(append);
        })
        .map_err(|_| AppendError::Unavailable("the event log is closed".into()))
    }

    fn push(&self, add: impl FnOnce(&mut State)) -> Result<()> {
        let mut state = self.lock();
        if state.closed {
            return Err(closed());
        }
        add(&mut state);
        let wake = match state.sleep {
            Sleep::Awake => false,
            Sleep::Idle => true,
            Sleep::Gathering => state.callers() >= GATHER_ENOUGH,
        };
        if wake {
            state.sleep = Sleep::Awake;
        }
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
        self.closing.notify_all();
    }

    /// No more jobs, and nobody does those that wait: their callers are told.
    pub(crate) fn abandon(&self) {
        self.close();
        let mut state = self.lock();
        let dropped = (std::mem::take(&mut state.jobs), std::mem::take(&mut state.appends));
        drop(state);
        drop(dropped);
    }

    /// Waits so long; `true`: closed.
    pub(crate) fn closed_within(&self, time: Duration) -> bool {
        let waited = self.closing.wait_timeout_while(self.lock(), time, |state| !state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    /// The next jobs. `None`: closed and empty.
    pub(crate) fn next(&self) -> Option<Taken> {
        let mut state = self.lock();
        while !state.has_work() && !state.closed {
            state.sleep = Sleep::Idle;
            let due =
                state.unawaited_since.map(|since| (since + UNAWAITED_MAX).saturating_duration_since(Instant::now()));
            state = match due {
                Some(due) => self.wake.wait_timeout(state, due).unwrap_or_else(PoisonError::into_inner).0,
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.sleep = Sleep::Awake;
        }
        state = self.gather(state);
        if state.jobs.is_empty() && state.appends.is_empty() {
            return None;
        }
        Some(state.take())
    }

    /// Waits a moment for more callers if they come in crowds.
    fn gather<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.crowd <= CROWD || state.closed {
            return state;
        }
        state.sleep = Sleep::Gathering;
        let few = |state: &mut State| state.callers() < GATHER_ENOUGH && !state.closed;
        state = self.wake.wait_timeout_while(state, GATHER_MAX, few).unwrap_or_else(PoisonError::into_inner).0;
        state.sleep = Sleep::Awake;
        state
    }

    /// Takes back what could not be written and nobody waits for, in front of what came since. A queue that is closed gives
    /// it up: the disk is full, and the process ends.
    pub(crate) fn give_back(&self, appends: Vec<Append>) {
        if appends.is_empty() {
            return;
        }
        let mut state = self.lock();
        if state.closed {
            tracing::warn!(
                calls = appends.len(),
                "records that nobody waits for are lost: they could not be written before the end"
            );
            return;
        }
        state.unawaited_since = Some(Instant::now());
        appends.into_iter().rev().for_each(|append| state.appends.push_front(append));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_work(&self) -> bool {
        let due = |since: Instant| since.elapsed() >= UNAWAITED_MAX;
        !self.jobs.is_empty() || self.awaited_appends > 0 || self.unawaited_since.is_some_and(due)
    }

    /// Who waits for an answer.
    fn callers(&self) -> usize {
        self.jobs.len() + self.awaited_appends
    }

    fn take(&mut self) -> Taken {
        self.crowd = (7 * self.crowd + 100 * self.callers()) / 8;
        let jobs = self.jobs.len().min(BATCH_MAX);
        let jobs = self.jobs.drain(..jobs).collect();
        let (mut appends, mut bytes) = (Vec::new(), 0);
        while appends.len() < BATCH_MAX && bytes < BATCH_BYTES {
            let Some(append) = self.appends.pop_front() else { break };
            bytes += append.records.iter().map(|record| record.len()).sum::<usize>();
            self.awaited_appends -= usize::from(append.is_awaited());
            appends.push(append);
        }
        if self.appends.is_empty() {
            self.unawaited_since = None;
        }
        Taken { jobs, appends }
    }
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

/// The KiB that records take.
fn kib(records: &[Slice]) -> u32 {
    let bytes: usize = records.iter().map(|record| record.len()).sum();
    u32::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u32::MAX)
}

fn closed() -> Error {
    Error::Unavailable("the store is closed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_A_MIB: usize = 512 << 10;

    fn record() -> Vec<Slice> {
        vec![Slice::from(vec![0; HALF_A_MIB])]
    }

    #[test]
    fn p19_records_that_nobody_waits_for_have_a_budget() {
        let queue = Queue::new();
        for _ in 0..UNAWAITED_KIB / 512 {
            queue.append_unawaited(record()).unwrap();
        }
        let refused = queue.append_unawaited(vec![Slice::from([0])]);
        assert!(matches!(refused, Err(AppendError::Unavailable(_))), "refused at once, nobody is kept waiting");
        drop(queue.next());
        queue.append_unawaited(record()).expect("there is room again");
    }

    #[tokio::test]
    async fn p19_who_comes_when_the_queue_is_full_waits_for_room() {
        let queue = Queue::new();
        let full = (0..QUEUE_KIB / 512).map(|_| queue.append(record()));
        let full = tokio::task::unconstrained(futures::future::join_all(full));
        tokio::pin!(full);
        assert!(futures::poll!(&mut full).is_pending());
        let late = queue.append(record());
        tokio::pin!(late);
        assert!(futures::poll!(&mut late).is_pending());
        assert_eq!(queue.lock().appends.len(), (QUEUE_KIB / 512) as usize, "the late one is not in the queue");
        let taken = queue.next().expect("there is work");
        let bytes: usize = taken.appends.iter().map(|a| a.records[0].len()).sum();
        assert_eq!(bytes, BATCH_BYTES, "a batch is bounded in bytes");
        taken.appends.into_iter().for_each(|append| append.answer(Ok(())));
        assert!(futures::poll!(&mut late).is_pending());
        assert_eq!(queue.lock().appends.back().map(|a| a.records[0].len()), Some(HALF_A_MIB));
    }

    #[test]
    fn a_crowd_shares_a_sync() {
        let queue = Queue::new();
        queue.push_job(false, None, |_| Ok(())).expect("the queue is open");
        queue.lock().crowd = CROWD + 1;
        let began = Instant::now();
        assert_eq!(queue.next().map(|taken| taken.jobs.len()), Some(1));
        assert!(began.elapsed() >= GATHER_MAX, "it waited for more");
        queue.lock().crowd = CROWD + 1;
        queue.close();
        assert!(queue.next().is_none(), "a queue that is closed waits for nobody");
    }

    #[test]
    fn crowds_are_noticed_and_forgotten() {
        let mut state = State::default();
        for callers in [4; 20] {
            state.awaited_appends = callers;
            state.take();
        }
        assert!(state.crowd > CROWD);
        for callers in [1; 40] {
            state.awaited_appends = callers;
            state.take();
        }
        assert!(state.crowd <= CROWD);
    }

    #[tokio::test]
    async fn a_batch_has_a_limited_number_of_jobs() {
        let queue = Queue::new();
        let jobs = futures::future::join_all((0..=BATCH_MAX).map(|_| queue.run(false, |_| Ok(()))));
        let jobs = tokio::task::unconstrained(jobs);
        tokio::pin!(jobs);
        assert!(futures::poll!(&mut jobs).is_pending());
        assert_eq!(queue.next().map(|taken| taken.jobs.len()), Some(BATCH_MAX));
        assert_eq!(queue.next().map(|taken| taken.jobs.len()), Some(1));
    }

    #[tokio::test]
    async fn p20_callers_are_told_when_the_thread_is_gone() {
        let queue = Queue::new();
        let waiting = queue.run(false, |_| Ok(()));
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        queue.abandon();
        assert!(matches!(waiting.await, Err(Error::Unavailable(_))));
        assert!(matches!(queue.run(false, |_| Ok(())).await, Err(Error::Unavailable(_))));
        assert!(queue.next().is_none());
    }
}
