//! Valid messages of every kind, for several tests: as strategies, and one of each.
#![allow(dead_code)] // each test file uses a part

use cwmp_codec::{
    AcsRequest, AcsResponse, AddObject, AddObjectResponse, CpeRequest, CpeResponse, CwmpNamespace, CwmpVersion,
    DeleteObject, DeleteObjectResponse, Download, DownloadResponse, Envelope, Event, Fault, GetParameterNames,
    GetParameterNamesResponse, GetParameterValues, GetParameterValuesResponse, GetRpcMethodsResponse, Header, Inform,
    InformResponse, Message, ParameterFault, ParameterInfo, SetParameterValues, SetParameterValuesResponse,
    TransferComplete,
};
use cwmp_model::{DeviceIdentity, ParameterPath, ParameterValue, Value, ValueType};
use proptest::collection::vec;
use proptest::prelude::*;

/// Whether the ACS sends it.
pub(crate) fn from_acs(message: &Message) -> bool {
    matches!(message, Message::AcsRequest(_) | Message::AcsResponse(_))
}

/// One message of each kind, valid in each of the three namespaces of the schemas.
pub(crate) fn every_kind() -> Vec<Envelope> {
    let messages =
        cpe_requests().into_iter().chain(acs_messages()).chain(cpe_responses()).chain([Message::Fault(fault())]);
    messages
        .map(|message| Envelope {
            namespace: Some(CwmpNamespace::V1_0),
            header: Header { id: Some("id-1 <&>".to_owned()), ..Header::default() },
            message,
        })
        .collect()
}

fn path(text: &str) -> ParameterPath {
    ParameterPath::new(text).expect("a path")
}

fn values() -> Vec<ParameterValue> {
    [
        (ValueType::String, "a \"b\" 'c' <d> & \u{e9}\u{1F600}\r\n\t"),
        (ValueType::Int, "-2147483648"),
        (ValueType::UnsignedInt, "4294967295"),
        (ValueType::Long, "-9223372036854775808"),
        (ValueType::UnsignedLong, "18446744073709551615"),
        (ValueType::Boolean, "1"),
        (ValueType::DateTime, "2024-05-01T10:00:00Z"),
        (ValueType::Base64, "QUJD"),
        (ValueType::HexBinary, "0AFF"),
    ]
    .into_iter()
    .map(|(kind, text)| ParameterValue {
        name: path(&format!("Device.X_ACME_Types.{}", kind.as_str())),
        value: Value::new(kind, text),
    })
    .collect()
}

fn fault() -> Fault {
    let one = |name: &str, code| ParameterFault { name: path(name), code, text: "no".to_owned() };
    let parameters = vec![one("Device.A", 9005), one("Device.B", 9007)];
    Fault { code: 9003, text: "Invalid arguments".to_owned(), parameters }
}

fn cpe_requests() -> Vec<Message> {
    let event = |code: &str, key: &str| Event { code: code.to_owned(), command_key: key.to_owned() };
    let inform = Inform {
        device: DeviceIdentity {
            manufacturer: "Acme".to_owned(),
            oui: "00D09E".to_owned(),
            product_class: "Gateway".to_owned(),
            serial_number: "SN0001".to_owned(),
        },
        events: vec![event("0 BOOTSTRAP", ""), event("1 BOOT", ""), event("M Reboot", "rb-1")],
        max_envelopes: 1,
        current_time: "2024-05-01T10:00:00+02:00".to_owned(),
        retry_count: 2,
        parameters: values(),
    };
    let complete = TransferComplete {
        command_key: "fw-42".to_owned(),
        fault: Fault { code: 9010, text: "no".to_owned(), parameters: vec![] },
        start_time: "0001-01-01T00:00:00Z".to_owned(),
        complete_time: "0001-01-01T00:00:00Z".to_owned(),
    };
    [CpeRequest::Inform(inform), CpeRequest::TransferComplete(complete), CpeRequest::GetRpcMethods]
        .map(Message::CpeRequest)
        .into()
}

