//! One session of the driver, with the limits of this store around it. Nothing else talks to the driver.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use acs_store::{Error, Result};
use fail::fail_point;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use scylla::client::session::Session;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::ExecutionError;
use scylla::response::query_result::QueryResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::batch::BatchValues;
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::Batch;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::{CqlValue, Row};
use std::ops::ControlFlow;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{rows_error, store_error};

/// Requests on their way at once; others wait for their turn.
pub(crate) const IN_FLIGHT_MAX: usize = 1024;
/// Requests that one call of this store has on their way at once.
pub(crate) const AT_ONCE: usize = 32;
/// Rows that the driver fetches at once.
pub(crate) const PAGE_ROWS: i32 = 1000;

/// The driver's session.
pub(crate) struct Cql {
    session: Session,
    gate: Gate,
    reads: AtomicU64,
    writes: AtomicU64,
    conditional: AtomicU64,
}

/// How many requests a store has made: what an operation costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Reads.
    pub reads: u64,
    /// Plain writes.
    pub writes: u64,
    /// Conditional writes (lightweight transactions), of which each costs the cluster several rounds.
    pub conditional: u64,
}

/// The outcome of a conditional write: whether it was applied, or the error that leaves it open or proves that it was not.
pub(crate) type Applied = Result<bool, ExecutionError>;

impl Cql {
    /// `wait`: how long a request may wait for its turn.
    pub(crate) fn new(session: Session, wait: Duration) -> Self {
        Self {
            session,
            gate: Gate::new(IN_FLIGHT_MAX, wait),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            conditional: AtomicU64::new(0),
        }
    }

    pub(crate) fn requests(&self) -> Requests {
        Requests {
            reads: self.reads.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
            conditional: self.conditional.load(Ordering::Relaxed),
        }
    }

    /// A plain write.
    pub(crate) async fn write(&self, statement: &PreparedStatement, values: impl SerializeRow) -> Result<()> {
        let _permit = self.permit(&self.writes).await?;
        self.session.execute_unpaged(statement, values).await.map_err(store_error)?;
        Ok(())
    }

    /// Plain writes to one partition, which become visible together.
    pub(crate) async fn write_batch(&self, batch: &Batch, values: impl BatchValues) -> Result<()> {
        let _permit = self.permit(&self.writes).await?;
        self.session.batch(batch, values).await.map_err(store_error)?;
        Ok(())
    }

    /// A conditional write.
    pub(crate) async fn conditional(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Applied> {
        let _permit = self.permit(&self.conditional).await?;
        fail_point!("scylla::conditional_not_sent", |_| Ok(Err(timed_out())));
        let result = self.session.execute_unpaged(statement, values).await;
        fail_point!("scylla::conditional_answer_lost", |_| Ok(Err(timed_out())));
        outcome(result)
    }

    /// Conditional writes to one partition: all or none.
    pub(crate) async fn conditional_batch(&self, batch: &Batch, values: impl BatchValues) -> Result<Applied> {
        let _permit = self.permit(&self.conditional).await?;
        fail_point!("scylla::conditional_not_sent", |_| Ok(Err(timed_out())));
        let result = self.session.batch(batch, values).await;
        fail_point!("scylla::conditional_answer_lost", |_| Ok(Err(timed_out())));
        outcome(result)
    }

    /// All rows of a read, page by page. The statement bounds them.
    pub(crate) async fn rows<R>(&self, statement: &PreparedStatement, values: impl SerializeRow) -> Result<Vec<R>>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        let mut found = Vec::new();
        let mut state = PagingState::start();
        loop {
            let (result, next) = {
                let _permit = self.permit(&self.reads).await?;
                self.session.execute_single_page(statement, &values, state).await.map_err(store_error)?
            };
            let rows = result.into_rows_result().map_err(rows_error)?;
            found.reserve(rows.rows_num());
            for row in rows.rows::<R>().map_err(rows_error)? {
                found.push(row.map_err(rows_error)?);
            }
            match PagingStateResponse::into_paging_control_flow(next) {
                ControlFlow::Break(()) => return Ok(found),
                ControlFlow::Continue(next) => state = next,
            }
        }
    }

    /// The first row of a read, if there is one.
    pub(crate) async fn row<R>(&self, statement: &PreparedStatement, values: impl SerializeRow) -> Result<Option<R>>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        let _permit = self.permit(&self.reads).await?;
        let (result, _) =
            self.session.execute_single_page(statement, values, PagingState::start()).await.map_err(store_error)?;
        result.into_rows_result().map_err(rows_error)?.maybe_first_row::<R>().map_err(first_row_error)
    }

    async fn permit(&self, count: &AtomicU64) -> Result<SemaphorePermit<'_>> {
        count.fetch_add(1, Ordering::Relaxed);
        self.gate.enter().await
    }
}

/// Lets so many in at once.
struct Gate {
    permits: Semaphore,
    wait: Duration,
}

impl Gate {
    fn new(count: usize, wait: Duration) -> Self {
        Self { permits: Semaphore::new(count), wait }
    }

    async fn enter(&self) -> Result<SemaphorePermit<'_>> {
        match tokio::time::timeout(self.wait, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Error::Unavailable("too many requests are on their way, try again later".into())),
        }
    }
}

/// Several requests of one call, a bounded number at once; the first error ends it.
pub(crate) async fn all<T, F: Future<Output = Result<T>>>(requests: Vec<F>) -> Result<Vec<T>> {
    stream::iter(requests).buffered(AT_ONCE).try_collect().await
}

fn outcome(result: Result<QueryResult, ExecutionError>) -> Result<Applied> {
    match result {
        Ok(result) => Ok(Ok(applied(result)?)),
        Err(error) => Ok(Err(error)),
    }
}

/// What tests have happen to a conditional write.
#[allow(dead_code, reason = "unused where failpoints are not compiled in")]
fn timed_out() -> ExecutionError {
    ExecutionError::RequestTimeout(Duration::ZERO)
}

fn first_row_error(error: scylla::errors::MaybeFirstRowError) -> Error {
    Error::Corrupt(error.to_string())
}

/// `[applied]`, by its name: the other columns differ between the products (`design.md` §6).
pub(crate) fn applied(result: QueryResult) -> Result<bool> {
    let rows = result.into_rows_result().map_err(rows_error)?;
    let column = rows.column_specs().get_by_name("[applied]").map(|(at, _)| at);
    let row = rows.maybe_first_row::<Row>().map_err(first_row_error)?;
    match column.zip(row).map(|(at, mut row)| row.columns.swap_remove(at)) {
        Some(Some(CqlValue::Boolean(applied))) => Ok(applied),
        _ => Err(Error::Corrupt("a conditional write was answered without `[applied]`".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn p19_one_more_waits_for_a_while_and_is_refused() {
        let gate = Gate::new(2, Duration::from_millis(20));
        let first = gate.enter().await.unwrap();
        let _second = gate.enter().await.unwrap();
        assert!(matches!(gate.enter().await, Err(Error::Unavailable(_))));
        drop(first);
        assert!(gate.enter().await.is_ok(), "as soon as one is done");
    }
}
