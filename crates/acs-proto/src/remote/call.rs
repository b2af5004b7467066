//! One call: to the device's process, within its deadline, to the next process where that is allowed.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::limits::{Deadlines, REPEAT_PAUSE, REPEATS_MAX, SILENCE_MAX};
use super::methods::Method;
use super::peers::{Peer, Peers};
use super::status::{from_status, malformed_reply, never_sent, unreachable};
use crate::records::{Unsealed, Wire};
use crate::{ErrorClass, ServiceError};

/// Makes a call about `key`, a device as a rule. The message is made for each try, so that the usual one needs no copy.
///
/// A call that certainly never left this process goes to the next one. Beyond that only an idempotent one is made again, while the
/// service is unavailable and time is left: then one process that is silent costs only its share of the deadline.
pub(super) async fn call<M, R, F>(
    peers: &Peers,
    (method, deadlines): (Method, &Deadlines),
    key: &str,
    message: impl Fn() -> M,
    send: impl Fn(Channel, Request<M>) -> F,
) -> Result<R, ServiceError>
where
    F: Future<Output = Result<Response<R>, Status>>,
{
    let until = Instant::now() + (method.deadline)(deadlines);
    let order = peers.order(key)?;
    let (mut turn, mut repeats, mut pause) = (0, 0, REPEAT_PAUSE);
    loop {
        let peer = &order[turn % order.len()];
        let others_left = turn + 1 < order.len();
        let tries_left = if method.idempotent { REPEATS_MAX - repeats } else { 0 };
        let share = if others_left && tries_left > 0 { share_of(until, tries_left) } else { until };
        let status = match within(until, share, message(), |request| send(peer.channel(), request)).await {
            Ok(reply) => return Ok(reply),
            Err(status) => status,
        };
        let lost = never_sent(&status);
        let error = if lost { lost_to(peers, peer, &status) } else { from_status(&status) };
        let again = lost && others_left || tries_left > 0 && error.class == ErrorClass::Unavailable;
        let wait = if others_left { Duration::ZERO } else { pause };
        if !again || Instant::now() + wait >= until {
            return Err(error);
        }
        tracing::debug!(method = method.name, peer = %peer, code = error.code, text = error.text, "a call is made again");
        if !(lost && others_left) {
            repeats += 1;
        }
        if !others_left {
            sleep(pause).await;
            pause *= 2;
        }
        turn += 1;
    }
}

/// Makes a call whose message is used up: once, to the first process.
pub(super) async fn call_once<M, R, F>(
    peers: &Peers,
    (method, deadlines): (Method, &Deadlines),
    key: &str,
    message: M,
    send: impl FnOnce(Channel, Request<M>) -> F,
) -> Result<R, ServiceError>
where
    F: Future<Output = Result<Response<R>, Status>>,
{
    let until = Instant::now() + (method.deadline)(deadlines);
    let order = peers.order(key)?;
    let peer = &order[0];
    let answer = within(until, until, message, |request| send(peer.channel(), request)).await;
    answer.map_err(|status| if never_sent(&status) { lost_to(peers, peer, &status) } else { from_status(&status) })
}

/// The domain's reply.
pub(super) fn reply<T: Wire>(message: T::Message) -> Result<T, ServiceError> {
    T::from_wire(message, &Unsealed).map_err(|error| malformed_reply(&error))
}

fn lost_to(peers: &Peers, peer: &Peer, status: &Status) -> ServiceError {
    peer.lost();
    unreachable(peers.service(), &peer.to_string(), status)
}

/// When a try gives way to those that may follow.
fn share_of(until: Instant, tries_left: u32) -> Instant {
    let now = Instant::now();
    now + (until.saturating_duration_since(now) / (tries_left + 1)).min(SILENCE_MAX)
}

