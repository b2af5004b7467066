//! CPU time of one whole session, against the least that any server must do: a bare stub of hyper and quick-xml that reads
//! three POSTs of 3 KB on a new connection, keeps nothing and answers from constants.
//!
//! `cargo bench -p acs-cwmp-server --bench session [-- SESSIONS]`
//!
//! Each server runs in a process of its own with one thread, so that its CPU time (user and system, by
//! `/proc/PID/task/*/schedstat`) holds nothing of the clients. Ours has an event log in memory and a provisioning that does
//! nothing: what is measured is the front-end.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use acs_cwmp_server::{Config, CpeAuth, CpeAuthScheme, FrontEnd, Metrics, Services, TlsIdentity, serve};
use acs_events::MemoryEventLog;
use acs_keyring::KeyRing;
use acs_proto::{
    BeginReply, BeginRequest, Call, CancelReply, EndReply, EndRequest, EnqueueReply, EnqueueRequest, ErrorClass,
    NextReply, NextRequest, Provisioning, ServiceError, TaskStream, VerifierReply, VerifierRequest, WakeOutcome,
};
use acs_store::memory::MemorySessionCache;
use acs_types::{DeviceId, EventRecord, Task, TaskId};
use async_trait::async_trait;
use bytes::Bytes;
use cwmp_codec::{AcsRequest, GetParameterValues};
use cwmp_model::ParameterPath;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const ROLE: &str = "LASTMILE_BENCH_ROLE";
const FOLDER: &str = "LASTMILE_BENCH_FOLDER";
const WARM_UP: u32 = 500;
const CLIENTS: u32 = 8;

fn main() {
    match std::env::var(ROLE) {
        Ok(role) => run_server(&role),
        Err(_) => measure(),
    }
}

// === the measurement ===

fn measure() {
    let sessions = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(5_000);
    let folder = tempfile::tempdir().expect("a folder for the certificate");
    write_identity(folder.path());
    println!("CPU time of the server per session, {sessions} sessions each, {CLIENTS} at a time");
    for tls in [false, true] {
        let name = if tls { "TLS 1.3" } else { "plain" };
        let stub = cpu_per_session("stub", tls, folder.path(), sessions, &Script::three_posts());
        let idle = cpu_per_session("ours", tls, folder.path(), sessions, &Script::idle());
        let read = cpu_per_session("ours-read", tls, folder.path(), sessions, &Script::one_read());
        println!("{name:8} stub, three POSTs of 3 KB            {stub:7.1} us");
        println!("{name:8} idle session: Inform, empty POST     {idle:7.1} us   {:.2} x the stub", idle / stub);
        println!("{name:8} session with one read of 3 KB        {read:7.1} us   {:.2} x the stub", read / stub);
    }
}

fn cpu_per_session(server: &str, tls: bool, folder: &std::path::Path, sessions: u32, script: &Script) -> f64 {
    let role = format!("{server} {}", if tls { "tls" } else { "plain" });
    let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
        .env(ROLE, role)
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("the server says its address");
    let address: SocketAddr = line.trim().parse().expect("an address");
    let connector = tls.then(|| connector(folder));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run_clients(address, connector.as_ref(), WARM_UP, script, 0));
    let before = cpu_nanos(&child);
    runtime.block_on(run_clients(address, connector.as_ref(), sessions, script, WARM_UP));
    std::thread::sleep(Duration::from_millis(200));
    let spent = cpu_nanos(&child) - before;
    child.kill().expect("the server is there");
    child.wait().expect("it ends");
    spent as f64 / f64::from(sessions) / 1000.0
}

/// Time on CPU of all threads of the process, in nanoseconds.
fn cpu_nanos(child: &Child) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).expect("procfs");
    let of_thread = |path: PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0)
    };
    tasks.flatten().map(|task| of_thread(task.path())).sum()
}

// === the clients ===

/// The bodies of one session in order; `SERIAL` is replaced by the device's own.
struct Script(Vec<String>);

impl Script {
    fn three_posts() -> Self {
        Self(vec![inform(), values_response(), values_response()])
    }

    fn idle() -> Self {
        Self(vec![inform(), String::new()])
    }

    fn one_read() -> Self {
        Self(vec![inform(), String::new(), values_response()])
    }
}

async fn run_clients(address: SocketAddr, tls: Option<&TlsConnector>, sessions: u32, script: &Script, first: u32) {
    let client = |n: u32| async move {
        for session in (n..sessions).step_by(CLIENTS as usize) {
            let serial = format!("S{}", first + session);
            let stream = TcpStream::connect(address).await.expect("the server listens");
            stream.set_nodelay(true).expect("a socket");
            match tls {
                None => run_session(stream, &serial, script).await,
                Some(connector) => {
                    let name = ServerName::try_from("acs.example").expect("a name");
                    run_session(connector.connect(name, stream).await.expect("TLS"), &serial, script).await;
                }
            }
        }
    };
    let mut clients: Vec<_> = (0..CLIENTS).map(|n| Box::pin(client(n))).collect();
    // All in this task: the clients' own cost does not matter here.
    futures_join(&mut clients).await;
}

