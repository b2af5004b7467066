//! `cargo xtask cluster`: every role as a process of its own on this machine, over the servers of `cargo xtask services`.
//!
//! Three front-ends behind haproxy, two provisioning processes, one of each other role, and simulated CPEs. A process is
//! known by its folder in `cluster` of the build folder: its configuration, `log`, `pid`. One that was killed is started
//! again by the next `up`; `down` asks all to end, front-ends first, so that a drain may be seen, and forgets them: the next
//! `up` begins anew, with names of its own on the servers.

mod figures;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};

use crate::process;
use crate::services::server::{self, Server};
use crate::services::{self, Cql, Which, tls};

/// Where CPEs connect: haproxy.
const CPES: u16 = 7547;
const API: u16 = 7557;
const FILES: u16 = 7567;
/// The first front-end, the first health listener, the first gRPC listener.
const FRONTS: u16 = 17_547;
const HEALTH: u16 = 17_577;
const GRPC: u16 = 17_601;
/// What all simulated CPEs log in with, and the administrator: everything listens on loopback only.
const CPE_LOGIN: (&str, &str) = ("cpe", "cluster-on-loopback");
const ADMIN_TOKEN: &str = "administrator-on-loopback";
/// How long a role may take to end: its drain is bound to a minute.
const END: Duration = Duration::from_secs(70);
const PROBE: Duration = Duration::from_secs(2);

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Builds, starts what does not run, and returns when all of it serves.
    Up(Options),
    /// Ends it and removes its folder. The servers of `cargo xtask services` stay up.
    Down,
    /// Tells what runs and where.
    Status,
    /// What an idle periodic session costs it in CPU, by role and rate. Begin it with `up --release --devices 0`.
    Figures(figures::Load),
}

#[derive(Args)]
pub(crate) struct Options {
    /// Optimized; takes some minutes the first time.
    #[arg(long)]
    release: bool,
    /// Takes the binaries that are there, for a restart of what runs.
    #[arg(long)]
    no_build: bool,
    /// Simulated CPEs.
    #[arg(long, default_value_t = 100)]
    devices: u32,
    /// Seconds between their periodic Informs.
    #[arg(long, default_value_t = 30)]
    periodic: u32,
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Up(options) => up(options),
        Command::Down => down(),
        Command::Status => status(),
        Command::Figures(load) => {
            let folder = folder()?;
            figures::run(&Cluster { binaries: folder.join("bin"), folder }, load)
        }
    }
}

fn up(options: &Options) -> Result<()> {
    process::need_package("haproxy", "-v", "haproxy")?;
    let variables = services::up(&Which::default(), &Cql::Cassandra)?.variables;
    let binaries = binaries(options)?;
    let cluster = Cluster { folder: folder()?, binaries };
    let _lock = services::lock(&cluster.folder)?;
    tls::write(&cluster.folder.join("tls"))?;
    let address = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str());
    let name = cluster.name()?;
    let configuration = configuration(&cluster.folder, &name, |variable| {
        address(variable).with_context(|| format!("the services have no {variable}"))
    })?;
    cluster.prepare(&configuration)?;
    server::start(ROLES.iter().map(|role| cluster.role(role, &configuration)).collect::<Result<_>>()?)?;
    server::start(vec![cluster.haproxy()?])?;
    server::start(vec![cluster.fleet(options)?])?;
    status()
}

fn down() -> Result<()> {
    let folder = folder()?;
    let _lock = services::lock(&folder)?;
    let of = |names: &[&str]| -> Vec<PathBuf> { names.iter().map(|name| folder.join(name)).collect() };
    let named = |is_front: bool| -> Vec<PathBuf> {
        let roles = ROLES.iter().filter(|role| (role.role == "cwmp") == is_front);
        roles.map(|role| folder.join(role.name)).collect()
    };
    // From the outside to the inside: what is asked last still serves those that end before.
    let mut ended = 0;
    for folders in [of(&["fleet"]), named(true), of(&["haproxy"]), named(false)] {
        ended += server::ask_to_end(&folders, END)?;
    }
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    println!("cluster: {ended} ended");
    Ok(())
}

