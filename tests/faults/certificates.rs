//! Certificates between the roles change while they run: rotated ones are picked up, wrong and expired ones are believed by
//! nobody, and no session fails by either.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lastmile_fleet::Fleet;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::bench::{Bench, tell_figures};
use crate::judgement::outcomes;
use crate::steady::{Steady, often};
use crate::support::cluster::Shape;
use crate::support::{SOON, until};

const DEVICES: usize = 20;
/// Processes look at their files every five seconds.
const LOOKED: Duration = Duration::from_secs(7);

/// An authority for every process, and its files.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a certificate and its key, as a person would: not both at once.
    fn write(&self, files: &Files, is_expired: bool) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        if is_expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        std::fs::write(&files.certificate, params.signed_by(&key, &*self.0).unwrap().pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
    }
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn of(folder: &Path, name: &str) -> Self {
        Self { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) }
    }

    fn set(&self, shape: Shape, role: &'static str) -> Shape {
        let shape = shape.set(role, &format!("grpc.tls_cert={}", self.certificate.display()));
        shape.set(role, &format!("grpc.tls_key={}", self.key.display()))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask faults"]
async fn rotated_wrong_and_expired_ones_fail_no_session_p12_p16() {
    let folder = TempDir::new().unwrap();
    let (first, second, foreign) = (Authority::new(), Authority::new(), Authority::new());
    let authorities = folder.path().join("ca.pem");
    let believe = |these: &[&Authority]| {
        let text: String = these.iter().map(|authority| authority.0.pem()).collect();
        std::fs::write(&authorities, text).unwrap();
    };
    let files = ["all", "provisioning-1", "cwmp-3"].map(|name| Files::of(folder.path(), name));
    let [_, of_provisioning, of_front] = &files;
    believe(&[&first]);
    files.iter().for_each(|files| first.write(files, false));
    let shape = Shape::default().set("", &format!("grpc.tls_ca={}", authorities.display()));
    let shape = files[0].set(shape, "");
    let shape = of_front.set(of_provisioning.set(shape, "provisioning-1"), "cwmp-3");
    let Some(mut bench) = Bench::start(shape, DEVICES, often).await else { return };
    let steady = Steady::start(&bench.api, &bench.fleet);

    // Rotated, the authority included: first both are believed, then all show the new one, then only it is believed.
    let from = steady.mark();
    believe(&[&first, &second]);
    tokio::time::sleep(LOOKED).await;
    files.iter().for_each(|files| second.write(files, false));
    tokio::time::sleep(LOOKED).await;
    believe(&[&second]);
    tokio::time::sleep(LOOKED).await;
    let rotated = steady.since(from);
    // Connections that stand were made before: now new ones are made, each process in its turn.
    for process in &mut bench.cluster.provisioning {
        process.kill();
        process.start().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(serving(&bench, 0).await, None, "a front-end that was not restarted reaches what was");

    // One shows a certificate that nobody believes: it is as if it were away.
    let from_wrong = steady.mark();
    for (authority, is_expired) in [(&foreign, false), (&second, true)] {
        authority.write(of_provisioning, is_expired);
        bench.cluster.provisioning[0].kill();
        bench.cluster.provisioning[0].start().await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        bench.cluster.provisioning[1].kill();
        until("no process of provisioning is believed", SOON, || async { serving(&bench, 0).await }).await;
        bench.cluster.provisioning[1].start().await;
        until("the other one is", SOON, || async { serving(&bench, 0).await.is_none().then_some(()) }).await;
    }
    // And is there again without a restart when it has a right one.
    second.write(of_provisioning, false);
    tokio::time::sleep(LOOKED).await;
    bench.cluster.provisioning[1].kill();
    tokio::time::sleep(LOOKED).await;
    assert_eq!(serving(&bench, 0).await, None, "provisioning-1 serves alone");
    bench.cluster.provisioning[1].start().await;
    let counts = steady.since(from);
    let wrong_ones = steady.since(from_wrong);

    // A front-end that nobody believes gets no verifier: it has to refuse.
    let calls = steady.stop().await;
    let mut judged = bench.judge(&calls).await;
    foreign.write(of_front, false);
    bench.cluster.fronts[2].kill();
    bench.cluster.fronts[2].start().await;
    let told = outcomes_at(&bench, 2).await;
    if told.is_empty() || told.iter().any(|outcome| outcome != "busy") {
        judged.wrong.push(format!("P16: a front-end that is not believed refuses with 503, but: {told:?}"));
    }
    judged.wrong.extend(counts.no_session_failed("P16", DEVICES, "certificates changing"));
    // While all were believed nobody else noticed anything either.
    judged.wrong.extend(rotated.refused.iter().map(|why| format!("P12: a call failed during the rotation: {why}")));
    tell_figures(&format!(
        "rotated: {} sessions completed and {} failed; wrong and expired: {} and {}; {}",
        rotated.completed,
        rotated.failures(),
        wrong_ones.completed,
        wrong_ones.failures(),
        judged.figures()
    ));
    judged.hold();
    bench.finish();
}

/// Why a front-end finds that no process of provisioning serves.
async fn serving(bench: &Bench, front: usize) -> Option<String> {
    let report = bench.cluster.fronts[front].report().await;
    let check = report["checks"].as_array()?.iter().find(|check| check["name"] == "provisioning")?.clone();
    (check["passing"] == false).then(|| check["detail"].as_str().unwrap_or_default().to_owned())
}

/// How sessions of devices end that this front-end has not seen.
async fn outcomes_at(bench: &Bench, front: usize) -> Vec<String> {
    let mut config = bench.strangers(0xFFFF_FFFE);
    config.acs_url = bench.cluster.front_url(front);
    let fleet = Fleet::start(config).await.expect("the fleet starts");
    tokio::time::sleep(LOOKED).await;
    outcomes(fleet.ledger().lines())
}
