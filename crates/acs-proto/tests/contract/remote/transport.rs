//! Processes that find, prove and leave each other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use acs_proto::remote::{
    CERTIFICATE_INTERVAL, Deadlines, GrpcServer, MutualTls, PeerName, Peers, ProvisioningClient, Serving, TlsFiles,
};
use acs_proto::{ErrorClass, Provisioning, ServiceError, VerifierReply, VerifierRequest, WakeOutcome};
use acs_types::DeviceId;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::loopback::deadlines;
use super::provisioning::{Said, Scripted};

/// An authority and the files of those that it signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, folder: tempfile::tempdir().unwrap() }
    }

    fn files(&self) -> TlsFiles {
        let path = |name: &str| self.folder.path().join(name);
        TlsFiles { certificates: path("cert.pem"), key: path("key.pem"), authorities: path("ca.pem") }
    }

    /// Writes files of a process called `localhost` and 127.0.0.1; believed are those that `believed` signed.
    fn write(&self, believed: &Self, expired: bool) -> TlsFiles {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        if expired {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 2);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = self.files();
        std::fs::write(&files.certificates, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        std::fs::write(&files.authorities, believed.issuer.pem()).unwrap();
        files
    }

    fn identity(&self) -> Arc<MutualTls> {
        MutualTls::from_files(self.write(self, false)).unwrap()
    }
}

