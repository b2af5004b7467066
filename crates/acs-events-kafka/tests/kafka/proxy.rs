//! A TCP proxy to the brokers that a test can cut or stop, so that nobody else's broker is touched.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// They pass.
    Open,
    /// Connections stand, and nothing moves: a broker that was stopped.
    Stopped,
    /// What is sent passes, and no answer comes back: the worst moment to lose a connection.
    Deaf,
    /// Connections are cut and none is taken: a broker that was killed.
    Cut,
}

/// A proxy in front of one broker.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    way: watch::Sender<Way>,
}

impl Proxy {
    /// Kafka tells its own addresses to its clients, so the proxy puts its own in their place: both have five digits.
    pub(crate) async fn to(broker: &str) -> Arc<Self> {
        let listener = loop {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            if listener.local_addr().unwrap().port() >= 10_000 {
                break listener;
            }
        };
        let address = listener.local_addr().unwrap();
        let broker: SocketAddr = broker.parse().unwrap();
        let (way, _) = watch::channel(Way::Open);
        let proxy = Arc::new(Self { address, way });
        tokio::spawn(serve(listener, broker, address.port(), proxy.way.subscribe()));
        proxy
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn serve(listener: TcpListener, broker: SocketAddr, port: u16, mut way: watch::Receiver<Way>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                if *way.borrow() == Way::Cut {
                    continue;
                }
                tokio::spawn(connection(client, broker, port, way.clone()));
            }
            changed = way.changed() => if changed.is_err() { return },
        }
    }
}

async fn connection(client: TcpStream, broker: SocketAddr, port: u16, mut way: watch::Receiver<Way>) {
    let Ok(server) = TcpStream::connect(broker).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let names = (port_bytes(broker.port()), port_bytes(port));
    let up = pump(from_client, to_server, None, &[Way::Stopped], way.clone());
    let down = pump(from_server, to_client, Some(names), &[Way::Stopped, Way::Deaf], way.clone());
    let cut = async { while *way.borrow_and_update() != Way::Cut && way.changed().await.is_ok() {} };
    tokio::select! {
        () = up => {}
        () = down => {}
        () = cut => {}
    }
}

/// How a port stands in Kafka's answers, behind the address of a broker.
fn port_bytes(port: u16) -> [u8; 4] {
    i32::from(port).to_be_bytes()
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    names: Option<([u8; 4], [u8; 4])>,
    waits: &[Way],
    mut way: watch::Receiver<Way>,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        let mut bytes = buffer[..read].to_vec();
        if let Some((broker, own)) = &names {
            rename(&mut bytes, broker, own);
        }
        if way.wait_for(|way| !waits.contains(way)).await.is_err() || to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// In place of the broker's address its own: `127.0.0.1` and the port as four bytes.
fn rename(bytes: &mut [u8], broker: &[u8; 4], own: &[u8; 4]) {
    let host = b"127.0.0.1";
    let whole = host.len() + 4;
    for at in 0..bytes.len().saturating_sub(whole - 1) {
        if bytes[at..].starts_with(host) && bytes[at + host.len()..at + whole] == *broker {
            bytes[at + host.len()..at + whole].copy_from_slice(own);
        }
    }
}
