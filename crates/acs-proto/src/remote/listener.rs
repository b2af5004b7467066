//! The server's side: a listener with mutual TLS, health, limits and a drain.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::Server;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tonic_health::server::HealthReporter;

use super::connect::{KEEP_ALIVE, MutualTls};
use super::{ConnectionRequestsServer, FileServerServer, ProvisioningServer};
use crate::{ConnectionRequests, FileServer, Provisioning};

/// Connections at a time; further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 2048;
/// Calls at a time on one connection; further ones wait at the client.
pub const CALLS_PER_CONNECTION_MAX: u32 = 1024;
/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection takes no new calls after this: its client makes a new one, with the certificates and addresses of then.
pub const CONNECTION_AGE: Duration = Duration::from_secs(15 * 60);
/// How long clients are told that a process does not serve, before it stops taking calls: they ask every second.
pub const NOTICE: Duration = Duration::from_secs(2);
/// Pause after a failed accept: out of file descriptors, as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Services of one process, to be offered on a listener.
pub struct GrpcServer {
    routes: RoutesBuilder,
    health: HealthReporter,
}

/// Says to clients whether this process serves.
#[derive(Clone)]
pub struct Serving(HealthReporter);

impl GrpcServer {
    /// No service yet but health, which says that this process does not serve.
    pub async fn new() -> Self {
        let (health, service) = tonic_health::server::health_reporter();
        health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        let mut routes = Routes::builder();
        routes.add_service(service);
        Self { routes, health }
    }

    /// Offers `service`.
    pub fn provisioning(mut self, service: Arc<dyn Provisioning>) -> Self {
        self.routes.add_service(ProvisioningServer::new(service).into_service());
        self
    }

    /// Offers `service`.
    pub fn connection_requests(mut self, service: Arc<dyn ConnectionRequests>) -> Self {
        self.routes.add_service(ConnectionRequestsServer::new(service).into_service());
        self
    }

    /// Offers `service`.
    pub fn file_server(mut self, service: Arc<dyn FileServer>) -> Self {
        self.routes.add_service(FileServerServer::new(service).into_service());
        self
    }

    /// The switch of its health.
    pub fn serving(&self) -> Serving {
        Serving(self.health.clone())
    }

    /// Serves until `shutdown`; then clients are told, and after [`NOTICE`] calls that have begun get `drain`.
    pub async fn serve(
        self,
        listener: TcpListener,
        tls: Arc<MutualTls>,
        drain: Duration,
        shutdown: CancellationToken,
    ) -> Result<(), tonic::transport::Error> {
        let (closing, serving) = (CancellationToken::new(), self.serving());
        // Whoever drops this future does not leave a listener behind.
        let _closes = closing.clone().drop_guard();
        let (connections, incoming) = mpsc::channel(1);
        tokio::spawn(accept(listener, tls, connections, closing.clone()));
        let server = Server::builder()
            .max_concurrent_streams(CALLS_PER_CONNECTION_MAX)
            .http2_keepalive_interval(Some(KEEP_ALIVE.0))
            .http2_keepalive_timeout(Some(KEEP_ALIVE.1))
            .max_connection_age(CONNECTION_AGE)
            .add_routes(self.routes.routes())
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming), closing.clone().cancelled_owned());
        let stop = async {
            shutdown.cancelled().await;
            serving.set(false).await;
            tokio::time::sleep(NOTICE).await;
            closing.cancel();
            tokio::time::sleep(drain).await;
        };
        tokio::select! {
            ended = server => ended,
            () = stop => {
                tracing::warn!("calls are cut off that did not end in time");
                Ok(())
            }
        }
    }
}

impl Serving {
    /// Tells clients from now on.
    pub async fn set(&self, serves: bool) {
        use tonic_health::ServingStatus::{NotServing, Serving};
        self.0.set_service_status("", if serves { Serving } else { NotServing }).await;
    }
}

async fn accept(
    listener: TcpListener,
    tls: Arc<MutualTls>,
    connections: mpsc::Sender<io::Result<Connection>>,
    closing: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            (accepted, Ok(place)) = accepted => (accepted, place),
            () = closing.cancelled() => return,
            else => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let (tls, connections) = (Arc::clone(&tls), connections.clone());
                tokio::spawn(async move {
                    if let Some(stream) = handshake(stream, &tls).await {
                        let _ = connections.send(Ok(Connection { stream, _place: place })).await;
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn handshake(stream: TcpStream, tls: &MutualTls) -> Option<Box<TlsStream<TcpStream>>> {
    let peer = stream.peer_addr().ok();
    let _ = stream.set_nodelay(true);
    match timeout(HANDSHAKE_TIMEOUT, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => Some(Box::new(stream)),
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            tracing::warn!(?peer, %error, "a connection of another process is refused; look at its certificate");
            None
        }
        Ok(Err(error)) => {
            tracing::debug!(?peer, %error, "a connection broke off in its handshake");
            None
        }
        Err(_) => None,
    }
}

/// A connection with its place among [`CONNECTIONS_MAX`].
struct Connection {
    stream: Box<TlsStream<TcpStream>>,
    _place: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.get_ref().0.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
