//! The clock of one connection: what it waits for, and until when.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::HttpLimits;

/// Shared by the socket and the exchanges on it.
#[derive(Debug)]
pub(crate) struct Timing {
    limits: TimingLimits,
    started: Instant,
    phase: AtomicU8,
    /// Milliseconds after `started`.
    deadline: AtomicU64,
    expired: Mutex<Option<&'static str>>,
}

#[derive(Debug, Clone, Copy)]
struct TimingLimits {
    idle: Duration,
    header: Duration,
    write: Duration,
}

const IDLE: u8 = 0;
const HEADER: u8 = 1;
/// A request is being read or answered: the body and the session have their own deadlines.
const EXCHANGE: u8 = 2;

impl Timing {
    pub(crate) fn new(limits: &HttpLimits) -> Arc<Self> {
        let limits = TimingLimits { idle: limits.idle, header: limits.header, write: limits.write };
        let timing = Self {
            limits,
            started: Instant::now(),
            phase: AtomicU8::new(IDLE),
            deadline: AtomicU64::new(0),
            expired: Mutex::new(None),
        };
        timing.enter(IDLE, limits.idle);
        Arc::new(timing)
    }

    /// A whole header is here.
    pub(crate) fn exchange_begins(&self) {
        self.phase.store(EXCHANGE, Ordering::Relaxed);
    }

    /// The response is made; the next request may take its time.
    pub(crate) fn exchange_ends(&self) {
        self.enter(IDLE, self.limits.idle);
    }

    /// Which deadline closed the connection, if one did.
    pub(crate) fn expired(&self) -> Option<&'static str> {
        *self.expired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes_came(&self) {
        if self.phase.load(Ordering::Relaxed) == IDLE {
            self.enter(HEADER, self.limits.header);
        }
    }

    fn enter(&self, phase: u8, within: Duration) {
        let deadline = self.started.elapsed() + within;
        self.deadline.store(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }

    fn read_deadline(&self) -> Option<Instant> {
        (self.phase.load(Ordering::Relaxed) != EXCHANGE)
            .then(|| self.started + Duration::from_millis(self.deadline.load(Ordering::Relaxed)))
    }

    fn expire(&self, what: &'static str) -> io::Error {
        *self.expired.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
        io::Error::new(io::ErrorKind::TimedOut, what)
    }
}

/// A socket that gives up at the deadlines of its [`Timing`].
pub(crate) struct Timed<IO> {
    io: IO,
    timing: Arc<Timing>,
    read_timer: Pin<Box<Sleep>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl<IO> Timed<IO> {
    pub(crate) fn new(io: IO, timing: Arc<Timing>) -> Self {
        let first = timing.read_deadline().unwrap_or_else(Instant::now);
        Self { io, timing, read_timer: Box::pin(tokio::time::sleep_until(first)), write_timer: None }
    }

    /// The timer is set again only when it rings too early or would ring too late: not for every request.
    fn poll_read_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(deadline) = self.timing.read_deadline() else { return Poll::Pending };
        if self.read_timer.deadline() > deadline {
            self.read_timer.as_mut().reset(deadline);
        }
        while self.read_timer.as_mut().poll(cx).is_ready() {
            if self.read_timer.deadline() >= deadline {
                let in_header = self.timing.phase.load(Ordering::Relaxed) == HEADER;
                return Poll::Ready(self.timing.expire(if in_header { "header" } else { "idle" }));
            }
            self.read_timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    fn after_write<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_timer = None;
            return written;
        }
        let within = self.timing.limits.write;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(self.timing.expire("write"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Timed<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.io).poll_read(cx, buf) {
            Poll::Ready(Ok(())) if buf.filled().len() > before => {
                self.timing.bytes_came();
                Poll::Ready(Ok(()))
            }
            Poll::Pending => self.poll_read_deadline(cx).map(Err),
            ready => ready,
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Timed<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.after_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, parts);
        self.after_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.after_write(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.after_write(cx, shut)
    }
}
