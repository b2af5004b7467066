//! One process of a role.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use super::until;

/// How long a role may take to be ready: debug builds on a busy machine.
const START_MAX: Duration = Duration::from_secs(120);
/// How long a probe waits.
const PROBE: Duration = Duration::from_secs(2);

pub(crate) struct Role {
    /// Role and number, such as `cwmp-1`.
    pub(crate) name: String,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    health: u16,
    log: PathBuf,
    probes: reqwest::Client,
    child: Option<Child>,
}

impl Role {
    /// Not started yet.
    pub(crate) fn new(name: String, arguments: Vec<String>, health: u16, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let probes = reqwest::Client::builder().no_proxy().timeout(PROBE).build().expect("a client");
        Self { name, arguments, environment: Vec::new(), health, log, probes, child: None }
    }

    /// One more `key=value`, from the next start on.
    pub(crate) fn set(&mut self, assignment: &str) {
        self.arguments.extend(["--set".to_owned(), assignment.to_owned()]);
    }

    /// One more variable, from the next start on.
    pub(crate) fn environment(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    pub(crate) fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(&self.log).expect("the log can be written");
        let mut command = product();
        command.args(&self.arguments).env("RUST_BACKTRACE", "1").env("NO_COLOR", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Ok(filter) = std::env::var("LASTMILE_TEST_LOG") {
            command.env("LASTMILE_LOG_FILTER", filter);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        self.child = Some(command.spawn().expect("the binary runs"));
    }

    pub(crate) async fn ready(&mut self) {
        let end = tokio::time::Instant::now() + START_MAX;
        while self.probe("/health/ready").await != 200 {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("it can be looked at"));
            assert!(ended.is_none(), "{} does not start:\n{}", self.name, self.tail());
            assert!(tokio::time::Instant::now() < end, "{} is not ready:\n{}", self.name, self.tail());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts it, also again, and waits until it is ready.
    pub(crate) async fn start(&mut self) {
        self.spawn();
        self.ready().await;
    }

    pub(crate) const fn health(&self) -> u16 {
        self.health
    }

    /// The status of a probe; 0: nobody answers.
    pub(crate) async fn probe(&self, path: &str) -> u16 {
        let reply = self.probes.get(format!("http://127.0.0.1:{}{path}", self.health)).send().await;
        reply.map_or(0, |reply| reply.status().as_u16())
    }

    /// What a probe is told.
    pub(crate) async fn report(&self) -> serde_json::Value {
        match self.probes.get(format!("http://127.0.0.1:{}/health/ready", self.health)).send().await {
            Ok(reply) => reply.json().await.expect("JSON"),
            Err(_) => serde_json::Value::Null,
        }
    }

    /// The sum of a metric over its labels; `None`: it does not answer, or has no such metric.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let reply = self.probes.get(format!("http://127.0.0.1:{}/metrics", self.health)).send().await.ok()?;
        let text = reply.text().await.ok()?;
        let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        let values: Vec<f64> = text.lines().filter(is_it).filter_map(value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Kills it as the kernel would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal, by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &pid]).status().expect("sh runs");
        assert!(sent.success(), "SIG{name} could not be sent");
    }

    /// How it ended.
    pub(crate) async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let child = Mutex::new(self.child.take().expect("it runs"));
        until("the process ends", limit, || async {
            child.lock().expect("nobody panicked").try_wait().expect("it can be looked at")
        })
        .await
    }

    /// Holds that it never panicked (P20).
    pub(crate) fn check_log(&self) {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        assert!(!log.contains("panicked at"), "a panic (P20) in {}:\n{}", self.name, self.tail());
    }

    fn tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the end of the log of {} ---\n{}", self.name, self.tail());
        }
    }
}

/// The binary; what it is told stands in its arguments alone.
pub(crate) fn product() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LASTMILE_")) {
        command.env_remove(name);
    }
    command
}

/// Runs the binary to its end.
pub(crate) fn finish(arguments: &[&str]) {
    let output = product().args(arguments).output().expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
}