fn status() -> Result<()> {
    let folder = folder()?;
    let mut text = String::new();
    for name in ROLES.iter().map(|role| role.name).chain(["haproxy", "fleet"]) {
        let place = folder.join(name);
        match server::running(&place) {
            Some(pid) => writeln!(text, "{name:<16} up, process {pid:<8} log: {}", server::log(&place).display())?,
            None => writeln!(text, "{name:<16} NOT RUNNING       log: {}", server::log(&place).display())?,
        }
    }
    writeln!(text, "\nCPEs           http://127.0.0.1:{CPES}/  (user {}, password {})", CPE_LOGIN.0, CPE_LOGIN.1)?;
    writeln!(text, "API            http://127.0.0.1:{API}/api/v1")?;
    writeln!(text, "Health         http://127.0.0.1:{HEALTH}/health/ready and the ports after it, /metrics beside it")?;
    writeln!(text, "\nLASTMILE_API=http://127.0.0.1:{API} LASTMILE_TOKEN={ADMIN_TOKEN} lastmile ctl devices")?;
    std::io::stdout().write_all(text.as_bytes()).context("the status could not be written")
}

/// A process of a role.
struct Role {
    name: &'static str,
    role: &'static str,
    /// Its number among all: gives its ports.
    number: u16,
    /// The key of its listener beside health, and the port.
    listens: &'static [(&'static str, u16)],
}

const fn role(number: u16, name: &'static str, role: &'static str, listens: &'static [(&'static str, u16)]) -> Role {
    Role { name, role, number, listens }
}

const ROLES: [Role; 9] = [
    role(0, "connreq", "connreq", &[("grpc.listen", GRPC)]),
    role(1, "files", "files", &[("grpc.listen", GRPC + 1), ("files.listen", FILES)]),
    role(2, "provisioning-1", "provisioning", &[("grpc.listen", GRPC + 2)]),
    role(3, "provisioning-2", "provisioning", &[("grpc.listen", GRPC + 3)]),
    role(4, "ingest", "ingest", &[]),
    role(5, "api", "api", &[("api.listen", API)]),
    role(6, "cwmp-1", "cwmp", &[("cwmp.listen", FRONTS)]),
    role(7, "cwmp-2", "cwmp", &[("cwmp.listen", FRONTS + 1)]),
    role(8, "cwmp-3", "cwmp", &[("cwmp.listen", FRONTS + 2)]),
];

impl Role {
    fn health(&self) -> u16 {
        HEALTH + self.number
    }
}

struct Cluster {
    folder: PathBuf,
    binaries: PathBuf,
}

impl Cluster {
    /// One of the binaries; what it is told stands in its configuration alone.
    fn binary(&self, name: &str) -> std::process::Command {
        let mut command = std::process::Command::new(self.binaries.join(name));
        let keys = std::env::vars_os().map(|(name, _)| name);
        keys.filter(|name| name.to_string_lossy().starts_with("LASTMILE_")).for_each(|name| {
            command.env_remove(name);
        });
        command
    }

    fn lastmile(&self, arguments: &[&str]) -> Result<()> {
        let status = self.binary("lastmile").args(arguments).status().context("`lastmile` could not be started")?;
        ensure!(status.success(), "`lastmile {}` failed ({status})", arguments.join(" "));
        Ok(())
    }

