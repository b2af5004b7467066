//! Every role as a process of its own, over real Kafka, a real CQL store and real Redis.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cwmp_session::auth::Password;
use lastmile_fleet::{DeviceCredentials, FleetConfig, RetryRule};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::OwnedRwLockWriteGuard;

use super::Api;
use super::balancer::{Gate, balancer};
use super::role::{Role, finish, product};
use super::server::free_port;
use super::services::Services;

/// The administrator's.
const TOKEN: &str = "a-token-for-the-cluster-test";
/// What all CPEs log in with.
pub(crate) const CPE_LOGIN: (&str, &str) = ("cpe", "correct-horse");

/// How many processes there are, and what is unlike the usual.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) fronts: usize,
    pub(crate) provisioning: usize,
    /// In place of the servers that all tests share.
    pub(crate) services: Option<Services>,
    /// `host:port` in place of the services' Redis.
    pub(crate) redis: Option<String>,
    /// `key=value` for the processes whose names begin so.
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl Default for Shape {
    fn default() -> Self {
        Self { fronts: 3, provisioning: 2, services: None, redis: None, settings: Vec::new() }
    }
}

impl Shape {
    /// `key=value` for every process whose name begins with `name`: `cwmp` is all front-ends, `cwmp-2` the second one.
    pub(crate) fn set(mut self, name: &'static str, assignment: &str) -> Self {
        self.settings.push((name, assignment.to_owned()));
        self
    }
}

/// All roles: front-ends behind a balancer, provisioning processes, one of each other.
pub(crate) struct Cluster {
    pub(crate) fronts: Vec<Role>,
    pub(crate) provisioning: Vec<Role>,
    /// `connreq`, `files`, `ingest`, `api`.
    pub(crate) others: Vec<Role>,
    cwmp: Vec<u16>,
    balancer: u16,
    gate: Gate,
    api: u16,
    folder: TempDir,
}

impl Cluster {
    /// `None`: the services are not there.
    pub(crate) async fn start(shape: Shape) -> Option<Self> {
        let services = shape.services.clone().or_else(Services::find)?;
        let mut folder = TempDir::new().expect("a folder for the cluster");
        if std::env::var_os("LASTMILE_TEST_KEEP").is_some() {
            folder.disable_cleanup(true);
            eprintln!("logs are kept in {}", folder.path().display());
        }
        certificates(folder.path());
        let ports = |count: usize| -> Vec<u16> { (0..count).map(|_| free_port()).collect() };
        let (grpc, cwmp) = (ports(2 + shape.provisioning), ports(shape.fronts));
        let config = folder.path().join("lastmile.toml").display().to_string();
        let redis = shape.redis.clone().unwrap_or_else(|| services.redis.clone());
        std::fs::write(&config, configuration(&services, &redis, folder.path(), &grpc)).expect("a configuration");
        finish(&["keys", "rotate", "--data-dir", &folder.path().join("data").display().to_string()]);
        finish(&["migrate", "--config", &config]);

        let role = |role: &'static str, number: usize, listens: &[(&str, u16)]| {
            let (name, health) = (format!("{role}-{number}"), free_port());
            let mut arguments = vec![role.to_owned(), "--config".to_owned(), config.clone()];
            for (key, port) in listens.iter().chain(&[("health.listen", health)]) {
                arguments.extend(["--set".to_owned(), format!("{key}=127.0.0.1:{port}")]);
            }
            let mut role = Role::new(name, arguments, health, folder.path());
            let settings = shape.settings.iter().filter(|(begin, _)| role.name.starts_with(begin));
            let settings: Vec<&String> = settings.map(|(_, setting)| setting).collect();
            settings.into_iter().for_each(|setting| role.set(setting));
            role
        };
        let api = free_port();
        let of = |name: &'static str, key: &'static str, ports: &[u16]| -> Vec<Role> {
            ports.iter().enumerate().map(|(n, port)| role(name, n + 1, &[(key, *port)])).collect()
        };
        let mut cluster = Self {
            others: vec![
                role("connreq", 1, &[("grpc.listen", grpc[0])]),
                role("files", 1, &[("grpc.listen", grpc[1]), ("files.listen", free_port())]),
                role("ingest", 1, &[]),
                role("api", 1, &[("api.listen", api)]),
            ],
            provisioning: of("provisioning", "grpc.listen", &grpc[2..]),
            fronts: of("cwmp", "cwmp.listen", &cwmp),
            cwmp,
            balancer: 0,
            gate: Gate::default(),
            api,
            folder,
        };
        cluster.roles().for_each(Role::spawn);
        for role in cluster.roles() {
            role.ready().await;
        }
        let health = cluster.fronts.iter().map(Role::health);
        let fronts: Vec<_> = cluster.cwmp.iter().copied().zip(health).collect();
        (cluster.balancer, cluster.gate) = balancer(&fronts).await;
        Some(cluster)
    }

    pub(crate) fn roles(&mut self) -> impl Iterator<Item = &mut Role> {
        self.others.iter_mut().chain(&mut self.provisioning).chain(&mut self.fronts)
    }

    /// Where CPEs connect.
    pub(crate) fn acs_url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.balancer)
    }

    /// Waits until no connection of a CPE is served; those that come wait as long as the result lives.
    pub(crate) async fn hold(&self) -> OwnedRwLockWriteGuard<()> {
        self.gate.clone().write_owned().await
    }

    /// One front-end, without the balancer.
    pub(crate) fn front_url(&self, index: usize) -> String {
        format!("http://127.0.0.1:{}/", self.cwmp[index])
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(&format!("http://127.0.0.1:{}", self.api), TOKEN)
    }

    /// The configuration that all processes share, the certificates beside it.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Devices that come back quickly after everything.
    pub(crate) fn fleet_config(&self, devices: usize, seed: u64) -> FleetConfig {
        let mut config = FleetConfig::new(self.acs_url());
        config.devices = devices;
        config.seed = seed;
        config.boot_time = Duration::from_millis(200);
        config.retry = RetryRule::After(Duration::from_millis(200));
        config.honour_retry_after = false;
        let (username, password) = CPE_LOGIN;
        config.credentials =
            DeviceCredentials::Shared { username: username.to_owned(), password: Password::new(password) };
        config
    }

    /// What `lastmile events verify` says of the log, and whether it is complete (P9, P10).
    pub(crate) async fn verified_events(&self) -> (bool, Value) {
        let config = self.folder.path().join("lastmile.toml");
        let verify = move || {
            let mut command = product();
            command.args(["events", "verify", "--output", "json", "--config"]).arg(config);
            command.output().expect("the binary runs")
        };
        let output = tokio::task::spawn_blocking(verify).await.expect("it ends");
        let told = serde_json::from_slice(&output.stdout);
        (output.status.success(), told.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
    }

    /// Holds that nothing panicked.
    pub(crate) fn finish(mut self) {
        for role in self.roles() {
            role.check_log();
        }
    }
}

