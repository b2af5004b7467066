//! Devices that come over TLS, and trust nobody but the ACS.

use lastmile_fleet::{Fleet, Trust};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Options, SOON, Server, fleet_config, id_of};

struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// A root of our own, and a certificate of it for the loopback address.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let root_key = rcgen::KeyPair::generate().unwrap();
        let mut root = rcgen::CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        root.distinguished_name.push(rcgen::DnType::CommonName, "root of the test");
        let root_certificate = root.self_signed(&root_key).unwrap();
        let issuer = rcgen::Issuer::new(root, root_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let server = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = server.signed_by(&key, &issuer).unwrap();
        let made = Self { folder };
        std::fs::write(made.path("root.pem"), root_certificate.pem()).unwrap();
        std::fs::write(made.path("server.pem"), certificate.pem()).unwrap();
        std::fs::write(made.path("server.key"), key.serialize_pem()).unwrap();
        made
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn options(&self) -> Options {
        let text = |name| self.path(name).to_str().unwrap().to_owned();
        Options::default().flag("tls-cert", &text("server.pem")).flag("tls-key", &text("server.key"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_and_files_are_served_over_tls() {
    let certificates = Certificates::new();
    let server = Server::start_with(certificates.options()).await;
    let mut config = fleet_config(&server, 2, 41);
    assert!(config.acs_url.starts_with("https://"));
    config.trust = Trust::Roots(certificates.path("root.pem"));
    let fleet = Fleet::start(config).await.expect("the fleet starts");
    let api = server.api();
    let file = api.upload("config.txt", "config", b"Device.DeviceInfo.ProvisioningCode=tls\n".to_vec()).await;
    for device in fleet.devices() {
        let id = id_of(&device);
        api.discovered(&id).await;
        let sessions = api.list(&format!("/devices/{}/sessions", crate::support::api::in_path(&id))).await;
        assert!(sessions.iter().all(|session| session["tls"] == true), "{sessions:#?}");
        api.do_task(&id, json!({"kind": "download", "file_id": file["id"]})).await;
    }
    let tr181 = fleet.device(1).unwrap();
    assert_eq!(tr181.value(&tr181.path("DeviceInfo.ProvisioningCode")).as_deref(), Some("tls"));
    drop(fleet);
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_another_root_does_not_come_and_the_server_goes_on() {
    let certificates = Certificates::new();
    let other = Certificates::new();
    let server = Server::start_with(certificates.options()).await;
    let mut config = fleet_config(&server, 1, 42);
    config.trust = Trust::Roots(other.path("root.pem"));
    let stranger = Fleet::start(config).await.expect("the fleet starts");
    let device = stranger.device(0).unwrap();
    crate::support::until("its sessions fail", SOON, || async { (device.sessions().failed >= 2).then_some(()) }).await;
    assert!(stranger.ledger().account().answered_informs().next().is_none());
    let mut config = fleet_config(&server, 1, 43);
    config.trust = Trust::Roots(certificates.path("root.pem"));
    let fleet = Fleet::start(config).await.expect("the fleet starts");
    server.api().discovered(&id_of(&fleet.device(0).unwrap())).await;
    drop((fleet, stranger));
    server.finish();
}
