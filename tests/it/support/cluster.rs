//! Every role as a process of its own, over real Kafka, a real CQL store and real Redis.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::server::free_port;
use super::{Api, until};

/// How long a role may take to be ready, and a migration to end: debug builds on a busy machine.
const START_MAX: Duration = Duration::from_secs(120);
/// The administrator's.
const TOKEN: &str = "a-token-for-the-cluster-test";
/// What all CPEs log in with.
pub(crate) const CPE_LOGIN: (&str, &str) = ("cpe", "correct-horse");

/// The services, as `cargo xtask services up` starts them.
struct Services {
    kafka: String,
    cql: String,
    redis: String,
}

impl Services {
    /// `None`: they are not there, and nobody said that they have to be.
    fn find() -> Option<Self> {
        let address = |variable: &str, default: &str| std::env::var(variable).unwrap_or_else(|_| default.to_owned());
        let found = Self {
            kafka: address("LASTMILE_TEST_KAFKA", "127.0.0.1:19092"),
            cql: address("LASTMILE_TEST_CQL", "127.0.0.1:19042"),
            redis: address("LASTMILE_TEST_REDIS", "127.0.0.1:16379"),
        };
        let answers = |addresses: &str| addresses.split(',').all(|a| std::net::TcpStream::connect(a).is_ok());
        let all = [&found.kafka, &found.cql, &found.redis];
        let missing: Vec<_> = all.into_iter().filter(|addresses| !answers(addresses)).collect();
        if missing.is_empty() {
            return Some(found);
        }
        let named = ["LASTMILE_TEST_KAFKA", "LASTMILE_TEST_CQL", "LASTMILE_TEST_REDIS"];
        let wanted =
            std::env::var("CI").is_ok_and(|ci| ci == "true") || named.map(std::env::var).iter().any(Result::is_ok);
        let told = format!("nothing answers at {missing:?}; start it with `cargo xtask services up`");
        assert!(!wanted, "{told}");
        eprintln!("not tested: {told}");
        None
    }
}

/// One process.
pub(crate) struct Role {
    name: &'static str,
    arguments: Vec<String>,
    health: u16,
    log: PathBuf,
    child: Option<Child>,
}

