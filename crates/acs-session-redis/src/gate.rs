use std::sync::Arc;
use std::time::{Duration, Instant};

use acs_store::{Error, Result};
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};

use crate::breaker::{Admission, Breaker, Change};
use crate::connection::{ConnectError, Connection};
use crate::link::Link;
use crate::metrics::{Metrics, Outcome};

/// The way of each call to Redis: not while the breaker is open, not longer than its time budget.
pub(crate) struct Gate {
    link: Link,
    breaker: Breaker,
    metrics: Arc<Metrics>,
    time_budget: Duration,
}

enum Trouble {
    Connect(ConnectError),
    Call(RedisError),
}

impl Gate {
    pub(crate) fn new(link: Link, breaker: Breaker, metrics: Arc<Metrics>, time_budget: Duration) -> Self {
        Self { link, breaker, metrics, time_budget }
    }

    /// Does `work`, once.
    pub(crate) async fn call<T, F>(&self, operation: &'static str, work: impl FnOnce(Connection) -> F) -> Result<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let began = Instant::now();
        let admission = self.breaker.admit(began);
        if admission == Admission::Refused {
            self.metrics.called(operation, Outcome::Refused, Duration::ZERO);
            return Err(Error::Unavailable("redis failed just before and is left alone for a moment".to_owned()));
        }
        let call = Call { gate: self, operation, admission, began, settled: false };
        match tokio::time::timeout(self.time_budget, self.try_once(work)).await {
            Ok(Ok(value)) => {
                call.settle(Outcome::Done);
                Ok(value)
            }
            Ok(Err(Trouble::Call(error))) if is_unreadable(&error) => {
                // Redis works, so the breaker has nothing to do with it.
                call.settle(Outcome::Done);
                Err(Error::Corrupt(format!("{operation}: {error}")))
            }
            Ok(Err(trouble)) => {
                call.settle(Outcome::Failed);
                Err(Error::Unavailable(match trouble {
                    Trouble::Connect(error) => format!("redis cannot be reached: {error}"),
                    Trouble::Call(error) => format!("redis failed: {error}"),
                }))
            }
            Err(_) => {
                call.settle(Outcome::Slow);
                Err(Error::Unavailable(format!("redis did not answer within {} ms", self.time_budget.as_millis())))
            }
        }
    }

    async fn try_once<T, F>(&self, work: impl FnOnce(Connection) -> F) -> Result<T, Trouble>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let linked = self.link.get().await.map_err(Trouble::Connect)?;
        let told = work(linked.connection.clone()).await;
        told.map_err(|error| {
            if is_of_connection(&error) {
                self.link.lost(&linked);
            }
            Trouble::Call(error)
        })
    }
}

/// A call under way; how it ended is told once, also if its caller goes away.
struct Call<'a> {
    gate: &'a Gate,
    operation: &'static str,
    admission: Admission,
    began: Instant,
    settled: bool,
}

impl Call<'_> {
    fn settle(mut self, outcome: Outcome) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Outcome) {
        self.settled = true;
        let Gate { link, breaker, metrics, .. } = self.gate;
        let now = Instant::now();
        metrics.called(self.operation, outcome, now - self.began);
        let change = match outcome {
            Outcome::Done => breaker.succeeded(self.admission),
            Outcome::Slow | Outcome::Failed => breaker.failed(self.admission, now),
            Outcome::GivenUp | Outcome::Refused => {
                breaker.given_up(self.admission, now);
                Change::None
            }
        };
        metrics.breaker(change);
        match change {
            Change::Opened => tracing::warn!("redis does not answer: the session cache goes without it for a while"),
            Change::Closed => tracing::info!("redis answers again"),
            Change::None | Change::OpenedAgain => {}
        }
        // What hangs may hang for long, when nothing says that the other side is gone. And Sentinels may know better.
        if matches!(change, Change::Opened | Change::OpenedAgain) {
            link.reset();
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.settled {
            // A caller that has the same budget may be a moment quicker; that makes the call no better.
            let slow = self.began.elapsed() >= self.gate.time_budget / 2;
            self.tell(if slow { Outcome::Slow } else { Outcome::GivenUp });
        }
    }
}

/// What is stored has another form than it should have.
fn is_unreadable(error: &RedisError) -> bool {
    error.kind() == ErrorKind::UnexpectedReturnType || error.code() == Some("WRONGTYPE")
}

/// Another connection may do better: broken, or to a master that is none any more.
fn is_of_connection(error: &RedisError) -> bool {
    let kinds = [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown].map(ErrorKind::Server);
    error.is_unrecoverable_error() || error.is_connection_dropped() || kinds.contains(&error.kind())
}
