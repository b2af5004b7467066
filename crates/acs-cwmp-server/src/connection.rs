use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acs_types::{DeviceId, SessionId};
use cwmp_model::Timestamp;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::front_end::FrontEnd;
use crate::timing::{Timed, Timing};

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its address as the socket says.
    pub address: SocketAddr,
    /// Whether TLS is around the connection.
    pub tls: bool,
}

/// How a server stops: first it takes no new sessions, then it closes what is left.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Begun sessions may finish, new ones go elsewhere.
    pub drain: CancellationToken,
    /// The grace is over.
    pub close: CancellationToken,
}

/// Serves one connection until it ends: HTTP/1.1 and 1.0, in order, kept alive. Works over anything that reads and writes.
pub async fn serve_connection<IO>(io: IO, peer: Peer, front_end: Arc<FrontEnd>, stop: Stop)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let timing = Timing::new(&front_end.config().http);
    let connection = Arc::new(Connection::new(peer, Arc::clone(&timing)));
    let service = service_fn(|request| {
        let (front_end, connection) = (Arc::clone(&front_end), Arc::clone(&connection));
        async move {
            connection.timing.exchange_begins();
            let response = front_end.respond(&connection, request).await;
            connection.timing.exchange_ends();
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let limits = &front_end.config().http;
    let served = http1::Builder::new()
        // A CPE may close its side after the last POST and still read (CWMP-123).
        .half_close(true)
        .keep_alive(true)
        // Small HTTP clients look for `Set-Cookie` and `Content-Length` letter by letter.
        .title_case_headers(true)
        .ignore_invalid_headers(true)
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .max_buf_size(limits.header_bytes)
        .max_header_size(limits.header_bytes)
        .max_headers(limits.header_lines)
        // Deadlines are those of `Timing`.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(Timed::new(io, timing)), service);
    let mut served = std::pin::pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = stop.drain.cancelled() => {
            if connection.bound().is_none() {
                served.as_mut().graceful_shutdown();
            }
            tokio::select! {
                result = served.as_mut() => result,
                () = stop.close.cancelled() => {
                    served.as_mut().graceful_shutdown();
                    served.await
                }
            }
        }
    };
    front_end.connection_closed(&connection, result.err());
}

/// One connection, as its exchanges see it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: Peer,
    pub(crate) timing: Arc<Timing>,
    memory: Mutex<Memory>,
}

/// What a connection remembers from one POST to the next.
#[derive(Debug, Default)]
struct Memory {
    bound: Option<Bound>,
    /// Sessions of several devices were live on it at once: then only cookies tell whose a POST is (CWMP-131).
    shared: bool,
    /// Challenges since the last accepted Inform.
    challenges: u32,
    /// The first POST that was challenged.
    challenged: Option<Challenged>,
    /// The session that proved itself here by credentials, its cookie being from another address.
    proven: Option<SessionId>,
}

/// The session that goes by the connection when no cookie comes (CWMP-023).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) session: SessionId,
    pub(crate) device: DeviceId,
}

/// A POST that got a 401: the first rungs of the ladder, should the session come to be.
#[derive(Debug, Clone)]
pub(crate) struct Challenged {
    pub(crate) at: Timestamp,
    pub(crate) answered_at: Timestamp,
    pub(crate) message: &'static str,
    pub(crate) bytes: u64,
}

impl Connection {
    fn new(peer: Peer, timing: Arc<Timing>) -> Self {
        Self { peer, timing, memory: Mutex::default() }
    }

    /// The source address, an IPv4 one as such.
    pub(crate) fn source(&self) -> IpAddr {
        self.peer.address.ip().to_canonical()
    }

    /// The session of this connection, unless several share it.
    pub(crate) fn bound(&self) -> Option<Bound> {
        let memory = self.memory();
        if memory.shared { None } else { memory.bound.clone() }
    }

    /// A session began here. `other_is_live` says whether the one before, of another device, is not over yet.
    pub(crate) fn bind(&self, session: SessionId, device: DeviceId, other_is_live: impl Fn(&SessionId) -> bool) {
        let mut memory = self.memory();
        let shared = memory.bound.as_ref().is_some_and(|b| b.device != device && other_is_live(&b.session));
        memory.shared = memory.shared && memory.bound.is_some() || shared;
        memory.bound = Some(Bound { session, device });
        memory.challenges = 0;
        memory.proven = Some(session);
    }

    /// A session of this connection is over.
    pub(crate) fn release(&self, session: &SessionId) {
        let mut memory = self.memory();
        if memory.bound.as_ref().is_some_and(|b| b.session == *session) {
            memory.bound = None;
        }
    }

    /// A 401 goes out; says which one it is, from 1.
    pub(crate) fn challenge(&self, challenged: Challenged) -> u32 {
        let mut memory = self.memory();
        memory.challenged.get_or_insert(challenged);
        memory.challenges += 1;
        memory.challenges
    }

    /// The challenge that the Inform in hand answers.
    pub(crate) fn take_challenged(&self) -> Option<Challenged> {
        self.memory().challenged.take()
    }

    pub(crate) fn prove(&self, session: SessionId) {
        self.memory().proven = Some(session);
    }

    pub(crate) fn has_proven(&self, session: &SessionId) -> bool {
        self.memory().proven == Some(*session)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
