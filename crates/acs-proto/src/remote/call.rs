use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Request, Response, Status};

use super::limits::{REPEAT_PAUSE, REPEATS_MAX};
use super::status::{from_status, malformed_reply};
use crate::records::{Unsealed, Wire};
use crate::{ErrorClass, ServiceError};

/// Makes a call once.
pub(super) async fn once<S: Clone, M, R, F>(
    stub: &S,
    deadline: Duration,
    message: M,
    send: impl FnOnce(S, Request<M>) -> F,
) -> Result<R, ServiceError>
where
    F: Future<Output = Result<Response<R>, Status>>,
{
    let until = Instant::now() + deadline;
    within(until, send(stub.clone(), request(message, until))).await
}

/// Makes an idempotent call, again while the service is unavailable and time is left. The message is made for each try, so
/// that the usual one needs no copy.
pub(super) async fn repeated<S: Clone, M, R, F>(
    stub: &S,
    deadline: Duration,
    message: impl Fn() -> M,
    mut send: impl FnMut(S, Request<M>) -> F,
) -> Result<R, ServiceError>
where
    F: Future<Output = Result<Response<R>, Status>>,
{
    let until = Instant::now() + deadline;
    let mut pause = REPEAT_PAUSE;
    for _ in 0..REPEATS_MAX {
        match within(until, send(stub.clone(), request(message(), until))).await {
            Err(error) if error.class == ErrorClass::Unavailable && Instant::now() + pause < until => {
                tracing::debug!(code = error.code, text = error.text, "a service is unavailable, the call is repeated");
                sleep(pause).await;
                pause *= 2;
            }
            done => return done,
        }
    }
    within(until, send(stub.clone(), request(message(), until))).await
}

/// The domain's reply.
pub(super) fn reply<T: Wire>(message: T::Message) -> Result<T, ServiceError> {
    T::from_wire(message, &Unsealed).map_err(|error| malformed_reply(&error))
}

fn request<M>(message: M, until: Instant) -> Request<M> {
    let mut request = Request::new(message);
    // The server gives up then, too.
    request.set_timeout(until.saturating_duration_since(Instant::now()));
    request
}

async fn within<R>(until: Instant, call: impl Future<Output = Result<Response<R>, Status>>) -> Result<R, ServiceError> {
    match timeout_at(until, call).await {
        Ok(answer) => answer.map(Response::into_inner).map_err(|status| from_status(&status)),
        Err(_) => Err(from_status(&Status::deadline_exceeded("no answer within the deadline"))),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Counts calls in its stub and answers with the number of the call, from the one named on.
    async fn unavailable_until(answered: u32, calls: &Cell<u32>) -> Result<Response<u32>, Status> {
        calls.set(calls.get() + 1);
        if calls.get() < answered { Err(Status::unavailable("away")) } else { Ok(Response::new(calls.get())) }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idempotent_call_is_repeated_up_to_the_limit() {
        let calls = Cell::new(0);
        let done = repeated(&&calls, SECOND, || (), |calls, _| unavailable_until(REPEATS_MAX + 1, calls)).await;
        assert_eq!(done, Ok(REPEATS_MAX + 1));

        let calls = Cell::new(0);
        let failed = repeated(&&calls, SECOND, || (), |calls, _| unavailable_until(u32::MAX, calls)).await;
        assert_eq!(failed.map_err(|error| error.class), Err(ErrorClass::Unavailable));
        assert_eq!(calls.get(), REPEATS_MAX + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn other_calls_are_made_once() {
        let calls = Cell::new(0);
        let failed = once(&&calls, SECOND, (), |calls, _| unavailable_until(2, calls)).await;
        assert_eq!(failed.map_err(|error| error.class), Err(ErrorClass::Unavailable));
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_the_service_is_not_repeated() {
        let calls = Cell::new(0);
        let failed: Result<(), _> = repeated(
            &&calls,
            SECOND,
            || (),
            |calls, _| async move {
                calls.set(calls.get() + 1);
                Err(Status::aborted("superseded"))
            },
        )
        .await;
        assert_eq!((failed.map_err(|error| error.class), calls.get()), (Err(ErrorClass::Superseded), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_at_its_deadline_repeats_included() {
        let started = Instant::now();
        let failed: Result<(), _> = repeated(
            &(),
            SECOND,
            || (),
            |(), _| async {
                sleep(Duration::from_millis(700)).await;
                Err(Status::unavailable("away"))
            },
        )
        .await;
        assert_eq!(failed.map_err(|error| error.code), Err("deadline_exceeded".to_owned()));
        assert_eq!(started.elapsed(), SECOND);
    }
}