impl Role {
    /// A front-end that reaches nothing: no service, no other role.
    pub(crate) async fn alone(folder: &Path) -> (Self, String) {
        certificates(folder);
        let at = |name: &str| folder.join(name).display().to_string();
        finish(&["keys", "rotate", "--data-dir", &at("data")]);
        let (health, cwmp) = (free_port(), free_port());
        let settings = [
            format!("data.dir={}", at("data")),
            format!("health.listen=127.0.0.1:{health}"),
            format!("cwmp.listen=127.0.0.1:{cwmp}"),
            format!("grpc.tls_cert={}", at("cert.pem")),
            format!("grpc.tls_key={}", at("key.pem")),
            format!("grpc.tls_ca={}", at("ca.pem")),
            "grpc.provisioning=127.0.0.1:9".to_owned(),
            "kafka.brokers=127.0.0.1:9".to_owned(),
            "redis.urls=redis://127.0.0.1:9".to_owned(),
        ];
        let arguments = settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]);
        let arguments = std::iter::once("cwmp".to_owned()).chain(arguments).collect();
        let mut role = Self { name: "cwmp", arguments, health, log: folder.join("cwmp.log"), child: None };
        role.start().await;
        (role, format!("http://127.0.0.1:{cwmp}/"))
    }

    /// What a probe is told.
    pub(crate) async fn report(&self) -> serde_json::Value {
        let asked = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().expect("a client");
        match asked.get(format!("http://127.0.0.1:{}/health/ready", self.health)).send().await {
            Ok(reply) => reply.json().await.expect("JSON"),
            Err(_) => serde_json::Value::Null,
        }
    }

    fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(&self.log).expect("the log can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
        command.args(&self.arguments).env("RUST_BACKTRACE", "1").env("NO_COLOR", "1");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LASTMILE_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        self.child = Some(command.spawn().expect("the binary runs"));
    }

    /// The status of a probe; 0: nobody answers.
    pub(crate) async fn probe(&self, path: &str) -> u16 {
        let asked = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().expect("a client");
        let reply = asked.get(format!("http://127.0.0.1:{}{path}", self.health)).send().await;
        reply.map_or(0, |reply| reply.status().as_u16())
    }

    async fn ready(&mut self) {
        let end = tokio::time::Instant::now() + START_MAX;
        while self.probe("/health/ready").await != 200 {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("it can be looked at"));
            assert!(ended.is_none(), "{} does not start:\n{}", self.name, self.tail());
            assert!(tokio::time::Instant::now() < end, "{} is not ready:\n{}", self.name, self.tail());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn start(&mut self) {
        self.spawn();
        self.ready().await;
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

/// All roles: two front-ends behind a balancer, two provisioning processes, one of each other.
pub(crate) struct Cluster {
    pub(crate) fronts: [Role; 2],
    pub(crate) provisioning: [Role; 2],
    others: Vec<Role>,
    balancer: u16,
    api: u16,
    _folder: TempDir,
}

impl Cluster {
    /// `None`: the services are not there.
    pub(crate) async fn start() -> Option<Self> {
        let services = Services::find()?;
        let folder = TempDir::new().expect("a folder for the cluster");
        let at = |name: &str| folder.path().join(name);
        certificates(folder.path());
        let grpc = [free_port(), free_port(), free_port(), free_port()];
        std::fs::write(at("lastmile.toml"), configuration(&services, folder.path(), grpc)).expect("a configuration");
        finish(&["keys", "rotate", "--data-dir", &at("data").display().to_string()]);
        let config = at("lastmile.toml").display().to_string();
        finish(&["migrate", "--config", &config]);

        let role = |name: &'static str, number: u32, settings: &[(&str, u16)]| {
            let health = free_port();
            let mut arguments = vec![name.to_owned(), "--config".to_owned(), config.clone()];
            for (key, port) in settings.iter().chain(&[("health.listen", health)]) {
                arguments.extend(["--set".to_owned(), format!("{key}=127.0.0.1:{port}")]);
            }
            Role { name, arguments, health, log: at(&format!("{name}-{number}.log")), child: None }
        };
        let (api, cwmp) = (free_port(), [free_port(), free_port()]);
        let mut cluster = Self {
            others: vec![
                role("connreq", 1, &[("grpc.listen", grpc[2])]),
                role("files", 1, &[("grpc.listen", grpc[3]), ("files.listen", free_port())]),
                role("ingest", 1, &[]),
                role("api", 1, &[("api.listen", api)]),
            ],
            provisioning: [1, 2].map(|n| role("provisioning", n, &[("grpc.listen", grpc[n as usize - 1])])),
            fronts: [1, 2].map(|n| role("cwmp", n, &[("cwmp.listen", cwmp[n as usize - 1])])),
            balancer: balancer(cwmp).await,
            api,
            _folder: folder,
        };
        // P14: one front-end has no Redis at all.
        cluster.fronts[1].arguments.extend(["--set".to_owned(), "redis.urls=redis://127.0.0.1:9".to_owned()]);
        cluster.roles().for_each(Role::spawn);
        for role in cluster.roles() {
            role.ready().await;
        }
        Some(cluster)
    }

    fn roles(&mut self) -> impl Iterator<Item = &mut Role> {
        self.others.iter_mut().chain(&mut self.provisioning).chain(&mut self.fronts)
    }

    pub(crate) fn acs_url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.balancer)
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(&format!("http://127.0.0.1:{}", self.api), TOKEN)
    }

    /// Holds that nothing panicked.
    pub(crate) fn finish(mut self) {
        for role in self.roles() {
            let log = std::fs::read_to_string(&role.log).unwrap_or_default();
            assert!(!log.contains("panicked at"), "a panic (P20) in {}:\n{}", role.name, role.tail());
        }
    }
}

/// Runs the binary to its end.
fn finish(arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LASTMILE_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).output().expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
}

fn configuration(services: &Services, folder: &Path, grpc: [u16; 4]) -> String {
    let quoted = |addresses: &str| addresses.split(',').map(|a| format!("\"{a}\"")).collect::<Vec<_>>().join(", ");
    let name = format!("it{}x{:x}", std::process::id(), rand::random::<u32>());
    let (user, password) = CPE_LOGIN;
    let [one, two, connreq, files] = grpc;
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
provisioning = ["127.0.0.1:{one}", "127.0.0.1:{two}"]
connreq = ["127.0.0.1:{connreq}"]
files = ["127.0.0.1:{files}"]
tls_cert = "{folder}/cert.pem"
tls_key = "{folder}/key.pem"
tls_ca = "{folder}/ca.pem"
[kafka]
brokers = [{kafka}]
topic_prefix = "{name}."
partitions = 4
replication = 1
allow_weak_topics = true
[store]
nodes = [{cql}]
keyspace = "{name}"
replication = 1
[redis]
urls = ["redis://{redis}"]
key_prefix = "{name}"
"#,
        folder = folder.display(),
        kafka = quoted(&services.kafka),
        cql = quoted(&services.cql),
        redis = services.redis,
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

/// Gives each connection to the next front-end that takes one.
async fn balancer(fronts: [u16; 2]) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("it has an address").port();
    tokio::spawn(async move {
        let turn = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        while let Ok((mut device, _)) = listener.accept().await {
            let turn = Arc::clone(&turn);
            tokio::spawn(async move {
                let first = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                for n in 0..fronts.len() {
                    if let Ok(mut front) = TcpStream::connect(("127.0.0.1", fronts[(first + n) % fronts.len()])).await {
                        let _ = copy_bidirectional(&mut device, &mut front).await;
                        return;
                    }
                }
            });
        }
    });
    port
}
