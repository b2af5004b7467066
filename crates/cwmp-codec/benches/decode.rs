//! What one message costs. The goal: a typical Inform of 3 KB is read in 12 µs.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use cwmp_codec::{
    AcsResponse, CpeRequest, CpeResponse, CwmpNamespace, Envelope, Event, GetParameterValuesResponse, Header, Inform,
    InformResponse, Limits, Message, decode, encode,
};
use cwmp_model::{DeviceIdentity, ParameterPath, ParameterValue, Value, ValueType};

fn envelope(message: Message) -> Envelope {
    let header = Header { id: Some("0123456789".to_owned()), ..Header::default() };
    Envelope { namespace: Some(CwmpNamespace::V1_0), header, message }
}

fn values(count: usize) -> Vec<ParameterValue> {
    let one = |n: usize| ParameterValue {
        name: ParameterPath::new(&format!("InternetGatewayDevice.LANDevice.1.Hosts.Host.{n}.HostName"))
            .expect("a path"),
        value: Value::new([ValueType::String, ValueType::UnsignedInt][n % 2], n.to_string()),
    };
    (0..count).map(one).collect()
}

/// As most devices write: a line for each element, indented.
fn indented(bytes: Vec<u8>) -> Vec<u8> {
    String::from_utf8(bytes).expect("the writer writes UTF-8").replace("><", ">\n        <").into_bytes()
}

fn inform() -> Envelope {
    let device = DeviceIdentity {
        manufacturer: "Acme".to_owned(),
        oui: "00D09E".to_owned(),
        product_class: "Gateway".to_owned(),
        serial_number: "SN0001".to_owned(),
    };
    let events = vec![Event { code: "2 PERIODIC".to_owned(), command_key: String::new() }];
    envelope(Message::CpeRequest(CpeRequest::Inform(Inform {
        device,
        events,
        max_envelopes: 1,
        current_time: "2024-05-01T10:00:00Z".to_owned(),
        retry_count: 0,
        parameters: values(10),
    })))
}

fn codec(c: &mut Criterion) {
    let limits = Limits::default();
    let body = indented(encode(&inform()).expect("a valid Inform"));
    assert!((2900..3300).contains(&body.len()), "an Inform of 3 KB, not {}", body.len());
    let mut group = c.benchmark_group("codec");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("decode Inform 3 KB", |b| b.iter(|| decode(black_box(&body), Some("utf-8"), &limits)));

    let parameters = values(100);
    let response = CpeResponse::GetParameterValues(GetParameterValuesResponse { parameters });
    let body = encode(&envelope(Message::CpeResponse(response))).expect("a valid response");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("decode GetParameterValuesResponse of 100", |b| {
        b.iter(|| decode(black_box(&body), Some("utf-8"), &limits));
    });

    let response = envelope(Message::AcsResponse(AcsResponse::Inform(InformResponse)));
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode InformResponse", |b| b.iter(|| encode(black_box(&response))));
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
