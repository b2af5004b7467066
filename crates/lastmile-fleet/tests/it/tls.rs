use std::sync::Arc;
use std::time::Duration;

use lastmile_fleet::{Fleet, FleetConfig, RetryRule, StartError, TlsError, Trust};
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::acs::Acs;
use crate::{SOON, config};

/// A TLS terminator before the ACS; its URL and its certificate.
async fn terminator(acs: &Acs) -> (String, String) {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/cwmp", listener.local_addr().unwrap().port());
    let behind = acs.url.strip_prefix("http://").unwrap().trim_end_matches("/cwmp").to_owned();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (url, certified.cert.pem())
}

#[tokio::test]
async fn sessions_over_tls_need_a_trusted_certificate_cwmp_036() {
    let acs = Acs::start().await;
    let (url, pem) = terminator(&acs).await;
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, pem).unwrap();
    let trusting = |trust| FleetConfig { acs_url: url.clone(), trust, retry: RetryRule::Never, ..config(&acs) };
    for trust in [Trust::Roots(roots.clone()), Trust::Anybody] {
        let fleet = Fleet::start(trusting(trust.clone())).await.unwrap();
        assert!(fleet.wait_idle(SOON).await, "{trust:?}: {:?}", fleet.device(0).unwrap().last_session());
    }
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&roots, other.cert.pem()).unwrap();
    for trust in [Trust::Roots(roots.clone()), Trust::Nobody] {
        let fleet = Fleet::start(trusting(trust)).await.unwrap();
        assert!(!fleet.wait_idle(Duration::from_millis(500)).await);
        let failure = fleet.device(0).unwrap().last_session().unwrap().failure.unwrap();
        assert_eq!(failure.kind(), "connect", "{failure}");
    }
    std::fs::write(&roots, "").unwrap();
    let none = Fleet::start(trusting(Trust::Roots(roots))).await;
    assert!(matches!(none, Err(StartError::Tls(TlsError::Roots { .. }))));
}