fn acs_messages() -> Vec<Message> {
    let key = || "0123456789abcdef0123456789abcdef".to_owned();
    let download = Download {
        command_key: key(),
        file_type: "1 Firmware Upgrade Image".to_owned(),
        url: "https://files.example.net/fw.bin?a=1&b=2".to_owned(),
        username: "u".to_owned(),
        password: "p<>".to_owned(),
        file_size: 1,
        target_file_name: "fw.bin".to_owned(),
        ..Download::default()
    };
    let requests = [
        AcsRequest::GetRpcMethods,
        AcsRequest::SetParameterValues(SetParameterValues { parameters: values(), parameter_key: key() }),
        AcsRequest::GetParameterValues(GetParameterValues { names: vec![path("Device."), path("Device.A")] }),
        AcsRequest::GetParameterNames(GetParameterNames { path: path("Device."), next_level: true }),
        AcsRequest::AddObject(AddObject { object: path("Device.NAT.PortMapping."), parameter_key: key() }),
        AcsRequest::DeleteObject(DeleteObject { object: path("Device.NAT.PortMapping.1."), parameter_key: key() }),
        AcsRequest::Download(download),
        AcsRequest::Reboot { command_key: key() },
        AcsRequest::FactoryReset,
    ];
    let methods = ["Inform", "GetRPCMethods", "TransferComplete"].map(str::to_owned).to_vec();
    let responses =
        [AcsResponse::Inform(InformResponse), AcsResponse::TransferComplete, AcsResponse::GetRpcMethods(methods)];
    requests.map(Message::AcsRequest).into_iter().chain(responses.map(Message::AcsResponse)).collect()
}

fn cpe_responses() -> Vec<Message> {
    let time = || "0001-01-01T00:00:00Z".to_owned();
    let info = |name: &str, writable| ParameterInfo { name: path(name), writable };
    let parameters = vec![info("Device.", false), info("Device.A", true)];
    [
        CpeResponse::GetRpcMethods(GetRpcMethodsResponse { methods: vec!["Reboot".to_owned()] }),
        CpeResponse::SetParameterValues(SetParameterValuesResponse { status: 1 }),
        CpeResponse::GetParameterValues(GetParameterValuesResponse { parameters: values() }),
        CpeResponse::GetParameterNames(GetParameterNamesResponse { parameters }),
        CpeResponse::AddObject(AddObjectResponse { instance: 3, status: 0 }),
        CpeResponse::DeleteObject(DeleteObjectResponse { status: 0 }),
        CpeResponse::Download(DownloadResponse { status: 1, start_time: time(), complete_time: time() }),
        CpeResponse::Reboot,
        CpeResponse::FactoryReset,
    ]
    .map(Message::CpeResponse)
    .into()
}

/// Any valid envelope with an ID.
pub(crate) fn any_envelope() -> impl Strategy<Value = Envelope> {
    let namespace = prop::sample::select(&CwmpNamespace::ALL[..]);
    (namespace, any_header(), any_message()).prop_map(|(namespace, header, message)| Envelope {
        namespace: Some(namespace),
        header,
        message,
    })
}

fn any_header() -> impl Strategy<Value = Header> {
    let versions = prop::option::of(vec("[0-9]{1,2}\\.[0-9]", 0..5));
    let version = prop::option::of(prop::sample::select(&CwmpVersion::ALL[..]));
    (text(1, 40), any::<Option<bool>>(), any::<Option<u32>>(), versions, version).prop_map(
        |(id, hold_requests, session_timeout, supported_versions, use_version)| Header {
            id: Some(id),
            hold_requests,
            session_timeout,
            supported_versions,
            use_version,
        },
    )
}