/// One try. The server is told the whole deadline: it need not stop because we ask elsewhere, too.
async fn within<M, R, F>(
    until: Instant,
    share: Instant,
    message: M,
    send: impl FnOnce(Request<M>) -> F,
) -> Result<R, Status>
where
    F: Future<Output = Result<Response<R>, Status>>,
{
    let mut request = Request::new(message);
    request.set_timeout(until.saturating_duration_since(Instant::now()));
    match timeout_at(share, send(request)).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("no answer within the deadline")),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::methods;
    use super::*;

    fn one() -> Peers {
        Peers::from(super::super::peers::nowhere())
    }

    fn deadlines() -> Deadlines {
        Deadlines { session: Duration::from_secs(1), ..Deadlines::default() }
    }

    /// Answers with the number of the call, from the one named on; before it the service is unavailable.
    async fn unavailable_until(answered: u32, calls: &Cell<u32>) -> Result<Response<u32>, Status> {
        calls.set(calls.get() + 1);
        if calls.get() < answered { Err(Status::unavailable("away")) } else { Ok(Response::new(calls.get())) }
    }

    async fn made(method: Method, answered: u32) -> (Result<u32, ErrorClass>, u32) {
        let calls = Cell::new(0);
        let send = |_, _| unavailable_until(answered, &calls);
        let result = call(&one(), (method, &deadlines()), "d", || (), send).await;
        (result.map_err(|error| error.class), calls.get())
    }

    #[tokio::test(start_paused = true)]
    async fn an_idempotent_call_is_repeated_up_to_the_limit() {
        assert_eq!(made(methods::BEGIN, REPEATS_MAX + 1).await, (Ok(REPEATS_MAX + 1), REPEATS_MAX + 1));
        assert_eq!(made(methods::BEGIN, u32::MAX).await, (Err(ErrorClass::Unavailable), REPEATS_MAX + 1));
    }

    #[tokio::test(start_paused = true)]
    async fn other_calls_are_made_once() {
        for method in [methods::NEXT, methods::END] {
            assert_eq!(made(method, 2).await, (Err(ErrorClass::Unavailable), 1), "{}", method.name);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_never_left_goes_to_every_other_process_once() {
        let peers = Peers::fixed("provisioning", (1..=4).map(|n| ([127, 0, 0, n], 9).into()));
        let (tries, not_sent) = (Cell::new(0), Cell::new(3));
        let send = |_, _| {
            tries.set(tries.get() + 1);
            let refused = tries.get() <= not_sent.get();
            async move {
                let refused = refused.then(|| Status::from_error(tonic::ConnectError("refused".into()).into()));
                refused.map_or(Ok(Response::new(())), Err)
            }
        };
        let made = call(&peers, (methods::NEXT, &deadlines()), "d", || (), send).await;
        assert_eq!((made, tries.get()), (Ok(()), 4));

        tries.set(0);
        not_sent.set(9);
        let error = call(&peers, (methods::NEXT, &deadlines()), "d", || (), send).await.unwrap_err();
        assert_eq!((error.class, tries.get()), (ErrorClass::Unavailable, 4));
        assert!(error.text.starts_with("provisioning at 127.0.0."), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_the_service_is_not_repeated() {
        let calls = Cell::new(0);
        let send = |_, _| {
            calls.set(calls.get() + 1);
            async { Err::<Response<()>, _>(Status::aborted("superseded")) }
        };
        let failed = call(&one(), (methods::BEGIN, &deadlines()), "d", || (), send).await;
        assert_eq!((failed.map_err(|error| error.class), calls.get()), (Err(ErrorClass::Superseded), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_at_its_deadline_repeats_included() {
        let started = Instant::now();
        let send = |_, _| async {
            sleep(Duration::from_millis(700)).await;
            Err::<Response<()>, _>(Status::unavailable("away"))
        };
        let failed = call(&one(), (methods::BEGIN, &deadlines()), "d", || (), send).await;
        assert_eq!(failed.map_err(|error| error.code), Err("deadline_exceeded".to_owned()));
        assert_eq!(started.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn p16_a_silent_process_costs_an_idempotent_call_its_share_of_the_deadline() {
        let peers = Peers::fixed("provisioning", (1..=2).map(|n| ([127, 0, 0, n], 9).into()));
        let (started, calls) = (Instant::now(), Cell::new(0));
        let send = |_, _| {
            calls.set(calls.get() + 1);
            let silent = calls.get() == 1;
            async move {
                if silent {
                    std::future::pending::<()>().await;
                }
                Ok(Response::new(()))
            }
        };
        let made = call(&peers, (methods::BEGIN, &deadlines()), "d", || (), send).await;
        assert_eq!((made, calls.get()), (Ok(()), 2));
        assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
    }
}
