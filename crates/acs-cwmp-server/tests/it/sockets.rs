//! Over loopback: TCP and TLS (CWMP-032, CWMP-035, CWMP-037).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use acs_cwmp_server::{CpeAuthScheme, TlsIdentity, serve};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::support::*;

struct Pair {
    certificate: CertificateDer<'static>,
}

/// Writes a new self-signed certificate and its key into `folder`.
fn write_identity(folder: &Path) -> Pair {
    let names = vec!["acs.example".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    Pair { certificate: made.cert.der().clone() }
}

async fn listen(world: &World, bind: &str, tls: Option<Arc<TlsIdentity>>) -> SocketAddr {
    let listener = TcpListener::bind(bind).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, tls, Arc::clone(&world.front_end), CancellationToken::new()));
    address
}

fn client(pair: &Pair, version: &'static rustls::SupportedProtocolVersion, sni: bool) -> tokio_rustls::TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(pair.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.enable_sni = sni;
    Arc::new(config).into()
}

async fn whole_session(cpe: &mut Cpe<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>) {
    cpe.inform(&["2 PERIODIC"]).await;
    cpe.expect_inform_response();
    cpe.empty_post().await;
    cpe.expect_end();
}

#[tokio::test]
async fn cwmp_032_ipv4_and_ipv6() {
    let world = World::open();
    for bind in ["127.0.0.1:0", "[::1]:0"] {
        let address = listen(&world, bind, None).await;
        let mut cpe = Cpe::new(TcpStream::connect(address).await.unwrap());
        whole_session(&mut cpe).await;
    }
    let remotes: Vec<_> = world.informs().iter().filter_map(|i| i.remote).map(|a| a.to_string()).collect();
    assert_eq!(remotes, ["127.0.0.1", "::1"], "CWMP-032");
}

#[tokio::test]
async fn cwmp_035_037_tls_1_2_and_1_3_without_sni_or_client_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let pair = write_identity(folder.path());
    let identity = TlsIdentity::from_files(&folder.path().join("cert.pem"), &folder.path().join("key.pem")).unwrap();
    let world = World::open();
    let address = listen(&world, "127.0.0.1:0", Some(identity)).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for sni in [true, false] {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("acs.example").unwrap();
            let stream = client(&pair, version, sni).connect(name, stream).await.unwrap();
            assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version), "CWMP-035");
            whole_session(&mut Cpe::new(stream)).await;
        }
    }
    assert!(world.accounts().await.iter().all(|a| a.tls));
}

#[tokio::test]
async fn a_certificate_is_replaced_while_connections_stand() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let old = write_identity(folder.path());
    let identity = TlsIdentity::from_files(&cert, &key).unwrap();
    let world = World::open();
    let address = listen(&world, "127.0.0.1:0", Some(Arc::clone(&identity))).await;
    let connect = |pair: &Pair| {
        let connector = client(pair, &rustls::version::TLS13, true);
        async move {
            let stream = TcpStream::connect(address).await.unwrap();
            connector.connect(ServerName::try_from("acs.example").unwrap(), stream).await
        }
    };
    let mut standing = Cpe::new(connect(&old).await.unwrap());
    std::fs::write(&key, "no key").unwrap();
    assert!(identity.reload().is_err(), "half of a new pair is not used");
    assert!(connect(&old).await.is_ok());
    let new = write_identity(folder.path());
    identity.reload().unwrap();
    assert!(connect(&old).await.is_err() && connect(&new).await.is_ok());
    whole_session(&mut standing).await;
}

#[tokio::test]
async fn a_changed_certificate_is_seen_by_the_watch() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    write_identity(folder.path());
    let identity = TlsIdentity::from_files(&cert, &key).unwrap();
    let watched = Arc::clone(&identity);
    let watch = tokio::spawn(async move { watched.watch(Duration::from_millis(20)).await });
    let world = World::open();
    let address = listen(&world, "127.0.0.1:0", Some(identity)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let new = write_identity(folder.path());
    let connector = client(&new, &rustls::version::TLS13, true);
    let mut seen = false;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let stream = TcpStream::connect(address).await.unwrap();
        seen = connector.connect(ServerName::try_from("acs.example").unwrap(), stream).await.is_ok();
        if seen {
            break;
        }
    }
    watch.abort();
    assert!(seen);
}

#[tokio::test]
async fn cwmp_531_a_slow_handshake_and_too_many_connections_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    write_identity(folder.path());
    let identity = TlsIdentity::from_files(&folder.path().join("cert.pem"), &folder.path().join("key.pem")).unwrap();
    let world = World::with(CpeAuthScheme::Open, |config| {
        config.http.tls_handshake = Duration::from_millis(100);
        config.http.connections_per_source = 2;
    });
    let address = listen(&world, "127.0.0.1:0", Some(identity)).await;
    let mut slow = Cpe::new(TcpStream::connect(address).await.unwrap());
    assert!(slow.is_closed().await);
    assert_eq!(world.metric("tls_handshakes_failed_total{reason=\"slow\"}"), 1.0, "CWMP-531");
    let plain = listen(&world, "127.0.0.1:0", None).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut cpe = Cpe::new(TcpStream::connect(plain).await.unwrap());
        whole_session(&mut cpe).await;
        held.push(cpe);
    }
    let mut third = Cpe::new(TcpStream::connect(plain).await.unwrap());
    assert!(third.is_closed().await);
    assert_eq!(world.metric("connections_refused_total{limit=\"connections_per_source\"}"), 1.0, "CWMP-531");
    assert_eq!(held.len(), 2);
}

#[test]
fn unusable_certificates_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let error = TlsIdentity::from_files(&cert, &key).unwrap_err().to_string();
    assert!(error.contains("no certificate can be read from") && error.contains("cert.pem"), "{error}");
    write_identity(folder.path());
    let other = tempfile::tempdir().unwrap();
    write_identity(other.path());
    let error = TlsIdentity::from_files(&cert, &other.path().join("key.pem")).unwrap_err().to_string();
    assert!(error.contains("cannot serve TLS"), "{error}");
}
