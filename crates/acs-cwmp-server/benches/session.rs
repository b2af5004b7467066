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
use std::path::{Path, PathBuf};
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
use cwmp_codec::{AcsRequest, GetParameterValues};
use cwmp_model::ParameterPath;
use tokio::net::TcpListener;

use crate::stub::{CLIENTS, Script, connector, run_clients, serve_stub, stub_acceptor, write_identity};

mod stub;

const ROLE: &str = "LASTMILE_BENCH_ROLE";
const FOLDER: &str = "LASTMILE_BENCH_FOLDER";
const WARM_UP: u32 = 500;

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

fn cpu_per_session(server: &str, tls: bool, folder: &Path, sessions: u32, script: &Script) -> f64 {
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
    let run = |sessions| run_clients(address, connector.as_ref(), sessions, script, |session| format!("S{session}"));
    runtime.block_on(run(0..WARM_UP));
    let before = cpu_nanos(&child);
    runtime.block_on(run(WARM_UP..WARM_UP + sessions));
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
        replay: None,
        provisioning: Arc::new(Idle { reads }),
        events: Arc::new(MemoryEventLog::with_limit(10_000)),
        cache: Arc::new(MemorySessionCache::new()),
        keys: Arc::new(KeyRing::from_key("bench", &[7; 32])),
    };
    let config = Config::new("bench-1".parse().expect("an id"), CpeAuth::new(CpeAuthScheme::Open));
    let front_end = FrontEnd::new(config, services, Metrics::default());
    serve(listener, identity, front_end, tokio_util::sync::CancellationToken::new()).await;
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
        Ok(BeginReply { work: self.reads, ..BeginReply::default() })
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
