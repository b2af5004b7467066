use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, Take};
use tokio_util::io::ReaderStream;

use crate::grant::Grant;
use crate::metrics::{FilesMetrics, Outcome};

/// Bytes read at a time; all that a transfer holds in memory besides the socket's buffers.
const CHUNK: usize = 64 * 1024;

/// How many transfers there may be (CWMP-353).
#[derive(Debug)]
pub(crate) struct Budget {
    max: usize,
    max_per_device: usize,
    active: Mutex<Active>,
}

#[derive(Debug, Default)]
struct Active {
    count: usize,
    /// Only devices with a transfer, so at most `max`.
    per_device: HashMap<String, usize>,
}

/// One transfer of the budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    budget: Arc<Budget>,
    subject: String,
}

impl Budget {
    pub(crate) fn new(max: usize, max_per_device: usize) -> Self {
        Self { max, max_per_device, active: Mutex::default() }
    }

    /// A slot for this device, if there is one.
    pub(crate) fn begin(self: &Arc<Self>, subject: &str) -> Option<Slot> {
        let mut active = self.active();
        let of_device = active.per_device.get(subject).copied().unwrap_or(0);
        if active.count >= self.max || of_device >= self.max_per_device {
            return None;
        }
        active.count += 1;
        active.per_device.insert(subject.to_owned(), of_device + 1);
        Some(Slot { budget: Arc::clone(self), subject: subject.to_owned() })
    }

    // The counts are right after each statement that could panic.
    fn active(&self) -> MutexGuard<'_, Active> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut active = self.budget.active();
        active.count = active.count.saturating_sub(1);
        if let Some(of_device) = active.per_device.get_mut(&self.subject) {
            *of_device -= 1;
            if *of_device == 0 {
                active.per_device.remove(&self.subject);
            }
        }
    }
}

/// The bytes of a file on their way to a device. When it is dropped, what became of it is counted and logged.
pub(crate) struct Transfer {
    reader: ReaderStream<Take<File>>,
    grant: Grant,
    metrics: FilesMetrics,
    expected: u64,
    sent: u64,
    part: bool,
    _slot: Slot,
}

impl Transfer {
    /// Of `length` bytes from where `file` stands; `part`: not all of them.
    pub(crate) fn new(file: File, length: u64, part: bool, grant: Grant, slot: Slot, metrics: FilesMetrics) -> Self {
        metrics.transfers.inc();
        let reader = ReaderStream::with_capacity(file.take(length), CHUNK);
        Self { reader, grant, metrics, expected: length, sent: 0, part, _slot: slot }
    }
}

impl Stream for Transfer {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = std::task::ready!(Pin::new(&mut self.reader).poll_next(cx));
        if let Some(Ok(chunk)) = &next {
            let length = chunk.len() as u64;
            self.sent += length;
            self.metrics.sent_bytes.inc_by(length);
        }
        // An end that comes too early breaks the connection, so that the device does not take it for the whole.
        if next.is_none() && self.sent < self.expected {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        Poll::Ready(next)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.metrics.transfers.dec();
        let outcome = match (self.sent == self.expected, self.part) {
            (false, _) => Outcome::Aborted,
            (true, true) => Outcome::Partial,
            (true, false) => Outcome::Complete,
        };
        self.metrics.count(outcome);
        let Grant { file, subject, .. } = &self.grant;
        tracing::info!(device = subject, %file, sent = self.sent, wanted = self.expected, ?outcome, "download");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // CWMP-353
    #[test]
    fn the_budget_counts_all_and_each_device() {
        let budget = Arc::new(Budget::new(3, 2));
        let first = budget.begin("a").unwrap();
        let _second = budget.begin("a").unwrap();
        assert!(budget.begin("a").is_none(), "two per device");
        let third = budget.begin("b").unwrap();
        assert!(budget.begin("c").is_none(), "three in all");
        drop(third);
        assert!(!budget.active().per_device.contains_key("b"), "nothing is kept of devices without a transfer");
        let _fourth = budget.begin("c").unwrap();
        drop(first);
        assert!(budget.begin("a").is_some());
    }
}