async fn futures_join<F: Future<Output = ()> + Unpin>(futures: &mut Vec<F>) {
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| std::pin::Pin::new(future).poll(cx).is_pending());
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

async fn run_session(mut stream: impl AsyncRead + AsyncWrite + Unpin, serial: &str, script: &Script) {
    let mut cookie = String::new();
    let mut buffer = vec![0; 16 << 10];
    for (n, body) in script.0.iter().enumerate() {
        let body = body.replace("SERIAL", serial);
        let kind = if body.is_empty() { "" } else { "Content-Type: text/xml; charset=utf-8\r\nSOAPAction: \r\n" };
        let request = format!(
            "POST /cwmp HTTP/1.1\r\nHost: acs.example\r\nUser-Agent: cpe\r\n{kind}{cookie}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        let head = read_response(&mut stream, &mut buffer).await;
        assert!(head.starts_with("HTTP/1.1 20"), "{head}");
        if n == 0
            && let Some(set) = head.lines().find_map(|line| line.strip_prefix("Set-Cookie: "))
        {
            cookie = format!("Cookie: {}\r\n", set.split(';').next().unwrap_or_default());
        }
    }
}

async fn read_response(stream: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> String {
    let mut filled = 0;
    loop {
        let n = stream.read(&mut buffer[filled..]).await.expect("the server writes");
        assert!(n > 0, "the server closed the connection");
        filled += n;
        let Some(end) = buffer[..filled].windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
        });
        if filled >= end + 4 + length.unwrap_or(0) {
            return head;
        }
    }
}

// === the servers ===

fn run_server(role: &str) {
    let (server, tls) = role.split_once(' ').expect("a role has two words");
    let folder = PathBuf::from(std::env::var(FOLDER).expect("a folder"));
    let identity = (tls == "tls").then(|| {
        TlsIdentity::from_files(&folder.join("cert.pem"), &folder.join("key.pem")).expect("the certificate is usable")
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        match server {
            "stub" => serve_stub(listener, (tls == "tls").then(|| stub_acceptor(&folder))).await,
            _ => serve_ours(listener, identity, server == "ours-read").await,
        }
    });
}

async fn serve_ours(listener: TcpListener, identity: Option<Arc<TlsIdentity>>, reads: bool) {
    let services = Services {
        provisioning: Arc::new(Idle { reads }),
        events: Arc::new(MemoryEventLog::with_limit(10_000)),
        cache: Arc::new(MemorySessionCache::new()),
        keys: Arc::new(KeyRing::from_key("bench", &[7; 32])),
    };
    let config = Config::new("bench-1".parse().expect("an id"), CpeAuth::new(CpeAuthScheme::Open));
    let front_end = FrontEnd::new(config, services, Metrics::default());
    serve(listener, identity, front_end, tokio_util::sync::CancellationToken::new()).await;
}

async fn serve_stub(listener: TcpListener, acceptor: Option<TlsAcceptor>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            match acceptor {
                None => serve_stub_connection(stream).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve_stub_connection(stream).await;
                    }
                }
            }
        });
    }
}

async fn serve_stub_connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(|request: Request<Incoming>| async move {
        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        std::hint::black_box(read_document(&body));
        Response::builder()
            .header("Content-Type", "text/xml; charset=utf-8")
            .body(Full::new(Bytes::from_static(STUB_ANSWER.as_bytes())))
    });
    // The peer closes when it is done.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Reads the whole document, namespaces, attributes and text included; says how much there was.
fn read_document(body: &[u8]) -> usize {
    use quick_xml::events::Event;
    let mut reader = quick_xml::NsReader::from_reader(body);
    let mut parts = 0;
    loop {
        match reader.read_resolved_event() {
            Ok((_, Event::Start(start))) => parts += 1 + start.attributes().flatten().count(),
            Ok((_, Event::Text(text))) => parts += text.len(),
            Ok((_, Event::Eof)) | Err(_) => return parts,
            Ok(_) => {}
        }
    }
}

const STUB_ANSWER: &str = r#"<?xml version="1.0" encoding="UTF-8"?><soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/" xmlns:cwmp="urn:dslforum-org:cwmp-1-2"><soap-env:Header><cwmp:ID soap-env:mustUnderstand="1">1</cwmp:ID></soap-env:Header><soap-env:Body><cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse></soap-env:Body></soap-env:Envelope>"#;