    /// What its keyspace, topics and keys in Redis are called: unlike those of any other cluster on these servers.
    fn name(&self) -> Result<String> {
        let file = self.folder.join("name");
        if let Ok(name) = fs::read_to_string(&file) {
            return Ok(name);
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("cluster_{:x}", since.as_millis());
        fs::write(&file, &name).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(name)
    }

    /// Keys, tables, topics.
    fn prepare(&self, configuration: &str) -> Result<()> {
        let data = self.folder.join("data");
        if !data.join("keys").exists() {
            self.lastmile(&["keys", "rotate", "--data-dir", &data.display().to_string()])?;
        }
        let file = self.folder.join("lastmile.toml");
        fs::write(&file, configuration).with_context(|| format!("cannot write {}", file.display()))?;
        self.lastmile(&["migrate", "--config", &file.display().to_string()])
    }

    fn place(&self, name: &str) -> Result<PathBuf> {
        let place = self.folder.join(name);
        fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
        Ok(place)
    }

    fn role(&self, role: &Role, configuration: &str) -> Result<Server> {
        let folder = self.place(role.name)?;
        let file = folder.join("lastmile.toml");
        fs::write(&file, configuration).with_context(|| format!("cannot write {}", file.display()))?;
        let mut command = self.binary("lastmile");
        command.arg(role.role).arg("--config").arg(file);
        let health = role.health();
        for (key, port) in role.listens.iter().chain(&[("health.listen", health)]) {
            command.arg("--set").arg(format!("{key}=127.0.0.1:{port}"));
        }
        let serves = Box::new(move |_: &Path| is_ready(health));
        Ok(Server { name: role.name.to_owned(), folder, address: format!("127.0.0.1:{health}"), command, serves })
    }

    fn haproxy(&self) -> Result<Server> {
        let folder = self.place("haproxy")?;
        let file = folder.join("haproxy.cfg");
        fs::write(&file, haproxy_configuration()).with_context(|| format!("cannot write {}", file.display()))?;
        let mut command = std::process::Command::new("haproxy");
        command.arg("-db").arg("-f").arg(file);
        let address = format!("127.0.0.1:{CPES}");
        let serves = Box::new(|_: &Path| TcpStream::connect(("127.0.0.1", CPES)).is_ok());
        Ok(Server { name: "haproxy".to_owned(), folder, address, command, serves })
    }

    fn fleet(&self, options: &Options) -> Result<Server> {
        let folder = self.place("fleet")?;
        let mut command = self.binary("lastmile-fleet");
        let (user, password) = CPE_LOGIN;
        command.env("LASTMILE_FLEET_PASSWORD", password).args(["run", "--auth", "digest", "--user", user]);
        command.arg("--acs").arg(format!("http://127.0.0.1:{CPES}/"));
        command.arg("--devices").arg(options.devices.to_string());
        command.arg("--periodic").arg(options.periodic.to_string());
        command.arg("--state").arg(folder.join("state"));
        let address = format!("{} devices", options.devices);
        Ok(Server { name: "fleet".to_owned(), folder, address, command, serves: Box::new(|_: &Path| true) })
    }
}

/// A front-end that is not ready gets no new connection; those that stand stay.
fn haproxy_configuration() -> String {
    let mut text = format!(
        "global\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 2s\n  timeout client 5m\n  timeout server 5m\n  \
         retries 3\n  option redispatch 1\nfrontend cpes\n  bind 127.0.0.1:{CPES}\n  default_backend fronts\nbackend \
         fronts\n  balance roundrobin\n  option httpchk GET /health/ready\n  http-check expect status 200\n"
    );
    for front in ROLES.iter().filter(|role| role.role == "cwmp") {
        let (port, health) = (front.listens[0].1, front.health());
        let _ = writeln!(text, "  server {} 127.0.0.1:{port} check port {health} inter 1s fall 2 rise 1", front.name);
    }
    text
}

/// What all roles are told alike.
fn configuration<'a>(folder: &Path, name: &str, address: impl Fn(&str) -> Result<&'a str>) -> Result<String> {
    let quoted = |addresses: &str| addresses.split(',').map(|a| format!("\"{a}\"")).collect::<Vec<_>>().join(", ");
    let (user, password) = CPE_LOGIN;
    let (connreq, files, one, two) = (GRPC, GRPC + 1, GRPC + 2, GRPC + 3);
    let at = |name: &str| folder.join("tls").join(name).display().to_string();
    Ok(format!(
        "[data]\ndir = \"{data}\"\n[cwmp]\nauth = \"digest\"\nuser = \"{user}\"\npassword = \"{password}\"\n[api]\n\
         admin_token = \"{ADMIN_TOKEN}\"\n[files]\npublic_url = \"http://127.0.0.1:{FILES}\"\n[connection_requests]\n\
         allow_loopback = true\ninterval_seconds = 0\n[grpc]\nprovisioning = [\"127.0.0.1:{one}\", \"127.0.0.1:{two}\"]\n\
         connreq = [\"127.0.0.1:{connreq}\"]\nfiles = [\"127.0.0.1:{files}\"]\ntls_cert = \"{cert}\"\ntls_key = \
         \"{key}\"\ntls_ca = \"{ca}\"\n[kafka]\nbrokers = [{kafka}]\ntopic_prefix = \"{name}.\"\nreplication = 1\n\
         allow_weak_topics = true\n[store]\nnodes = [{cql}]\nkeyspace = \"{name}\"\nreplication = 1\n[redis]\n\
         urls = [\"redis://{redis}\"]\nkey_prefix = \"{name}\"\n",
        data = folder.join("data").display(),
        cert = at(tls::SERVER),
        key = at(tls::SERVER_KEY),
        ca = at(tls::CA),
        kafka = quoted(address("LASTMILE_TEST_KAFKA")?),
        cql = quoted(address("LASTMILE_TEST_CQL")?),
        redis = address("LASTMILE_TEST_REDIS")?,
    ))
}

