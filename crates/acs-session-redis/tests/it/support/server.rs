use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A `redis-server` of a test's own, on a free port, without anything on disk. It ends with the value.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    folder: TempDir,
    password: Option<&'static str>,
}

/// Whether `redis-server` is installed; says so if not.
pub(crate) fn redis_is_here() -> bool {
    let is_here = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(is_here || std::env::var("CI").is_err(), "redis-server is missing: apt-get install redis-server");
    if !is_here {
        eprintln!("skipped: redis-server is missing; `apt-get install redis-server` brings it");
    }
    is_here
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// On a free port, with more lines of configuration.
    pub(crate) fn start(configuration: &str) -> Self {
        Self::start_at(free_port(), configuration)
    }

    pub(crate) fn start_at(port: u16, configuration: &str) -> Self {
        Self::launch(port, &format!("save \"\"\nappendonly no\nport {port}\n{configuration}"), &[])
    }

    pub(crate) fn start_sentinel(configuration: &str) -> Self {
        let port = free_port();
        Self::launch(port, &format!("port {port}\n{configuration}"), &["--sentinel"])
    }

    fn launch(port: u16, configuration: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("redis.conf");
        let text = format!("bind 127.0.0.1\ndir {}\n{configuration}", folder.path().display());
        fs::write(&file, text).unwrap();
        let server = Self { child: spawn(&file, arguments), port, folder, password: None };
        server.wait();
        server
    }

    /// Its `requirepass`, for [`Self::ask`].
    pub(crate) fn with_password(mut self, password: &'static str) -> Self {
        self.password = Some(password);
        self
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same once more, empty.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.folder.path().join("redis.conf"), &[]);
        self.wait();
    }

    /// SIGSTOP: connections stay, nothing is answered.
    pub(crate) fn stop(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
    }

    pub(crate) fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    /// What it answers to a command.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let mut client = Command::new("redis-cli");
        client.args(["-p", &self.port.to_string()]).args(words);
        if let Some(password) = self.password {
            client.env("REDISCLI_AUTH", password);
        }
        let output = client.output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Until it listens. (With TLS or users only the port can be asked.)
    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server at port {} does not come up", self.port);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A stopped process takes SIGKILL, too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(configuration: &Path, arguments: &[&str]) -> Child {
    Command::new("redis-server").arg(configuration).args(arguments).stdout(Stdio::null()).spawn().unwrap()
}
