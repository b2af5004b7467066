use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{Peer, Stop, serve_connection};
use crate::front_end::FrontEnd;
use crate::metrics::Refusal;
use crate::tls::TlsIdentity;

/// How long to rest when the system has no room for another socket.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves a listener until `shutdown`: then it closes the listener, lets begun sessions finish within the configured grace,
/// ends the rest with `drained`, and returns when every connection is closed.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<TlsIdentity>>,
    front_end: Arc<FrontEnd>,
    shutdown: CancellationToken,
) {
    let stop = Stop::default();
    let connections = TaskTracker::new();
    let budget =
        Arc::new(Budget::new(front_end.config().http.connections, front_end.config().http.connections_per_source));
    front_end.look_after_sessions();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                accept_failed(&error).await;
                continue;
            }
        };
        match Budget::admit(&budget, address.ip().to_canonical()) {
            Ok(place) => {
                let (tls, front_end, stop) = (tls.clone(), Arc::clone(&front_end), stop.clone());
                connections.spawn(serve_socket(socket, address, tls, front_end, stop, place));
            }
            Err(refusal) => front_end.metrics().connection_refused(refusal),
        }
    }
    drop(listener);
    connections.close();
    stop.drain.cancel();
    front_end.drain().await;
    stop.close.cancel();
    let left = front_end.config().http.write;
    if tokio::time::timeout(left, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were cut that did not close in time");
    }
}

async fn accept_failed(error: &io::Error) {
    let of_the_peer = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    );
    if !of_the_peer {
        tracing::error!(%error, "no connection can be accepted now; is the limit of open files too low?");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

async fn serve_socket(
    socket: TcpStream,
    address: SocketAddr,
    tls: Option<Arc<TlsIdentity>>,
    front_end: Arc<FrontEnd>,
    stop: Stop,
    place: Place,
) {
    let _place = place;
    front_end.metrics().connection_opened();
    // An answer is one write: nothing is gained by waiting for more.
    let _ = socket.set_nodelay(true);
    match tls {
        None => serve_connection(socket, Peer { address, tls: false }, Arc::clone(&front_end), stop).await,
        Some(identity) => serve_tls(socket, address, &identity, Arc::clone(&front_end), stop).await,
    }
    front_end.metrics().connection_ended();
}

async fn serve_tls(
    socket: TcpStream,
    address: SocketAddr,
    identity: &TlsIdentity,
    front_end: Arc<FrontEnd>,
    stop: Stop,
) {
    let within = front_end.config().http.tls_handshake;
    let handshake = identity.acceptor().accept(socket);
    match tokio::time::timeout(within, handshake).await {
        Ok(Ok(stream)) => serve_connection(stream, Peer { address, tls: true }, front_end, stop).await,
        Ok(Err(error)) => {
            tracing::debug!(%error, source = %address.ip(), "the TLS handshake failed");
            front_end.metrics().handshake_failed("refused");
        }
        Err(_) => front_end.metrics().handshake_failed("slow"),
    }
}

/// How many connections there may be, in all and from one address (CWMP-531).
#[derive(Debug)]
struct Budget {
    max: usize,
    max_per_source: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// The right to one connection; given back when dropped.
#[derive(Debug)]
struct Place {
    budget: Arc<Budget>,
    source: IpAddr,
}

impl Budget {
    fn new(max: usize, max_per_source: usize) -> Self {
        Self { max, max_per_source, open: Mutex::default() }
    }

    fn admit(budget: &Arc<Self>, source: IpAddr) -> Result<Place, Refusal> {
        let mut open = budget.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= budget.max {
            return Err(Refusal::Connections);
        }
        let of_source = open.by_source.entry(source).or_default();
        if *of_source >= budget.max_per_source {
            return Err(Refusal::ConnectionsPerSource);
        }
        *of_source += 1;
        open.all += 1;
        Ok(Place { budget: Arc::clone(budget), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.budget.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(of_source) = open.by_source.get_mut(&self.source) {
            *of_source -= 1;
            if *of_source == 0 {
                open.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cwmp_531_connections_are_limited_in_all_and_per_source_p19() {
        let budget = Arc::new(Budget::new(3, 2));
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let first = Budget::admit(&budget, a).unwrap();
        let _second = Budget::admit(&budget, a).unwrap();
        assert_eq!(Budget::admit(&budget, a).unwrap_err(), Refusal::ConnectionsPerSource);
        let third = Budget::admit(&budget, b).unwrap();
        assert_eq!(Budget::admit(&budget, b).unwrap_err(), Refusal::Connections);
        drop(first);
        let again = Budget::admit(&budget, b).unwrap();
        drop(again);
        assert_eq!(budget.open.lock().unwrap().by_source.get(&b), Some(&1));
        drop(third);
        assert_eq!(budget.open.lock().unwrap().by_source.get(&b), None, "a source without connections is forgotten");
    }
}