/// A front-end that reaches nothing, no service and no other role; where CPEs would connect.
pub(crate) async fn lonely_front(folder: &Path) -> (Role, String) {
    certificates(folder);
    let at = |name: &str| folder.join(name).display().to_string();
    finish(&["keys", "rotate", "--data-dir", &at("data")]);
    let (health, cwmp) = (free_port(), free_port());
    let mut role = Role::new("cwmp-1".to_owned(), vec!["cwmp".to_owned()], health, folder);
    for setting in [
        format!("data.dir={}", at("data")),
        format!("health.listen=127.0.0.1:{health}"),
        format!("cwmp.listen=127.0.0.1:{cwmp}"),
        format!("grpc.tls_cert={}", at("cert.pem")),
        format!("grpc.tls_key={}", at("key.pem")),
        format!("grpc.tls_ca={}", at("ca.pem")),
        "grpc.provisioning=127.0.0.1:9".to_owned(),
        "kafka.brokers=127.0.0.1:9".to_owned(),
        "redis.urls=redis://127.0.0.1:9".to_owned(),
    ] {
        role.set(&setting);
    }
    role.start().await;
    (role, format!("http://127.0.0.1:{cwmp}/"))
}

/// `grpc`: the ports of `connreq`, `files` and every provisioning process.
fn configuration(services: &Services, redis: &str, folder: &Path, grpc: &[u16]) -> String {
    let quoted = |addresses: &str| addresses.split(',').map(|a| format!("\"{a}\"")).collect::<Vec<_>>().join(", ");
    let name = format!("it{}x{:x}", std::process::id(), rand::random::<u32>());
    let (user, password) = CPE_LOGIN;
    let provisioning: Vec<String> = grpc[2..].iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let (brokers, nodes) = services.copies();
    format!(
        r#"
[data]
dir = "{folder}/data"
[cwmp]
auth = "digest"
user = "{user}"
password = "{password}"
[api]
admin_token = "{TOKEN}"
[connection_requests]
allow_loopback = true
interval_seconds = 0
[grpc]
provisioning = [{provisioning}]
connreq = ["127.0.0.1:{connreq}"]
files = ["127.0.0.1:{files}"]
tls_cert = "{folder}/cert.pem"
tls_key = "{folder}/key.pem"
tls_ca = "{folder}/ca.pem"
[kafka]
brokers = [{kafka}]
topic_prefix = "{name}."
partitions = 4
replication = {brokers}
allow_weak_topics = true
[store]
nodes = [{cql}]
keyspace = "{name}"
replication = {nodes}
[redis]
urls = ["redis://{redis}"]
key_prefix = "{name}"
"#,
        folder = folder.display(),
        provisioning = quoted(&provisioning.join(",")),
        connreq = grpc[0],
        files = grpc[1],
        kafka = quoted(&services.kafka),
        cql = quoted(&services.cql),
    )
}

/// An authority, and one certificate of it for all processes: they are all at 127.0.0.1.
fn certificates(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("a file");
    write("ca.pem", issuer.pem());
    write("cert.pem", certificate.pem());
    write("key.pem", key.serialize_pem());
}
