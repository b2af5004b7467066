use std::time::Duration;

use acs_api::Limits;
use acs_events::MemoryEventLog;
use acs_types::Scope;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::bench::{Bench, token};

struct Running {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

async fn start(limits: Limits) -> Running {
    let bench = Bench::with(limits, MemoryEventLog::new()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let service = bench.service.clone();
    let server = tokio::spawn(async move {
        service
            .serve(listener, async {
                let _ = stopped.await;
            })
            .await
    });
    Running { address, stop, server }
}

async fn ask(running: &Running, path: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{headers}\r\n", token(Scope::Read));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn read_to_end(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut text)).await.unwrap().unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn it_serves_http_and_drains() {
    let running = start(Limits::default()).await;
    let answer = read_to_end(ask(&running, "/health/live", "Connection: close\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // An event stream, which would never end by itself, ends with the server.
    let mut stream = ask(&running, "/api/v1/events", "").await;
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    running.stop.send(()).unwrap();
    read_to_end(stream).await;
    tokio::time::timeout(Duration::from_secs(5), running.server).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn headers_hold_at_the_limit() {
    // P19
    let running = start(Limits { headers: 10, ..Limits::default() }).await;
    // Host, Authorization and Connection are three.
    let more = |count: usize| (0..count).map(|n| format!("X-{n}: 1\r\n")).collect::<String>();
    for (count, status) in [(7, "200"), (8, "431")] {
        let headers = format!("Connection: close\r\n{}", more(count));
        let answer = read_to_end(ask(&running, "/health/live", &headers).await).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{count} more: {answer}");
    }
}

#[tokio::test]
async fn a_slow_head_is_not_waited_for() {
    // P19
    let running = start(Limits { head_time: Duration::from_millis(100), ..Limits::default() }).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost:").await.unwrap();
    read_to_end(stream).await;
}

#[tokio::test]
async fn connections_hold_at_the_limit() {
    // P19
    let running = start(Limits { connections: 1, ..Limits::default() }).await;
    let first = ask(&running, "/api/v1/events", "").await;
    let mut second = ask(&running, "/health/live", "Connection: close\r\n").await;
    let waited = tokio::time::timeout(Duration::from_millis(200), second.read_u8()).await;
    assert!(waited.is_err(), "the second waits");
    drop(first);
    let answer = read_to_end(second).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