/// Builds both binaries and tells where they are: copies, which another build does not change.
fn binaries(options: &Options) -> Result<PathBuf> {
    let place = folder()?.join("bin");
    if options.no_build {
        ensure!(
            place.join("lastmile").exists(),
            "nothing was built yet; run `cargo xtask cluster up` without --no-build"
        );
        return Ok(place);
    }
    let mut arguments = vec!["build", "-p", "lastmile", "-p", "lastmile-fleet", "--features", "lastmile/distributed"];
    if options.release {
        arguments.push("--release");
    }
    process::cargo(&arguments)?;
    fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
    let built = folder()?.with_file_name(if options.release { "release" } else { "debug" });
    for binary in ["lastmile", "lastmile-fleet"] {
        // Renamed into its place: a process may be running the one that is there.
        let draft = place.join(format!("{binary}.new"));
        fs::copy(built.join(binary), &draft).with_context(|| format!("cannot copy {binary} to {}", place.display()))?;
        fs::rename(&draft, place.join(binary)).with_context(|| format!("cannot write {}", place.display()))?;
    }
    Ok(place)
}

/// `cluster` of the build folder.
fn folder() -> Result<PathBuf> {
    process::build_folder("cluster")
}

/// Whether a role says that it is ready.
fn is_ready(health: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", health))?;
        stream.set_read_timeout(Some(PROBE))?;
        stream.write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_process_has_ports_of_its_own() {
        let listeners = ROLES.iter().flat_map(|role| role.listens.iter().map(|(_, port)| *port).chain([role.health()]));
        let ports: Vec<u16> = listeners.chain([CPES]).collect();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len(), "{ports:?}");
    }

    #[test]
    fn haproxy_asks_each_front_end_whether_it_is_ready() {
        let text = haproxy_configuration();
        for front in ["cwmp-1 127.0.0.1:17547 check port 17583", "cwmp-3 127.0.0.1:17549 check port 17585"] {
            assert!(text.contains(front), "{text}");
        }
    }

    #[test]
    fn the_configuration_names_the_services() {
        let told = |name: &str| Ok(if name.ends_with("KAFKA") { "127.0.0.1:1,127.0.0.1:2" } else { "127.0.0.1:3" });
        let text = configuration(Path::new("/build/cluster"), "cluster_1", told).unwrap();
        assert!(text.contains("brokers = [\"127.0.0.1:1\", \"127.0.0.1:2\"]"), "{text}");
        assert!(text.contains("keyspace = \"cluster_1\""), "{text}");
        assert!(text.contains("tls_ca = \"/build/cluster/tls/ca.pem\""), "{text}");
    }
}