// === TLS ===

fn write_identity(folder: &std::path::Path) {
    let made = rcgen::generate_simple_self_signed(vec!["acs.example".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).expect("a file");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
}

fn certificate(folder: &std::path::Path) -> rustls::pki_types::CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject;
    rustls::pki_types::CertificateDer::from_pem_file(folder.join("cert.pem")).expect("a certificate")
}

fn connector(folder: &std::path::Path) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate(folder)).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config).into()
}

fn stub_acceptor(folder: &std::path::Path) -> TlsAcceptor {
    use rustls::pki_types::pem::PemObject;
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate(folder)], key)
        .expect("a certificate with its key");
    config.send_tls13_tickets = 0;
    Arc::new(config).into()
}

// === messages of 3 KB ===

fn envelope(id: &str, body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="urn:dslforum-org:cwmp-1-2"><soap-env:Header><cwmp:ID soap-env:mustUnderstand="1">{id}</cwmp:ID></soap-env:Header><soap-env:Body>{body}</soap-env:Body></soap-env:Envelope>"#
    )
}

fn values(count: usize) -> String {
    let value = |n: usize| {
        format!(
            r#"<ParameterValueStruct><Name>Device.DeviceInfo.X_ACME_Value{n}</Name><Value xsi:type="xsd:string">value of {n}</Value></ParameterValueStruct>"#
        )
    };
    (0..count).map(value).collect()
}

fn inform() -> String {
    let body = format!(
        r#"<cwmp:Inform><DeviceId><Manufacturer>Acme</Manufacturer><OUI>00AABB</OUI><ProductClass>IGD</ProductClass><SerialNumber>SERIAL</SerialNumber></DeviceId><Event soap-enc:arrayType="cwmp:EventStruct[1]"><EventStruct><EventCode>2 PERIODIC</EventCode><CommandKey></CommandKey></EventStruct></Event><MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2026-01-31T12:00:00Z</CurrentTime><RetryCount>0</RetryCount><ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[14]">{}</ParameterList></cwmp:Inform>"#,
        values(14)
    );
    envelope("1", &body)
}

fn values_response() -> String {
    let body = format!(
        r#"<cwmp:GetParameterValuesResponse><ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[18]">{}</ParameterList></cwmp:GetParameterValuesResponse>"#,
        values(18)
    );
    envelope("call-1", &body)
}

// === a provisioning that does nothing ===

struct Idle {
    /// Reads some values once in each session.
    reads: bool,
}

fn not_here<T>() -> Result<T, ServiceError> {
    Err(ServiceError::new(ErrorClass::Internal, "not_here", "no front-end calls this"))
}

#[async_trait]
impl Provisioning for Idle {
    async fn verifier(&self, _request: VerifierRequest) -> Result<VerifierReply, ServiceError> {
        Ok(VerifierReply { verifier: None })
    }

    async fn begin(&self, _request: BeginRequest) -> Result<BeginReply, ServiceError> {
        Ok(BeginReply { work: self.reads, subscriber_id: String::new(), stale: false })
    }

    async fn next(&self, request: NextRequest) -> Result<NextReply, ServiceError> {
        if !request.answers.is_empty() {
            return Ok(NextReply { calls: Vec::new() });
        }
        let names = vec![ParameterPath::new("Device.DeviceInfo.").expect("a path")];
        let request = AcsRequest::GetParameterValues(GetParameterValues { names });
        let task = "task-1".parse().expect("an id");
        Ok(NextReply { calls: vec![Call { id: "call-1".to_owned(), task, attempt: None, request }] })
    }

    async fn end(&self, _request: EndRequest) -> Result<EndReply, ServiceError> {
        Ok(EndReply { wakes: false })
    }

    async fn append(&self, _records: Vec<EventRecord>) -> Result<(), ServiceError> {
        not_here()
    }

    async fn observe(&self, _records: Vec<EventRecord>) -> Result<(), ServiceError> {
        not_here()
    }

    async fn enqueue(&self, _request: EnqueueRequest) -> Result<EnqueueReply, ServiceError> {
        not_here()
    }

    async fn cancel(&self, _device: &DeviceId, _task: &TaskId, _by: &str) -> Result<CancelReply, ServiceError> {
        not_here()
    }

    async fn retry(&self, _device: &DeviceId, _task: &TaskId, _by: &str) -> Result<Task, ServiceError> {
        not_here()
    }

    async fn watch(&self, _device: &DeviceId, _task: &TaskId) -> Result<TaskStream, ServiceError> {
        not_here()
    }

    async fn wake(&self, _device: &DeviceId) -> Result<WakeOutcome, ServiceError> {
        not_here()
    }
}
