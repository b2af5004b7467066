//! What one Inform costs through [`Embedded`]: `cargo bench -p acs-store-embedded --bench embedded`.
//!
//! An Inform is a receipt (an awaited append), a summary patch and a session record, one after the other, so three syncs that
//! it shares with the other clients. Making the records and the engine's merging are part of the figures.
#![allow(clippy::unwrap_used, reason = "a bench")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use acs_events::EventSink;
use acs_events::contract::record;
use acs_proto::records::{Record, Unsealed};
use acs_store::contract::sample::{at, device, emitter, first_patch, identity, path, presence, session_record};
use acs_store::{Devices, History};
use acs_store_embedded::{Embedded, Options};
use acs_types::{EventBody, EventRecord, Exchange, InformEvent, InformRecord, SessionId, SessionPhase, SessionRecord};
use cwmp_model::{ParameterValue, Value};

fn inform(n: u64) -> EventRecord {
    let parameter = |i: u32| ParameterValue {
        name: path(&format!("InternetGatewayDevice.ManagementServer.Parameter{i}")),
        value: Value::string("http://192.0.2.1:7547/0123456789"),
    };
    let body = InformRecord {
        identity: identity(n as u32 % 10_000),
        events: vec![InformEvent { code: "2 PERIODIC".into(), command_key: String::new(), dedup_key: "x".repeat(32) }],
        retry_count: 0,
        current_time: "2026-01-31T12:00:00Z".into(),
        parameters: (0..12).map(parameter).collect(),
        cwmp_version: "1.0".into(),
        remote: presence(1).remote,
        auth: presence(1).auth,
        tls: false,
    };
    EventRecord { emitter: emitter(), body: EventBody::Inform(Box::new(body)), ..record(1, n) }
}

fn session(n: u64) -> SessionRecord {
    let mut session = session_record(n as u32 % 10_000, 0, n as i64);
    session.at.session = SessionId::from_bytes(u128::from(n).to_be_bytes());
    session.exchanges = (0..4)
        .map(|i| Exchange {
            at: at(n as i64),
            from_cpe: i % 2 == 0,
            phase: SessionPhase::Identification,
            message: "InformResponse".into(),
            bytes: 1500,
            after_micros: 900,
            task: None,
            remarks: Vec::new(),
        })
        .collect();
    session
}

/// User and system time of this process.
fn cpu() -> [Duration; 2] {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    [11, 12].map(|i: usize| Duration::from_millis(fields[i].parse::<u64>().unwrap() * 10))
}

fn main() {
    let folder = tempfile::tempdir_in(std::env::var("BENCH_FOLDER").unwrap_or_else(|_| ".".into())).unwrap();
    let store = Embedded::open(folder.path(), Options::new(Arc::new(Unsealed))).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!(
        "an event has {} bytes, a session {}",
        inform(1).to_bytes(&Unsealed).len(),
        session(1).to_bytes(&Unsealed).len()
    );
    let began = Instant::now();
    for n in 0..100_000 {
        let record = std::hint::black_box(inform(n));
        std::hint::black_box((record.to_bytes(&Unsealed), session(n).to_bytes(&Unsealed), first_patch(1, 1)));
    }
    println!("making the records of one Inform and turning them into bytes: {:?}", began.elapsed() / 100_000);
    for clients in [1_u64, 16, 64, 256] {
        let informs: u64 = if clients == 1 { 2_000 } else { 60_000 };
        let (began, before) = (Instant::now(), cpu());
        runtime.block_on(async {
            let client = |client: u64| {
                let store = store.clone();
                tokio::spawn(async move {
                    for n in (client..informs).step_by(clients as usize) {
                        store.append(vec![inform(n)]).await.unwrap();
                        store
                            .patch_summary(&device(n as u32 % 10_000), first_patch(n as u32 % 10_000, n as i64))
                            .await
                            .unwrap();
                        store.put_sessions(vec![session(n)]).await.unwrap();
                    }
                })
            };
            futures::future::join_all((0..clients).map(client).collect::<Vec<_>>()).await;
        });
        let wall = began.elapsed();
        let after = cpu();
        let [user, system] = [0, 1].map(|i| (after[i] - before[i]) / informs as u32);
        let rate = informs as f64 / wall.as_secs_f64();
        println!("{clients} clients: {rate:.0} Informs/s; CPU for each: {user:?} user, {system:?} system");
    }
    for (what, run) in [("partition", true), ("summary", false)] {
        let began = Instant::now();
        runtime.block_on(async {
            for n in 0..100_000_u32 {
                if run {
                    std::hint::black_box(store.partition(&device(n % 10_000)).await.unwrap());
                } else {
                    std::hint::black_box(store.summary(&device(n % 10_000)).await.unwrap());
                }
            }
        });
        println!("{what}: {:?}", began.elapsed() / 100_000);
    }
}