/// Text of any characters that XML can carry.
fn text(least: usize, most: usize) -> impl Strategy<Value = String> {
    let xml =
        |c: &char| !matches!(*c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    let odd = prop::sample::select(&['\t', '\n', '\r', '&', '<', '>', '"', '\'', ' ', ']', '\u{7f}', '\u{85}'][..]);
    vec(prop_oneof![4 => any::<char>().prop_filter("an XML character", xml), 1 => odd], least..=most)
        .prop_map(|chars| chars.into_iter().collect())
}

fn any_path() -> impl Strategy<Value = ParameterPath> {
    "[A-Za-z0-9_\\[\\]<&\u{e9}-]{1,20}(\\.[A-Za-z0-9_]{1,10}){0,6}".prop_map(|text| path(&text))
}

fn any_object() -> impl Strategy<Value = ParameterPath> {
    any_path().prop_map(|p| path(&format!("{p}.")))
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text(0, 40).prop_map(Value::string),
        any::<i32>().prop_map(|n| Value::new(ValueType::Int, n.to_string())),
        any::<u32>().prop_map(|n| Value::new(ValueType::UnsignedInt, n.to_string())),
        any::<i64>().prop_map(|n| Value::new(ValueType::Long, n.to_string())),
        any::<u64>().prop_map(|n| Value::new(ValueType::UnsignedLong, n.to_string())),
        any::<bool>().prop_map(|b| Value::new(ValueType::Boolean, if b { "1" } else { "0" })),
        any_time().prop_map(|t| Value::new(ValueType::DateTime, t)),
        "([A-Za-z0-9+/]{4}){0,8}".prop_map(|t| Value::new(ValueType::Base64, t)),
        "([0-9A-Fa-f]{2}){0,8}".prop_map(|t| Value::new(ValueType::HexBinary, t)),
    ]
}

fn any_values() -> impl Strategy<Value = Vec<ParameterValue>> {
    vec((any_path(), any_value()).prop_map(|(name, value)| ParameterValue { name, value }), 0..8)
}

fn any_time() -> impl Strategy<Value = String> {
    "[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\\.[0-9]{1,6})?(Z|[+-]0[0-9]:[0-5][0-9])?"
}

fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        any_cpe_request().prop_map(Message::CpeRequest),
        any_acs_request().prop_map(Message::AcsRequest),
        any_cpe_response().prop_map(Message::CpeResponse),
        any_acs_response().prop_map(Message::AcsResponse),
        any_fault().prop_map(Message::Fault),
    ]
}

fn any_fault() -> impl Strategy<Value = Fault> {
    let code = || prop_oneof![Just(9001u32), 9003u32..=9009, 9800u32..=9899, 8000u32..=8005];
    let parameter =
        (any_path(), code(), text(0, 20)).prop_map(|(name, code, text)| ParameterFault { name, code, text });
    (code(), text(0, 40), vec(parameter, 0..4)).prop_map(|(code, text, parameters)| Fault { code, text, parameters })
}

fn any_cpe_request() -> impl Strategy<Value = CpeRequest> {
    prop_oneof![
        4 => any_inform().prop_map(CpeRequest::Inform),
        2 => any_transfer_complete().prop_map(CpeRequest::TransferComplete),
        1 => Just(CpeRequest::GetRpcMethods),
    ]
}

fn any_inform() -> impl Strategy<Value = Inform> {
    let code = prop::sample::select(
        &["0 BOOTSTRAP", "1 BOOT", "4 VALUE CHANGE", "M Download", "M X_ACME_Do", "X 00D09E On"][..],
    );
    let event = (code, text(0, 32)).prop_map(|(code, command_key)| Event { code: code.to_owned(), command_key });
    let device = (text(0, 64), "[0-9A-F]{6}", text(0, 64), text(1, 64)).prop_map(
        |(manufacturer, oui, product_class, serial_number)| DeviceIdentity {
            manufacturer,
            oui,
            product_class,
            serial_number,
        },
    );
    (device, vec(event, 0..6), any_time(), any::<u32>(), any_values()).prop_map(
        |(device, events, current_time, retry_count, parameters)| Inform {
            device,
            events,
            max_envelopes: 1,
            current_time,
            retry_count,
            parameters,
        },
    )
}

fn any_transfer_complete() -> impl Strategy<Value = TransferComplete> {
    let code = prop::sample::select(&[0u32, 9001, 9002, 9010, 9011, 9012][..]);
    (text(0, 32), code, text(0, 60), any_time(), any_time()).prop_map(
        |(command_key, code, text, start_time, complete_time)| TransferComplete {
            command_key,
            fault: Fault { code, text, parameters: vec![] },
            start_time,
            complete_time,
        },
    )
}

