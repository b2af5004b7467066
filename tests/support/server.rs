//! The binary as a process, with a data folder of its own.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use super::Api;

/// How long a start may take: a debug build on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);
/// Ports below those that the system gives to clients, so that none is taken while the server is down.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// What a server is started with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    /// In place of a temporary folder.
    pub(crate) data: Option<PathBuf>,
    /// ERROR lines that may be in the log, by a part of them.
    expected: Vec<String>,
}

impl Options {
    pub(crate) fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.extend([format!("--{name}"), value.to_owned()]);
        self
    }

    pub(crate) fn expect_error(mut self, part: &str) -> Self {
        self.expected.push(part.to_owned());
        self
    }

    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        let name = format!("LASTMILE_{}", key.replace('.', "_").to_uppercase());
        self.environment.push((name, value.to_owned()));
        self
    }
}

/// A running `lastmile dev` without simulated devices.
pub(crate) struct Server {
    options: Options,
    folder: TempDir,
    ports: [u16; 3],
    child: Option<Child>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let folder = TempDir::new().expect("a folder for the server");
        let mut server = Self { options, folder, ports: [0; 3], child: None };
        for _ in 0..10 {
            server.ports = [free_port(), free_port(), free_port()];
            server.spawn(None);
            if server.wait_ready().await {
                return server;
            }
            assert!(server.log().contains("cannot be used"), "the server does not start:\n{}", server.tail());
        }
        panic!("no free ports found");
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.options.data.clone().unwrap_or_else(|| self.folder.path().join("data"))
    }

    pub(crate) fn acs_url(&self) -> String {
        let scheme = if self.options.flags.iter().any(|flag| flag == "--tls-cert") { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/", self.ports[0])
    }

    pub(crate) fn cwmp_port(&self) -> u16 {
        self.ports[0]
    }

    pub(crate) fn api_port(&self) -> u16 {
        self.ports[1]
    }

    pub(crate) fn files_port(&self) -> u16 {
        self.ports[2]
    }

    /// The API with the administrator's token.
    pub(crate) fn api(&self) -> Api {
        let text = std::fs::read_to_string(self.endpoints()).expect("a running server tells where it is");
        let told: Value = serde_json::from_str(&text).expect("endpoints.json is JSON");
        Api::new(told["api"].as_str().unwrap(), told["token"].as_str().unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Kills it as the kernel would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same ports and the same data.
    pub(crate) async fn restart(&mut self) {
        self.restart_to_abort(None).await;
    }

    /// Starts it again, to die at a failpoint (`name` or `name:n`). `false`: it died before it was ready.
    pub(crate) async fn restart_to_abort(&mut self, point: Option<&str>) -> bool {
        self.kill();
        let _ = std::fs::remove_file(self.endpoints());
        self.spawn(point);
        let ready = self.wait_ready().await;
        assert!(ready || point.is_some(), "the server does not start again:\n{}", self.tail());
        ready
    }

    /// Waits until it dies by itself; `false` if it lives on.
    pub(crate) async fn dies_within(&mut self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if self.exited().is_some() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    pub(crate) fn lives(&mut self) -> bool {
        self.exited().is_none()
    }

    /// Ctrl-C; how it ended, `None` if it did not within `limit`.
    pub(crate) async fn stop(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.interrupt();
        self.ends_within(limit).await
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let pid = self.pid().to_string();
        let sent = Command::new("sh").args(["-c", "kill -INT \"$0\"", &pid]).status().expect("sh runs");
        assert!(sent.success(), "SIGINT could not be sent");
    }

    /// How it ended; `None` if it did not within `limit`.
    pub(crate) async fn ends_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(status) = self.exited() {
                self.child = None;
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        None
    }

    /// Everything it wrote to standard error so far, over all starts.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.stderr()).unwrap_or_default()
    }

    /// Holds that it neither panicked nor called for a person, and stops it.
    pub(crate) fn finish(mut self) {
        assert!(self.lives(), "the server died:\n{}", self.tail());
        self.kill();
        self.check_log();
    }

    pub(crate) fn check_log(&self) {
        for line in self.log().lines() {
            let expected = self.options.expected.iter().any(|part| line.contains(part.as_str()));
            assert!(!line.contains("panicked at"), "a panic (P20):\n{}", self.tail());
            assert!(expected || !line.contains(" ERROR "), "an unexpected error in the log: {line}");
        }
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process is there");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
        let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
        kib * 1024
    }

    pub(crate) fn stderr(&self) -> PathBuf {
        self.folder.path().join("stderr.log")
    }

    fn endpoints(&self) -> PathBuf {
        self.data().join("endpoints.json")
    }

    fn spawn(&mut self, abort_at: Option<&str>) {
        let log = |path: &Path| -> File {
            OpenOptions::new().create(true).append(true).open(path).expect("the log of the server can be written")
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
        command.arg("dev").args(["--fleet", "0"]).arg("--data-dir").arg(self.data());
        for (flag, port) in ["--cwmp-listen", "--api-listen", "--files-listen"].into_iter().zip(self.ports) {
            command.arg(flag).arg(format!("127.0.0.1:{port}"));
        }
        command.args(&self.options.flags);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LASTMILE_")) {
            command.env_remove(name);
        }
        if let Ok(filter) = std::env::var("LASTMILE_TEST_LOG") {
            command.env("LASTMILE_LOG_FILTER", filter);
        }
        command.env("RUST_BACKTRACE", "1").env("NO_COLOR", "1").env("LASTMILE_DATA_DISK_RESERVE_MIB", "1");
        command.envs(self.options.environment.iter().cloned());
        if let Some(point) = abort_at {
            command.env("LASTMILE_ABORT_AT", point);
        }
        command.stdin(Stdio::null()).stderr(log(&self.stderr())).stdout(log(&self.folder.path().join("stdout.log")));
        self.child = Some(command.spawn().expect("the binary runs"));
    }

    async fn wait_ready(&mut self) -> bool {
        let end = Instant::now() + START_MAX;
        while Instant::now() < end {
            if self.exited().is_some() {
                self.child = None;
                return false;
            }
            if self.endpoints().exists() && self.api().is_ready().await {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the server is not ready within {START_MAX:?}:\n{}", self.tail());
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        match &mut self.child {
            Some(child) => child.try_wait().expect("it can be looked at"),
            None => None,
        }
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the end of the server's log ---\n{}", self.tail());
        }
    }
}

/// A port that nobody listens on. Other test processes begin elsewhere in the range.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = PORTS.end - PORTS.start;
    let begin = u16::try_from(u64::from(std::process::id()) * 379 % u64::from(span)).expect("it is within the span");
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (begin.wrapping_add(step)) % span;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