/// A process that offers provisioning: with a runtime of its own, so that it can be killed.
struct Process {
    port: u16,
    serving: Serving,
    stop: CancellationToken,
    serves: tokio::task::JoinHandle<()>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Process {
    fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn process(service: Arc<dyn Provisioning>, tls: Arc<MutualTls>) -> Process {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = GrpcServer::new().await.provisioning(service);
    let (serving, stop) = (server.serving(), CancellationToken::new());
    serving.set(true).await;
    let token = stop.clone();
    let (bound, port) = tokio::sync::oneshot::channel();
    let serves = runtime.spawn(async move {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        bound.send(listener.local_addr().unwrap().port()).unwrap();
        server.serve(listener, tls, SOON, token).await.unwrap();
    });
    Process { port: port.await.unwrap(), serving, stop, serves, runtime: Some(runtime) }
}

const SOON: Duration = Duration::from_secs(10);

fn known() -> Arc<Scripted> {
    Scripted::new(Ok(Said::Verifier(VerifierReply { verifier: None })))
}

fn peers(processes: &[&Process], tls: &Arc<MutualTls>) -> Peers {
    let name = |process: &&Process| format!("127.0.0.1:{}", process.port).parse::<PeerName>().unwrap();
    Peers::find("provisioning", processes.iter().map(name).collect(), Arc::clone(tls))
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn ask(peers: &Peers, user: &str) -> Result<VerifierReply, ServiceError> {
    let client = ProvisioningClient::new(peers.clone(), Deadlines { session: SOON, ..deadlines() });
    client.verifier(VerifierRequest { username: user.to_owned() }).await
}

/// The error of a call between a client and a server with these files.
async fn refused(client: TlsFiles, server: TlsFiles) -> ServiceError {
    let process = process(known(), MutualTls::from_files(server).unwrap()).await;
    let peers = peers(&[&process], &MutualTls::from_files(client).unwrap());
    until("the address is found", || peers.serving().1 == 1).await;
    ask(&peers, "cpe").await.unwrap_err()
}

#[tokio::test]
async fn processes_with_certificates_of_one_authority_speak() {
    let authority = Authority::new();
    let tls = authority.identity();
    let process = process(known(), Arc::clone(&tls)).await;
    let name = format!("localhost:{}", process.port).parse().unwrap();
    let peers = Peers::find("provisioning", vec![name], tls);
    until("it serves", || peers.serving().0 > 0).await;
    assert_eq!(ask(&peers, "cpe").await, Ok(VerifierReply { verifier: None }));
}

#[tokio::test]
async fn a_certificate_that_is_wrong_or_expired_is_refused_on_either_side() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let good = || Authority::write(&ours, &ours, false);
    // The client does not know who signed the server's.
    let stranger = theirs.write(&ours, false);
    let error = refused(good(), stranger.clone()).await;
    assert!(error.class == ErrorClass::Unavailable && error.text.contains("invalid peer certificate"), "{error}");
    // The server does not know who signed the client's.
    let error = refused(stranger, good()).await;
    assert_eq!(error.class, ErrorClass::Unavailable, "{error}");
    let expired = Authority::new();
    let its = expired.write(&expired, true);
    let good = Authority { issuer: Authority::new().issuer, folder: tempfile::tempdir().unwrap() };
    let good = good.write(&expired, false);
    let error = refused(good, its).await;
    assert!(error.text.contains("invalid peer certificate"), "{error}");
    assert!(error.text.starts_with("provisioning at 127.0.0.1:"), "who cannot be reached is told: {error}");
}

#[tokio::test]
async fn a_server_has_to_be_the_host_of_its_name() {
    let authority = Authority::new();
    let tls = authority.identity();
    let process = process(known(), Arc::clone(&tls)).await;
    let name = format!("127.0.0.2:{}", process.port);
    assert!(name.parse::<PeerName>().is_ok());
    // Nothing listens at 127.0.0.2, so the name alone is another: the certificate is for localhost and 127.0.0.1.
    let listener = TcpListener::bind(("127.0.0.2", 0)).await.unwrap();
    let name = format!("{}", listener.local_addr().unwrap()).parse().unwrap();
    let server = GrpcServer::new().await.provisioning(known());
    tokio::spawn(server.serve(listener, Arc::clone(&tls), SOON, CancellationToken::new()));
    let peers = Peers::find("provisioning", vec![name], tls);
    until("the address is found", || peers.serving().1 == 1).await;
    let error = ask(&peers, "cpe").await.unwrap_err();
    assert!(error.text.contains("certificate"), "{error}");
}

#[tokio::test]
async fn rotated_files_serve_new_connections_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let server_tls = old.identity();
    let watching = Arc::clone(&server_tls);
    tokio::spawn(async move { watching.watch(Duration::from_millis(50)).await });
    let process = process(known(), server_tls).await;
    let client_tls = new.identity();
    let peers = peers(&[&process], &client_tls);
    until("the address is found", || peers.serving().1 == 1).await;
    assert!(ask(&peers, "cpe").await.is_err(), "another authority");
    // The files of the server are replaced by ones of the new authority.
    let fresh = new.write(&new, false);
    client_tls.reload().unwrap();
    let copy = |from: &PathBuf, to: &Path| std::fs::copy(from, to).map(|_| ()).unwrap();
    copy(&fresh.authorities, &old.files().authorities);
    copy(&fresh.certificates, &old.files().certificates);
    copy(&fresh.key, &old.files().key);
    until("the new certificate serves", || peers.serving().0 == 1).await;
    assert_eq!(ask(&peers, "cpe").await, Ok(VerifierReply { verifier: None }));
    assert!(CERTIFICATE_INTERVAL <= Duration::from_secs(60), "a rotation is seen within a minute");
}

#[tokio::test]
async fn calls_go_to_the_next_process_when_one_is_killed() {
    let tls = Authority::new().identity();
    let (mut one, two) = (process(known(), Arc::clone(&tls)).await, process(known(), Arc::clone(&tls)).await);
    let peers = peers(&[&one, &two], &tls);
    until("both serve", || peers.serving() == (2, 2)).await;
    for user in 0..20 {
        ask(&peers, &user.to_string()).await.unwrap();
    }
    one.kill();
    for user in 0..20 {
        assert!(ask(&peers, &user.to_string()).await.is_ok(), "user {user}");
    }
    until("it is left out", || peers.serving() == (1, 2)).await;
}

#[tokio::test]
async fn a_device_stays_with_its_process_and_moves_when_that_drains() {
    let tls = Authority::new().identity();
    let here = Scripted::new(Ok(Said::Wake(WakeOutcome::Accepted)));
    let there = Scripted::new(Ok(Said::Wake(WakeOutcome::Busy)));
    let (one, two) = (process(here, Arc::clone(&tls)).await, process(there, Arc::clone(&tls)).await);
    let peers = peers(&[&one, &two], &tls);
    until("both serve", || peers.serving() == (2, 2)).await;
    let client = ProvisioningClient::new(peers.clone(), deadlines());
    let device: DeviceId = "00D0E5-CPE-1".parse().unwrap();
    let at = client.wake(&device).await.unwrap();
    for _ in 0..5 {
        assert_eq!(client.wake(&device).await.unwrap(), at);
    }
    let (mut its, other) = if at == WakeOutcome::Accepted { (one, two) } else { (two, one) };
    // P12: it says that it does not serve before it stops taking calls; `wake` is never made again.
    its.stop.cancel();
    let end = Instant::now() + SOON;
    while !its.serves.is_finished() {
        assert!(client.wake(&device).await.is_ok(), "no call fails while it drains");
        assert!(Instant::now() < end, "it ends");
        sleep(Duration::from_millis(10)).await;
    }
    its.kill();
    assert_ne!(client.wake(&device).await.unwrap(), at);
    other.serving.set(false).await;
    until("nobody serves", || peers.serving().0 == 0).await;
    assert!(client.wake(&device).await.is_ok(), "with nobody better one that does not serve is asked");
}
