//! What the byte form of the hot records costs.

use std::hint::black_box;

use acs_proto::{Record, Unsealed};
use acs_types::{
    AuthLevel, DeviceId, EventBody, EventId, EventRecord, InformEvent, InformRecord, Position, SessionId, SessionStamp,
    Tenant,
};
use criterion::{Criterion, criterion_group, criterion_main};
use cwmp_model::{DeviceIdentity, ParameterPath, ParameterValue, Timestamp, Value};

fn inform_record(parameters: u32) -> EventRecord {
    let identity = DeviceIdentity {
        manufacturer: "Acme".into(),
        oui: "00D09E".into(),
        product_class: "Gateway".into(),
        serial_number: "S00000001".into(),
    };
    let session = SessionId::from_bytes([7; 16]);
    let parameter = |n: u32| ParameterValue {
        name: ParameterPath::new(&format!("Device.ManagementServer.Parameter{n}")).expect("a valid path"),
        value: Value::string("http://192.0.2.1:7547/connection-request"),
    };
    EventRecord {
        event_id: EventId::of(&session, 0, 1),
        device: Some(DeviceId::of(&identity)),
        tenant: Tenant::default(),
        subscriber_id: "subscriber-1".into(),
        session: Some(session),
        position: Position { stamp: SessionStamp::from_micros(1_800_000_000_000_000), resume: 0, seq: 1 },
        occurred_at: Timestamp::from_micros(1_800_000_000_000_000),
        emitter: "cwmp-0.1".parse().expect("a valid emitter id"),
        emitter_seq: 12_345,
        late: false,
        body: EventBody::Inform(Box::new(InformRecord {
            identity,
            events: vec![InformEvent {
                code: "2 PERIODIC".into(),
                command_key: String::new(),
                dedup_key: "chain_unknown".into(),
            }],
            retry_count: 0,
            current_time: "2026-01-31T12:00:00Z".into(),
            parameters: (0..parameters).map(parameter).collect(),
            cwmp_version: "1.2".into(),
            remote: Some([192, 0, 2, 1].into()),
            auth: AuthLevel::Device,
            tls: false,
        })),
    }
}

fn records(c: &mut Criterion) {
    let record = inform_record(10);
    let bytes = record.to_bytes(&Unsealed);
    c.bench_function("inform of 10 parameters to bytes", |b| b.iter(|| black_box(&record).to_bytes(&Unsealed)));
    c.bench_function("inform of 10 parameters from bytes", |b| {
        b.iter(|| EventRecord::from_bytes(black_box(&bytes), &Unsealed));
    });
}

criterion_group!(benches, records);
criterion_main!(benches);
