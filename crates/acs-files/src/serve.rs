use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::service::LocalFileServer;

/// Most bytes of the head of a request.
const HEAD_MAX: usize = 16 * 1024;
/// Most header fields of a request.
const HEADERS_MAX: usize = 64;
/// Pause after a failed accept: out of file descriptors, as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl LocalFileServer {
    /// Serves signed URLs on `listener`, with TLS if an acceptor is given, until `shutdown` resolves. Then no connection is
    /// accepted, and transfers go on for `drain_timeout` at most.
    pub async fn serve(
        &self,
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        let config = &self.inner.config;
        let places = Arc::new(Semaphore::new(config.max_connections));
        let stop = CancellationToken::new();
        let (timeouts, router) = (Timeouts { head: config.head_timeout, stall: config.stall_timeout }, self.router());
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await.ok();
                (listener.accept().await, place)
            };
            let (accepted, place) = tokio::select! {
                accepted = accepted => accepted,
                () = &mut shutdown => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let connection = connection(stream, tls.clone(), router.clone(), timeouts, stop.clone());
                    connections.spawn(async move {
                        Box::pin(connection).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        stop.cancel();
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(config.drain_timeout, drained).await.is_err() {
            tracing::warn!("transfers are cut off, because the process ends; devices resume them");
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Timeouts {
    head: Duration,
    stall: Duration,
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    timeouts: Timeouts,
    stop: CancellationToken,
) {
    // Below TLS, so that the handshake is held to it, too. Reading has no such limit: during a transfer there is nothing to
    // read for long, and between transfers the limit of the head holds.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(timeouts.stall));
    let stream = Box::pin(stream);
    match tls {
        None => http(stream, router, timeouts, stop).await,
        Some(tls) => match timeout(timeouts.head, tls.accept(stream)).await {
            Ok(Ok(stream)) => http(stream, router, timeouts, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

async fn http<S>(stream: S, router: Router, timeouts: Timeouts, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.head)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