fn any_acs_request() -> impl Strategy<Value = AcsRequest> {
    let distinct = |mut parameters: Vec<ParameterValue>| {
        let mut seen = std::collections::HashSet::new();
        parameters.retain(|p| seen.insert(p.name.clone()));
        parameters
    };
    prop_oneof![
        Just(AcsRequest::GetRpcMethods),
        Just(AcsRequest::FactoryReset),
        text(0, 32).prop_map(|command_key| AcsRequest::Reboot { command_key }),
        (any_values(), text(0, 32)).prop_map(move |(parameters, parameter_key)| {
            AcsRequest::SetParameterValues(SetParameterValues { parameters: distinct(parameters), parameter_key })
        }),
        vec(prop_oneof![any_path(), any_object(), Just(ParameterPath::root())], 1..8)
            .prop_map(|names| AcsRequest::GetParameterValues(GetParameterValues { names })),
        (any_object(), any::<bool>())
            .prop_map(|(path, next_level)| AcsRequest::GetParameterNames(GetParameterNames { path, next_level })),
        (any_object(), text(0, 32))
            .prop_map(|(object, parameter_key)| AcsRequest::AddObject(AddObject { object, parameter_key })),
        (any_object(), text(0, 32))
            .prop_map(|(object, parameter_key)| AcsRequest::DeleteObject(DeleteObject { object, parameter_key })),
        any_download().prop_map(AcsRequest::Download),
    ]
}

fn any_download() -> impl Strategy<Value = Download> {
    let file_type = prop::sample::select(&["1 Firmware Upgrade Image", "2 Web Content", "X MIKROTIK Factory File"][..]);
    let names = (text(0, 32), text(0, 60), text(0, 60), text(0, 60));
    let urls = ("https://[a-z]{1,20}/[a-z?&=<]{0,30}", text(0, 40), text(0, 40));
    (names, file_type, urls, any::<u32>(), any::<u32>()).prop_map(
        |(names, file_type, urls, file_size, delay_seconds)| {
            let (command_key, username, password, target_file_name) = names;
            let (url, success_url, failure_url) = urls;
            Download {
                command_key,
                file_type: file_type.to_owned(),
                url,
                username,
                password,
                file_size,
                target_file_name,
                delay_seconds,
                success_url,
                failure_url,
            }
        },
    )
}

fn any_cpe_response() -> impl Strategy<Value = CpeResponse> {
    let info = (any_path(), any::<bool>()).prop_map(|(name, writable)| ParameterInfo { name, writable });
    prop_oneof![
        Just(CpeResponse::Reboot),
        Just(CpeResponse::FactoryReset),
        vec("[A-Za-z_]{1,64}", 1..8).prop_map(|methods| CpeResponse::GetRpcMethods(GetRpcMethodsResponse { methods })),
        (0..=1u32).prop_map(|status| CpeResponse::SetParameterValues(SetParameterValuesResponse { status })),
        (0..=1u32).prop_map(|status| CpeResponse::DeleteObject(DeleteObjectResponse { status })),
        (1..=u32::MAX, 0..=1u32)
            .prop_map(|(instance, status)| CpeResponse::AddObject(AddObjectResponse { instance, status })),
        any_values().prop_map(|parameters| CpeResponse::GetParameterValues(GetParameterValuesResponse { parameters })),
        vec(info, 0..8).prop_map(|parameters| CpeResponse::GetParameterNames(GetParameterNamesResponse { parameters })),
        (0..=1u32, any_time(), any_time()).prop_map(|(status, start_time, complete_time)| {
            CpeResponse::Download(DownloadResponse { status, start_time, complete_time })
        }),
    ]
}

fn any_acs_response() -> impl Strategy<Value = AcsResponse> {
    prop_oneof![
        Just(AcsResponse::Inform(InformResponse)),
        Just(AcsResponse::TransferComplete),
        vec("[A-Za-z_]{1,64}", 1..8).prop_map(AcsResponse::GetRpcMethods),
    ]
}
