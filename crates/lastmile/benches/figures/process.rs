//! The servers as processes, and what they spend.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::stub::{serve_stub, stub_acceptor};

/// Set in a process that is to be the stub.
pub(crate) const ROLE: &str = "FIGURES_ROLE";
const FOLDER: &str = "FIGURES_FOLDER";
/// One tick of `/proc/PID/stat`.
const TICK: Duration = Duration::from_millis(10);
/// A server that used less than a tick for so long has nothing left to do.
const SETTLED: Duration = Duration::from_millis(400);
/// How long a server may take until it is ready.
const START_MAX: Duration = Duration::from_secs(60);

/// A server in a process of its own; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    api: SocketAddr,
    data: PathBuf,
}

impl Server {
    /// The bare stub.
    pub(crate) fn stub(folder: &Path, tls: bool) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
            .env(ROLE, if tls { "tls" } else { "plain" })
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the stub starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("the stub says its address");
        let address = line.trim().parse().expect("an address");
        Self { child, address, api: address, data: PathBuf::new() }
    }

    /// The product without simulated devices, ready to serve; with TLS, the folder with the certificate.
    pub(crate) fn product(runtime: &Runtime, data: &Path, tls: Option<&Path>, flags: &[&str]) -> Self {
        let [address, api, files] = [free(), free(), free()];
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
        command.args(["dev", "--fleet", "0", "--data-dir"]).arg(data).args(flags);
        for (flag, address) in [("--cwmp-listen", address), ("--api-listen", api), ("--files-listen", files)] {
            command.arg(flag).arg(address.to_string());
        }
        if let Some(folder) = tls {
            command.arg("--tls-cert").arg(folder.join("cert.pem")).arg("--tls-key").arg(folder.join("key.pem"));
        }
        // So that no device has to wait for its next connection request longer than the measurement waits.
        command.env("LASTMILE_CONNECTION_REQUESTS_INTERVAL_SECONDS", "1");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("lastmile starts");
        let server = Self { child, address, api, data: data.to_owned() };
        runtime.block_on(server.ready());
        server
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// User and system time of all its threads so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("the server runs");
        // The name of the program, in parentheses, may hold anything.
        let (_, fields) = stat.rsplit_once(") ").expect("a line of procfs");
        let ticks = fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok());
        TICK * ticks.sum::<u32>()
    }

    /// The same when it has done what it does behind its answers.
    pub(crate) fn cpu_when_settled(&self) -> Duration {
        let end = Instant::now() + START_MAX;
        let mut before = self.cpu();
        loop {
            std::thread::sleep(SETTLED);
            let now = self.cpu();
            if now.saturating_sub(before) <= TICK || Instant::now() > end {
                return now;
            }
            before = now;
        }
    }

    /// Calls the API.
    pub(crate) async fn call(&self, request: ApiRequest<'_>) -> Value {
        let url = format!("http://{}/api/v1{}", self.api, request.path);
        let text =
            std::fs::read_to_string(self.data.join("endpoints.json")).expect("a running server tells where it is");
        let told: Value = serde_json::from_str(&text).expect("JSON");
        let call = match request.body {
            Some(body) => request.client.post(url).json(body),
            None => request.client.get(url),
        };
        let reply = call.bearer_auth(told["token"].as_str().expect("a token")).send().await.expect("the API answers");
        let status = reply.status();
        let text = reply.text().await.expect("an answer");
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    async fn ready(&self) {
        let client = client();
        let end = Instant::now() + START_MAX;
        let url = format!("http://{}/api/v1/health/ready", self.api);
        while !client.get(&url).send().await.is_ok_and(|reply| reply.status() == 200) {
            assert!(Instant::now() < end, "lastmile is not ready within {START_MAX:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A call of the API: POST with a body, else GET.
pub(crate) struct ApiRequest<'a> {
    pub(crate) client: &'a reqwest::Client,
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a Value>,
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// A free port of the loopback address.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port")
}

/// Is the stub until the process is killed.
pub(crate) fn serve_stub_role(role: &str) {
    let folder = PathBuf::from(std::env::var(FOLDER).expect("a folder"));
    let acceptor = (role == "tls").then(|| stub_acceptor(&folder));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        serve_stub(listener, acceptor).await;
    });
}
