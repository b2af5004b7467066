//! Requirements of the CWMP list that are the codec's, each by its number.

mod messages;

use cwmp_codec::{AcsResponse, CpeRequest, Limits, Message, decode, decode_from_acs, encode};
use messages::every_kind;

fn envelope(body: &str) -> String {
    format!(
        "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:enc=\"http://schemas.xmlsoap.org/soap/encoding/\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:cwmp=\"urn:dslforum-org:cwmp-1-2\" \
         xmlns:v=\"urn:vendor\"><soap:Header><cwmp:ID soap:mustUnderstand=\"1\">1</cwmp:ID></soap:Header>\
         <soap:Body>{body}</soap:Body></soap:Envelope>"
    )
}

/// `extra` stands for unknown elements, `attribute` for an unknown attribute, each wherever it may turn up.
fn inform(extra: &str, attribute: &str) -> Message {
    let text = envelope(&format!(
        "<cwmp:Inform{attribute}>{extra}<DeviceId{attribute}><Manufacturer>Acme</Manufacturer>{extra}<OUI>00AABB</OUI>\
         <ProductClass>IGD</ProductClass><SerialNumber{attribute}>S1</SerialNumber>{extra}</DeviceId>\
         <Event enc:arrayType=\"cwmp:EventStruct[1]\"{attribute}><EventStruct{attribute}>{extra}\
         <EventCode>1 BOOT</EventCode><CommandKey{attribute}></CommandKey>{extra}</EventStruct></Event>\
         <MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2026-01-31T12:00:00Z</CurrentTime>{extra}<RetryCount>0</RetryCount>\
         <ParameterList enc:arrayType=\"cwmp:ParameterValueStruct[1]\"><ParameterValueStruct{attribute}>{extra}\
         <Name>Device.DeviceInfo.SoftwareVersion</Name>{extra}\
         <Value xsi:type=\"xsd:string\"{attribute}>1.0</Value></ParameterValueStruct></ParameterList>{extra}</cwmp:Inform>"
    ));
    decode(text.as_bytes(), None, &Limits::default()).unwrap_or_else(|e| panic!("{e}: {text}")).envelope.message
}

#[test]
fn cwmp_070_what_is_unknown_inside_a_known_structure_is_passed_over() {
    let plain = inform("", "");
    assert!(matches!(plain, Message::CpeRequest(CpeRequest::Inform(_))));
    let extras = [
        "<Extra/>",
        "<Extra>text</Extra>",
        "<v:Extra v:a=\"1\"><v:Name>not.a.name</v:Name><OUI>FFFFFF</OUI></v:Extra>",
        "<Deep><Deep><Deep><CommandKey>no</CommandKey></Deep></Deep></Deep>",
        "<!-- said --> ",
    ];
    for extra in extras {
        assert_eq!(inform(extra, ""), plain, "CWMP-070: {extra}");
        assert_eq!(inform(extra, " unknown=\"x\" v:other=\"y\""), plain, "CWMP-070: {extra}");
    }
}

#[test]
fn cwmp_071_a_response_is_named_as_its_request_plus_response() {
    let mut seen = 0;
    for envelope in every_kind() {
        let (request, from_acs) = match &envelope.message {
            Message::CpeResponse(response) => (response.method(), false),
            Message::AcsResponse(AcsResponse::Inform(_)) => ("Inform", true),
            Message::AcsResponse(AcsResponse::TransferComplete) => ("TransferComplete", true),
            Message::AcsResponse(AcsResponse::GetRpcMethods(_)) => ("GetRPCMethods", true),
            _ => continue,
        };
        let read = |text: &str| match from_acs {
            true => decode_from_acs(text.as_bytes(), None, &Limits::default()),
            false => decode(text.as_bytes(), None, &Limits::default()),
        };
        let name = format!("cwmp:{request}Response");
        let text = String::from_utf8(encode(&envelope).unwrap_or_else(|e| panic!("{e}: {envelope:?}"))).expect("UTF-8");
        assert_eq!(text.matches(&name).count(), if text.contains(&format!("</{name}>")) { 2 } else { 1 }, "{text}");
        let same = read(&text).unwrap_or_else(|e| panic!("{e}: {text}")).envelope.message;
        assert_eq!(same, envelope.message, "CWMP-071: {request}");
        let other = read(&text.replace(&name, &format!("cwmp:{request}Answer"))).map(|d| d.envelope.message);
        assert_ne!(other.ok(), Some(same), "CWMP-071: {request}: no other name is its response");
        seen += 1;
    }
    assert_eq!(seen, 12, "CWMP-071: responses of both sides");
}
