//! Servers of a set that `cargo xtask faults` starts, to be killed, stopped and started again: `faults-1` has one of each kind,
//! `nodes-3` three. Nobody else uses these sets.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use crate::support::cluster::Shape;
use crate::support::services::Services;

/// One of each kind.
pub(crate) const ONE: &str = "faults-1";
/// Three of each kind.
pub(crate) const THREE: &str = "nodes-3";

/// How long a server may take until it takes connections again: a JVM on a busy machine.
const SERVES_MAX: Duration = Duration::from_secs(120);
/// How long a killed process may take to disappear.
const GONE_MAX: Duration = Duration::from_secs(20);

/// A set that is up.
pub(crate) struct Set {
    folder: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Set {
    /// The set of this name. Panics if it is not there: `cargo xtask faults` starts it.
    pub(crate) fn find(name: &str) -> Self {
        let build = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the build folder");
        let folder = build.join("services").join(name);
        let missing = |why: &dyn std::fmt::Display| -> ! {
            panic!("the servers of {} are not up ({why}); run this test with `cargo xtask faults`", folder.display())
        };
        let text = fs::read_to_string(folder.join("variables.json")).unwrap_or_else(|error| missing(&error));
        let variables = serde_json::from_str(&text).unwrap_or_else(|error| missing(&error));
        Self { folder, variables }
    }

    /// A cluster of the usual size over these servers.
    pub(crate) fn shape(&self) -> Shape {
        Shape { services: Some(self.services()), ..Shape::default() }
    }

    fn services(&self) -> Services {
        let address = |name: &str| self.variables[name].clone();
        let [kafka, cql, redis] = ["LASTMILE_TEST_KAFKA", "LASTMILE_TEST_CQL", "LASTMILE_TEST_REDIS"].map(address);
        Services { kafka, cql, redis }
    }

    /// Its brokers, for a client to begin with.
    pub(crate) fn kafka(&self) -> String {
        self.variables["LASTMILE_TEST_KAFKA"].clone()
    }

    /// The broker of this number, from 1.
    pub(crate) fn broker(&self, number: usize) -> Server {
        self.server("LASTMILE_TEST_KAFKA", "kafka", number)
    }

    /// The CQL server of this number, from 1.
    pub(crate) fn cql(&self, number: usize) -> Server {
        self.server("LASTMILE_TEST_CQL", "cassandra", number)
    }

    /// The single Redis.
    pub(crate) fn redis(&self) -> Server {
        Server::new(self.folder.join("redis"), &self.variables["LASTMILE_TEST_REDIS"])
    }

    fn server(&self, variable: &str, kind: &str, number: usize) -> Server {
        let address = self.variables[variable].split(',').nth(number - 1).expect("the set has so many");
        Server::new(self.folder.join(format!("{kind}-{number}")), address)
    }
}

/// A server that runs. When this goes, it runs again.
pub(crate) struct Server {
    folder: PathBuf,
    address: String,
    /// How it was started.
    command: Vec<OsString>,
    state: State,
    /// It was started here.
    child: Option<Child>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Runs,
    Stopped,
    Killed,
}

impl Server {
    fn new(folder: PathBuf, address: &str) -> Self {
        let line = command_line(&folder).unwrap_or_else(|| panic!("{} does not run", folder.display()));
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let command = words.map(|word| OsString::from_vec(word.to_vec())).collect();
        Self { folder, address: address.to_owned(), command, state: State::Runs, child: None }
    }

    /// Kills it as the kernel would.
    pub(crate) fn kill(&mut self) {
        self.signal("KILL");
        self.state = State::Killed;
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
        let end = std::time::Instant::now() + GONE_MAX;
        // Its threads end one after the other, and with the last one its sockets.
        while command_line(&self.folder).is_some() || std::net::TcpStream::connect(&self.address).is_ok() {
            assert!(std::time::Instant::now() < end, "{} does not end", self.folder.display());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again as it was started, with its data.
    pub(crate) fn start(&mut self) {
        let at = |name: &str| self.folder.join(name);
        // As `cargo xtask services up` does it, which may look at it later.
        fs::rename(at("log"), at("log.before")).expect("it has a log");
        let _ = fs::remove_file(at("serves"));
        let log = File::create(at("log")).expect("a log");
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).stdin(Stdio::null()).process_group(0);
        command.stdout(log.try_clone().expect("a second handle")).stderr(log);
        let child = command.spawn().expect("it ran before");
        fs::write(at("pid"), child.id().to_string()).expect("its pid");
        self.child = Some(child);
        self.state = State::Runs;
    }

    /// Waits until it takes connections.
    pub(crate) async fn serves(&self) {
        let end = Instant::now() + SERVES_MAX;
        while tokio::net::TcpStream::connect(&self.address).await.is_err() {
            assert!(Instant::now() < end, "{} does not serve; see its log", self.folder.display());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// It stands still, and its connections stand.
    pub(crate) fn stop(&mut self) {
        self.signal("STOP");
        self.state = State::Stopped;
    }

    /// It goes on.
    pub(crate) fn go_on(&mut self) {
        self.signal("CONT");
        self.state = State::Runs;
    }

    /// Only to a process that is this server: a process id may be used again.
    fn signal(&self, name: &str) {
        assert!(command_line(&self.folder).is_some(), "{} does not run", self.folder.display());
        let pid = fs::read_to_string(self.folder.join("pid")).expect("its pid");
        let sent = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, pid.trim()]).status();
        assert!(sent.expect("sh runs").success(), "SIG{name} could not be sent to {pid}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        match self.state {
            State::Runs => {}
            State::Stopped => self.go_on(),
            State::Killed => self.start(),
        }
    }
}

/// Of the process of the server in `folder`, if it runs.
fn command_line(folder: &Path) -> Option<Vec<u8>> {
    let pid = fs::read_to_string(folder.join("pid")).ok()?;
    let line = fs::read(format!("/proc/{}/cmdline", pid.trim())).ok()?;
    String::from_utf8_lossy(&line).contains(&format!("{}/", folder.display())).then_some(line)
}
