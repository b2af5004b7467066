use std::sync::Arc;
use std::time::{Duration, Instant};

use acs_files::Config;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{Bench, pattern};

struct Running {
    bench: Bench,
    port: u16,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

async fn run(tls: Option<TlsAcceptor>, change: impl FnOnce(&mut Config)) -> Running {
    let bench = Bench::with(change).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = bench.server.clone();
    let served = tokio::spawn(async move { server.serve(listener, tls, async { drop(stopped.await) }).await });
    Running { bench, port, stop, served }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }
}

async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str) -> Vec<u8> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: files\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_file_comes_over_plain_tcp() {
    let running = run(None, |_| {}).await;
    let content = pattern(3_000_000);
    let path = running.bench.signed("00AABB-1", &running.bench.put("a", &content).await).await;
    let answer = exchange(&mut running.connect().await, &path).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(&content));
}

#[tokio::test]
async fn a_file_comes_over_tls() {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["files".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();

    let running = run(Some(TlsAcceptor::from(Arc::new(config))), |c| c.head_timeout = Duration::from_millis(300)).await;
    let content = pattern(300_000);
    let path = running.bench.signed("00AABB-1", &running.bench.put("a", &content).await).await;
    let name = ServerName::try_from("files").unwrap();
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, running.connect().await).await.unwrap();
    let answer = exchange(&mut stream, &path).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(&content));
    assert_closes(&mut running.connect().await, "a peer that begins no handshake").await;
}

/// P19: the server ends this connection within two seconds.
async fn assert_closes(stream: &mut TcpStream, what: &str) {
    let begun = Instant::now();
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(2), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "{what} still open after {:?}", begun.elapsed());
}

// P19
#[tokio::test]
async fn idle_and_slow_heads_are_cut_off() {
    let running = run(None, |c| c.head_timeout = Duration::from_millis(200)).await;
    assert_closes(&mut running.connect().await, "an idle connection").await;

    let mut slow = running.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nHost: f").await.unwrap();
    assert_closes(&mut slow, "a slow head").await;

    let mut kept = running.connect().await;
    kept.write_all(b"GET / HTTP/1.1\r\nHost: files\r\n\r\n").await.unwrap();
    assert_closes(&mut kept, "a connection between two requests").await;

    let mut huge = running.connect().await;
    huge.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let header = format!("X: {}\r\n", "y".repeat(1000));
    for _ in 0..100 {
        if huge.write_all(header.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(2), huge.read_to_end(&mut rest)).await;
    assert!(ended.is_ok() && !rest.starts_with(b"HTTP/1.1 200"), "a huge head");
}

// P19
#[tokio::test]
async fn a_device_that_takes_no_bytes_loses_its_connection_and_its_place() {
    let running = run(None, |c| (c.stall_timeout, c.max_transfers) = (Duration::from_millis(200), 1)).await;
    // More than the buffers of two sockets hold.
    let path = running.bench.signed("00AABB-1", &running.bench.put("a", &pattern(20_000_000)).await).await;
    let mut stalled = running.connect().await;
    stalled.write_all(format!("GET {path} HTTP/1.1\r\nHost: files\r\n\r\n").as_bytes()).await.unwrap();
    let freed = async {
        while !running.bench.metrics.exposition().contains(r#"downloads_total{outcome="aborted"} 1"#) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(5), freed).await.unwrap();
    assert!(running.bench.metrics.exposition().contains("lastmile_files_transfers 0"));
}

#[tokio::test]
async fn a_slow_but_steady_device_gets_its_file() {
    let running =
        run(None, |c| (c.stall_timeout, c.head_timeout) = (Duration::from_millis(400), Duration::from_millis(400)))
            .await;
    let content = pattern(12_000_000);
    let path = running.bench.signed("00AABB-1", &running.bench.put("a", &content).await).await;
    let mut stream = running.connect().await;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: files\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 1 << 20]);
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..read]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(answer.ends_with(&content), "{} bytes", answer.len());
}

#[tokio::test]
async fn at_the_end_a_transfer_goes_on_until_the_drain_timeout() {
    let running = run(None, |c| c.drain_timeout = Duration::from_secs(30)).await;
    let content = pattern(20_000_000);
    let path = running.bench.signed("00AABB-1", &running.bench.put("a", &content).await).await;
    let mut stream = running.connect().await;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: files\r\n\r\n").as_bytes()).await.unwrap();
    let mut first = vec![0; 1000];
    stream.read_exact(&mut first).await.unwrap();
    running.stop.send(()).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(&content[1_000_000..]));
    timeout(Duration::from_secs(5), running.served).await.unwrap().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", running.port)).await.is_err());
}

#[tokio::test]
async fn at_the_end_a_transfer_that_stands_still_is_cut_off() {
    let running = run(None, |c| c.drain_timeout = Duration::from_millis(200)).await;
    let path = running.bench.signed("00AABB-1", &running.bench.put("a", &pattern(20_000_000)).await).await;
    let mut stream = running.connect().await;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: files\r\n\r\n").as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 100]).await.unwrap();
    running.stop.send(()).unwrap();
    timeout(Duration::from_secs(3), running.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn no_more_than_max_connections_are_served() {
    let running = run(None, |c| c.max_connections = 1).await;
    let first = running.connect().await;
    let mut second = running.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nHost: files\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    assert!(timeout(Duration::from_millis(200), second.read_exact(&mut answer)).await.is_err(), "it waits");
    drop(first);
    timeout(Duration::from_secs(2), second.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
}
