use acs_store::History;
use acs_types::{
    AuthLevel, EventId, Exchange, FaultRecord, RefusedInform, RefusedReason, SessionId, SessionOutcome, SessionPhase,
    SessionRecord, SessionRef, SessionStamp, TaskFault, Tenant,
};
use acs_types::{DeviceId, Scope};
use cwmp_model::Timestamp;
use serde_json::json;

use crate::bench::{Bench, identity};

pub(crate) fn session(device: &DeviceId, n: u8) -> SessionRecord {
    let at = Timestamp::from_seconds(i64::from(n));
    SessionRecord {
        at: SessionRef {
            device: device.clone(),
            session: SessionId::from_bytes([n; 16]),
            stamp: SessionStamp::from_micros(at.as_micros()),
            resume: 0,
        },
        tenant: Tenant::default(),
        front_end: "fe.1".parse().unwrap(),
        started_at: at,
        ended_at: at,
        outcome: SessionOutcome::Completed,
        detail: String::new(),
        remote: Some([192, 0, 2, 1].into()),
        tls: true,
        auth: AuthLevel::Device,
        cwmp_version: "1.2".into(),
        events: vec!["2 PERIODIC".into()],
        retry_count: 0,
        exchanges: vec![Exchange {
            at,
            from_cpe: true,
            phase: SessionPhase::Identification,
            message: "Inform".into(),
            bytes: 1200,
            after_micros: 0,
            task: None,
            remarks: vec!["missing_id".into()],
        }],
        exchange_count: 1,
        record_count: 2,
        complete: true,
        record_hash: Some([0xab; 32]),
    }
}

fn fault(device: &DeviceId, seconds: i64) -> FaultRecord {
    FaultRecord {
        at: Timestamp::from_seconds(seconds),
        tenant: Tenant::default(),
        device: device.clone(),
        session: SessionId::from_bytes([1; 16]),
        task: None,
        method: "GetParameterValues".into(),
        fault: TaskFault { code: 9005, text: "Invalid parameter name".into(), parameters: vec![] },
    }
}

#[tokio::test]
async fn sessions_are_listed_and_one_shows_its_ladder() {
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    bench.store.put_sessions((1..=3).map(|n| session(&device, n)).collect()).await.unwrap();
    let reply = bench.get(&format!("/devices/{device}/sessions?limit=2")).await;
    let items = reply.json["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["id"]), (2, &json!("03".repeat(16))), "newest first");
    assert_eq!(items[0].get("exchanges"), None);
    let rest = bench.get(&format!("/devices/{device}/sessions?after={}", reply.json["next"].as_str().unwrap())).await;
    assert_eq!(rest.json["items"].as_array().unwrap().len(), 1);
    let one = bench.get(&format!("/sessions/{}", "02".repeat(16))).await;
    assert_eq!(one.json["exchanges"][0]["message"], "Inform");
    assert_eq!(one.json["exchanges"][0]["phase"], "identification");
    assert_eq!(bench.get(&format!("/sessions/{}", "09".repeat(16))).await.status, 404);
    assert_eq!(bench.get("/sessions/xyz").await.status, 400);
    assert_eq!(bench.get(&format!("/devices/{device}/sessions?after=AAAA")).await.status, 400);
}

#[tokio::test]
async fn faults_are_listed_for_one_device_and_for_all() {
    let bench = Bench::new().await;
    let (one, two) = (bench.add_device(2).await, bench.add_device(4).await);
    let faults = vec![
        (EventId::from_bytes([1; 16]), fault(&one, 1)),
        (EventId::from_bytes([2; 16]), fault(&two, 2)),
        (EventId::from_bytes([3; 16]), fault(&one, 3)),
    ];
    bench.store.put_faults(faults).await.unwrap();
    let all = bench.get("/faults").await;
    assert_eq!(all.json["items"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&all.json["items"][0]["code"], &all.json["items"][0]["method"]),
        (&json!(9005), &json!("GetParameterValues"))
    );
    let of_one = bench.get(&format!("/devices/{one}/faults?limit=1")).await;
    assert_eq!(of_one.json["items"][0]["at"], "1970-01-01T00:00:03.000000Z");
    assert!(of_one.json["next"].is_string());
    assert_eq!(bench.get("/faults?after=AAAA").await.status, 400);
}

#[tokio::test]
async fn refused_informs_are_listed() {
    // P24
    let bench = Bench::new().await;
    let refused = RefusedInform {
        at: Timestamp::from_seconds(1),
        remote: Some([192, 0, 2, 7].into()),
        identity: identity(3),
        username: "guess".into(),
        reason: RefusedReason::WrongPassword,
    };
    bench.store.put_refused(EventId::from_bytes([1; 16]), refused).await.unwrap();
    let reply = bench.get("/refused-informs").await;
    let item = &reply.json["items"][0];
    assert_eq!((&item["reason"], &item["serial_number"]), (&json!("wrong_password"), &json!("000003")));
    assert_eq!(bench.get("/refused-informs?limit=0").await.status, 400);
}

#[tokio::test]
async fn the_audit_log_is_listed_to_administrators() {
    let bench = Bench::new().await;
    let device = bench.add_device(2).await;
    for _ in 0..3 {
        bench.post(&format!("/devices/{device}/tasks"), &json!({"kind": "reboot"})).await;
    }
    let page = bench.get_as(Scope::Admin, "/audit?limit=2").await;
    let first = &page.json["items"][0];
    assert_eq!(
        (&first["principal"], &first["action"], &first["detail"]),
        (&json!("write"), &json!("task.create"), &json!("reboot"))
    );
    let rest = bench.get_as(Scope::Admin, &format!("/audit?after={}", page.json["next"].as_str().unwrap())).await;
    assert_eq!((rest.json["items"].as_array().unwrap().len(), &rest.json["next"]), (1, &json!(null)));
}
