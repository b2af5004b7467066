//! Group commit: one thread takes all jobs that wait, decides and applies them one after the other, makes the outcome durable
//! with one sync, and only then answers all. So a check and its write are one step, no two writers need a lock, and a
//! hundred writers at once cost one sync.
//!
//! Every batch is synced before the next is written. So after a power loss at most the last batch can be torn, and nobody was
//! told of that one ([`crate::journal`] stands on this).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use acs_events::AppendError;
use acs_store::Error;

use crate::engine::Engine;
use crate::failpoint::failpoint;
use crate::keys::{self, Space};
use crate::queue::{Append, Jobs, Queue, Taken};
use crate::shared::{EventsState, Shared};
use crate::slot;
use crate::space::FreeSpace;
use crate::transaction::{Batch, Transaction};

/// The commit thread; ends when the queue is closed and empty.
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) space: FreeSpace,
}

/// Tells all who wait, should the thread end in a panic.
struct Abandon(Arc<Queue>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Committer {
    pub(crate) fn work(mut self) {
        let _abandon = Abandon(Arc::clone(&self.queue));
        while let Some(taken) = self.queue.next() {
            self.commit(taken);
        }
        self.shared.slot.close();
    }

    fn commit(&mut self, taken: Taken) {
        let Taken { mut jobs, mut appends } = taken;
        if let Err(error) = self.space.check() {
            let (run, refuse): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|(job, _)| job.makes_room());
            self.fail(refuse, std::mem::take(&mut appends), &error);
            jobs = run;
        }
        if jobs.is_empty() && appends.is_empty() {
            return;
        }
        let engine = match self.shared.slot.for_writing(&self.shared) {
            Ok(engine) => engine,
            Err(error) => return self.fail(jobs, appends, &error),
        };
        failpoint!("store::before_write");
        let (mut batch, jobs) = self.decide(&engine, jobs);
        let events = self.add_events(&mut batch, &appends);
        let (devices, refused) = (batch.devices, batch.refused);
        if !batch.is_empty()
            && let Err(error) = slot::write(&engine, batch)
        {
            drop(engine);
            tracing::error!(%error, "the store could not write; it is opened anew");
            let error = Error::Unavailable(format!("a write failed, whether it happened is not known: {error}"));
            self.shared.slot.fail();
            return self.fail(jobs, appends, &error);
        }
        failpoint!("store::after_sync");
        self.shared.committed(devices, refused, events);
        jobs.into_iter().for_each(|(job, _)| job.finish(Ok(())));
        for append in appends {
            append.answer(Ok(()));
        }
    }

    /// Runs the jobs one after the other; what they change goes into one batch.
    fn decide(&self, engine: &Engine, mut jobs: Jobs) -> (Batch, Jobs) {
        let mut batch = Batch::default();
        for (job, _) in &mut jobs {
            let mut transaction = Transaction::new(engine, &*self.shared.options.seal, &mut batch);
            match catch_unwind(AssertUnwindSafe(|| job.run(&mut transaction))) {
                Ok(true) => batch.accept(),
                Ok(false) => batch.reject(),
                Err(_) => {
                    tracing::error!("a write ended in a panic; it changed nothing");
                    batch.reject();
                }
            }
        }
        (batch, jobs)
    }

    /// Puts the records behind those there, and the new state of the log beside them; `None`: nothing changed.
    fn add_events(&self, batch: &mut Batch, appends: &[Append]) -> Option<EventsState> {
        let before = self.shared.events();
        let mut events = before;
        if let Some(trim) = batch.take_trim() {
            events.start = events.start.max(trim.start);
            events.bytes = events.bytes.saturating_sub(trim.bytes);
        }
        for record in appends.iter().flat_map(|append| &append.records) {
            events.end += 1;
            events.bytes += record.len() as u64;
            batch.put(Space::Events, keys::event(events.end).to_vec(), Some(record.clone()));
        }
        if events == before {
            return None;
        }
        batch.put(Space::Rows, keys::EVENTS_STATE.to_vec(), Some(events.to_bytes().into()));
        Some(events)
    }

    /// Answers all who wait; records that nobody waits for are tried again.
    fn fail(&self, jobs: Jobs, appends: Vec<Append>, error: &Error) {
        jobs.into_iter().for_each(|(job, _)| job.finish(Err(error)));
        let (awaited, unawaited): (Vec<_>, Vec<_>) = appends.into_iter().partition(Append::is_awaited);
        for append in awaited {
            append.answer(Err(append_error(error)));
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
