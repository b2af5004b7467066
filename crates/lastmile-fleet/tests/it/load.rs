use std::time::Duration;

use lastmile_fleet::load::{LoadConfig, Pace, run};
use lastmile_fleet::{FleetConfig, StartError};

use crate::acs::Acs;
use crate::{config, events};

fn load(pace: Pace) -> LoadConfig {
    LoadConfig { pace, duration: Duration::from_millis(1500), event: "2 PERIODIC".into(), warm_up: true }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_is_kept_and_counted() {
    let acs = Acs::start().await;
    let fleet = FleetConfig { devices: 50, ..config(&acs) };
    let mut lines = 0;
    let report = run(fleet, load(Pace::Rate(100.0)), |_| lines += 1).await.unwrap();
    assert!((140..=160).contains(&report.sessions.completed), "{report:?}");
    assert_eq!((report.sessions.failed, report.not_begun, report.unfinished), (0, 0, 0));
    assert!(report.sessions.latency_ms.p50 > 0.0 && report.sessions.latency_ms.max >= report.sessions.latency_ms.p99);
    assert_eq!(lines, 1);
    assert!(report.failure_share() == 0.0);
    let events = events(&acs);
    assert_eq!(events.iter().filter(|codes| codes[0] == "0 BOOTSTRAP").count(), 50, "each device came up once");
    assert_eq!(events.len() as u64, 50 + report.sessions.completed, "the first sessions are not counted");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["pace"]["rate"], 100.0);
    assert_eq!(json["completed"], report.sessions.completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_sessions_are_open_at_a_time() {
    let acs = Acs::start().await;
    let fleet = FleetConfig { devices: 20, ..config(&acs) };
    let mut most = 0;
    let report = run(fleet, load(Pace::Concurrency(4)), |progress| most = most.max(progress.in_flight)).await.unwrap();
    assert!(report.sessions.completed > 50, "{report:?}");
    assert!(most <= 4);
    assert_eq!(report.sessions.failed, 0);
}

#[tokio::test]
async fn failures_are_counted_by_kind_and_a_senseless_load_is_refused() {
    let nobody = FleetConfig { devices: 2, ..FleetConfig::new("http://127.0.0.1:1/") };
    let report = run(nobody.clone(), load(Pace::Rate(20.0)), |_| {}).await.unwrap();
    assert_eq!(report.sessions.completed, 0);
    assert!(report.sessions.failures["connect"] > 10 && report.failure_share() == 1.0, "{report:?}");
    for pace in [Pace::Rate(0.0), Pace::Rate(f64::NAN), Pace::Concurrency(0)] {
        assert!(matches!(run(nobody.clone(), load(pace), |_| {}).await, Err(StartError::Config(_))));
    }
}
