//! A network that is slow: what comes back through it comes later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Pieces of an answer that are on their way at a time; then the sender waits.
const ON_THE_WAY: usize = 256;
/// Bytes of a piece.
const PIECE: usize = 16 << 10;

/// Takes connections for a port of this machine.
pub(crate) struct Proxy {
    /// Where it takes them.
    pub(crate) port: u16,
    delay: Arc<AtomicU64>,
}

impl Proxy {
    /// Nothing is delayed yet.
    pub(crate) async fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("it has an address").port();
        let delay = Arc::new(AtomicU64::new(0));
        tokio::spawn(accept(listener, target, delay.clone()));
        Self { port, delay }
    }

    /// From now on each piece of an answer is so late; also on connections that stand.
    pub(crate) fn delay(&self, delay: Duration) {
        self.delay.store(delay.as_micros() as u64, Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, target: u16, delay: Arc<AtomicU64>) {
    while let Ok((client, _)) = listener.accept().await {
        let delay = delay.clone();
        tokio::spawn(async move {
            // Nobody listens: the client sees a connection that ends at once.
            let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            tokio::join!(carry(from_client, to_server, None), carry(from_server, to_client, Some(delay)));
        });
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Option<Arc<AtomicU64>>) {
    let (pieces, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let read = async move {
        let mut piece = vec![0; PIECE];
        while let Ok(count @ 1..) = from.read(&mut piece).await {
            let delay = delay.as_ref().map_or(0, |delay| delay.load(Ordering::Relaxed));
            let due = Instant::now() + Duration::from_micros(delay);
            if pieces.send((due, piece[..count].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = arriving.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
