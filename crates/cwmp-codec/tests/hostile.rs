//! P19, P20, X1–X8: what a peer may send to hurt us ends in a clear error, in bounded time, and every limit holds at
//! its edge (CWMP-086, CWMP-530).

use std::time::{Duration, Instant};

use cwmp_codec::{
    DecodeClass, DecodeError, Forbidden, InvalidCharacters, Leniency, Limit, Limits, Message, decode, decode_with,
};

/// Far above what an unoptimised build needs, far below what a quadratic reader would take.
const TIME_MAX: Duration = Duration::from_secs(10);

const OPEN: &str = "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                    xmlns:n=\"http://schemas.xmlsoap.org/soap/encoding/\" \
                    xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:c=\"urn:dslforum-org:cwmp-1-0\">";

fn envelope(body: &str) -> String {
    format!("{OPEN}<e:Header><c:ID e:mustUnderstand=\"1\">1</c:ID></e:Header><e:Body>{body}</e:Body></e:Envelope>")
}

fn values(member: &str) -> String {
    envelope(&format!(
        "<c:GetParameterValuesResponse><ParameterList>{member}</ParameterList></c:GetParameterValuesResponse>"
    ))
}

fn timed(body: &str, limits: &Limits) -> Result<Message, DecodeError> {
    let begin = Instant::now();
    let result = decode(body.as_bytes(), None, limits).map(|d| d.envelope.message);
    assert!(begin.elapsed() < TIME_MAX, "took {:?}", begin.elapsed());
    result
}

fn refused(body: &str) -> DecodeError {
    timed(body, &Limits::default()).expect_err("has to be refused")
}

fn assert_limit(error: &DecodeError, expected: Limit) {
    assert_eq!(error.class(), DecodeClass::TooLarge, "{error}");
    assert!(matches!(error, DecodeError::TooLarge { limit, .. } if *limit == expected), "{error}");
}

fn assert_forbidden(body: &str, expected: Forbidden) {
    let error = refused(body);
    assert_eq!(error.class(), DecodeClass::NotAnEnvelope, "CWMP-086");
    assert!(matches!(error, DecodeError::Forbidden { what, .. } if what == expected), "CWMP-086: {error}");
}

#[test]
fn x1_dtd_and_entity_tricks_are_refused() {
    let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]>";
    let external = "<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>";
    let parameter = "<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://192.0.2.1/x.dtd\"> %p;]>";
    for dtd in [laughs, external, parameter, "<!DOCTYPE x SYSTEM \"http://192.0.2.1/x.dtd\">", "<!doctype x>"] {
        assert_forbidden(&format!("{dtd}{}", envelope("<c:RebootResponse/>")), Forbidden::DocumentType);
        let with_declaration = format!("<?xml version=\"1.0\"?>{dtd}{}", envelope("<c:RebootResponse/>"));
        assert_forbidden(&with_declaration, Forbidden::DocumentType);
    }
}

#[test]
fn x2_entities_and_processing_instructions_are_refused_everywhere() {
    for body in [
        values("<ParameterValueStruct><Name>&f;</Name></ParameterValueStruct>"),
        envelope("<c:Unknown><a>&f;</a></c:Unknown>"),
        envelope("<c:Unknown a=\"&f;\"/>"),
        envelope("&f;<c:RebootResponse/>"),
        envelope("<c:SetParameterValuesResponse>&nbsp;<Status>0</Status></c:SetParameterValuesResponse>"),
    ] {
        assert_forbidden(&body, Forbidden::Entity);
    }
    for body in [
        format!("<?xml-stylesheet href=\"x\"?>{}", envelope("<c:RebootResponse/>")),
        envelope("<?php echo ?><c:RebootResponse/>"),
        envelope("<c:Unknown><a><?x?></a></c:Unknown>"),
        values("<ParameterValueStruct><Name>a<?x?>b</Name></ParameterValueStruct>"),
        format!("{}<?x?>", envelope("<c:RebootResponse/>")),
        format!("<?xml version=\"1.0\"?><?xml version=\"1.0\"?>{}", envelope("<c:RebootResponse/>")),
        envelope("<?xml version=\"1.0\"?><c:RebootResponse/>"),
    ] {
        assert_forbidden(&body, Forbidden::ProcessingInstruction);
    }
}

#[test]
fn x3_depth_100_000() {
    let deep = "<a>".repeat(100_000);
    assert_eq!(refused(&deep).class(), DecodeClass::NotAnEnvelope, "the first element says so");
    assert_limit(&refused(&envelope(&format!("<c:Unknown>{deep}"))), Limit::Depth);
    assert_limit(&refused(&values(&deep)), Limit::Depth);
    assert_limit(&refused(&format!("{OPEN}<e:Header>{deep}")), Limit::Depth);
    assert_limit(&refused(&envelope(&format!("<e:Fault>{}", "<detail>".repeat(100_000)))), Limit::Depth);
}

#[test]
fn x4_100_000_attributes_and_namespaces() {
    let attributes: String = (0..100_000).map(|n| format!(" a{n}=\"\"")).collect();
    assert_limit(&refused(&envelope(&format!("<c:RebootResponse{attributes}/>"))), Limit::Attributes);
    let namespaces: String = (0..100_000).map(|n| format!(" xmlns:a{n}=\"urn:{n}\"")).collect();
    assert_limit(&refused(&envelope(&format!("<c:RebootResponse{namespaces}/>"))), Limit::Attributes);
    let few: String = (0..60).map(|n| format!(" xmlns:a{n}=\"urn:{n}\"")).collect();
    assert_limit(&refused(&envelope(&format!("<c:X><a{few}><a{few}><a{few}>"))), Limit::Namespaces);
}

#[test]
fn x5_a_million_elements() {
    let million = "<a/>".repeat(1_000_000);
    assert_limit(&refused(&envelope(&format!("<c:Unknown>{million}</c:Unknown>"))), Limit::Elements);
    assert_limit(&refused(&values(&million)), Limit::ListMembers);
    assert_limit(&refused(&envelope(&million)), Limit::Elements);
    let faults = "<SetParameterValuesFault/>".repeat(500_000);
    assert_limit(&refused(&envelope(&format!("<e:Fault><detail><c:Fault>{faults}"))), Limit::ListMembers);
    let events = "<EventStruct/>".repeat(300_000);
    assert_limit(&refused(&envelope(&format!("<c:Inform><Event>{events}"))), Limit::Events);
    let entries = "<a/>".repeat(300_000);
    assert_limit(&refused(&format!("{OPEN}<e:Header>{entries}")), Limit::HeaderEntries);
}

#[test]
fn x6_long_names_texts_and_bodies() {
    let long = "a".repeat(2 << 20);
    assert_limit(&refused(&envelope(&format!("<{long}/>"))), Limit::NameBytes);
    assert_limit(&refused(&envelope(&format!("<a {long}=\"\"/>"))), Limit::NameBytes);
    assert_limit(&refused(&envelope(&format!("<a b=\"{long}\"/>"))), Limit::ValueBytes);
    let value = |text: &str| {
        values(&format!("<ParameterValueStruct><Name>a</Name><Value>{text}</Value></ParameterValueStruct>"))
    };
    assert_limit(&refused(&value(&long)), Limit::ValueBytes);
    assert_limit(&refused(&value(&"&amp;".repeat(2 << 20))), Limit::ValueBytes);
    assert_limit(&refused(&" ".repeat((16 << 20) + 1)), Limit::BodyBytes);
}

#[test]
fn x7_unclosed_constructs_end_at_the_end() {
    let filler = "x".repeat(1 << 20);
    for open in ["<!--", "<![CDATA[", "<?x ", "<a b=\"", "<a b='", "&#", "<", "</", "<!"] {
        let body = format!("{OPEN}<e:Body><c:RebootResponse>{open}{filler}");
        assert_eq!(refused(&body).class(), DecodeClass::NotAnEnvelope, "{open}");
    }
}

#[test]
fn x8_repeated_work_stays_linear() {
    // Each pair would be quadratic in a reader that looks back.
    let comments = "<!-- - -->".repeat(200_000);
    assert!(timed(&envelope(&format!("{comments}<c:RebootResponse/>")), &Limits::default()).is_ok());
    let references = "&#65;".repeat(200_000);
    let member = format!("<ParameterValueStruct><Name>a</Name><Value>{references}</Value></ParameterValueStruct>");
    assert!(timed(&values(&member), &Limits::default()).is_ok());
    let untyped = "<ParameterValueStruct><Name>a</Name><Value/></ParameterValueStruct>".repeat(100_000);
    assert!(timed(&values(&untyped), &Limits::default()).is_ok(), "CWMP-029: a large answer is read");
    let typed = "<ParameterValueStruct><Name>a</Name><Value i:type='x'/></ParameterValueStruct>".repeat(100_000);
    assert!(timed(&values(&typed), &Limits::default()).is_ok());
}

/// For each limit: a message that fits exactly, and the value at which it does not.
#[test]
fn cwmp_530_every_limit_holds_at_its_edge() {
    let base = Limits::default();
    let body = values(
        "<ParameterValueStruct><Name>abcd</Name><Value i:type='x:string'>12345678901234567890123456789012345678901234567890</Value></ParameterValueStruct>",
    );
    let inform = envelope(
        "<c:Inform><DeviceId><SerialNumber>1</SerialNumber></DeviceId>\
         <Event><EventStruct/><EventStruct/><EventStruct/></Event></c:Inform>",
    );
    let versions = format!(
        "{OPEN}<e:Header><c:SupportedCWMPVersions>1.0,1.1,1.2,1.3,1.4</c:SupportedCWMPVersions></e:Header>\
         <e:Body><c:RebootResponse/></e:Body></e:Envelope>"
    );
    type Set = fn(&mut Limits, usize);
    let cases: [(&str, Limit, Set, usize); 12] = [
        (&body, Limit::BodyBytes, |l, n| l.body_bytes = n, body.len()),
        (&body, Limit::Depth, |l, n| l.depth = n, 6),
        (&body, Limit::Elements, |l, n| l.elements = n, 9),
        (&body, Limit::Attributes, |l, n| l.attributes = n, 4),
        (&body, Limit::Namespaces, |l, n| l.namespaces = n, 4),
        (&body, Limit::NameBytes, |l, n| l.name_bytes = n, "c:GetParameterValuesResponse".len()),
        (&body, Limit::ValueBytes, |l, n| l.value_bytes = n, 50),
        (&body, Limit::ListMembers, |l, n| l.list_members = n, 1),
        (&inform, Limit::Events, |l, n| l.events = n, 3),
        (&body, Limit::HeaderEntries, |l, n| l.header_entries = n, 1),
        (&body, Limit::IdBytes, |l, n| l.id_bytes = n, 1),
        (&versions, Limit::SupportedVersions, |l, n| l.supported_versions = n, 5),
    ];
    for (body, limit, set, fits) in cases {
        let mut limits = base;
        set(&mut limits, fits);
        assert!(timed(body, &limits).is_ok(), "CWMP-530: {limit} of {fits} fits: {:?}", timed(body, &limits));
        set(&mut limits, fits - 1);
        assert_limit(&timed(body, &limits).expect_err("one less"), limit);
    }
}

#[test]
fn cwmp_083_invalid_characters_by_option() {
    let refuse = Leniency { invalid_characters: InvalidCharacters::Refuse };
    for text in ["\u{2}", "&#2;", "&#0;", "&#xFFFF;"] {
        let body =
            values(&format!("<ParameterValueStruct><Name>a</Name><Value>x{text}y</Value></ParameterValueStruct>"));
        let decoded = decode(body.as_bytes(), None, &Limits::default()).expect("dropped by default");
        assert!(decoded.remarks.iter().any(|r| r.as_str() == "invalid_characters"), "CWMP-083");
        assert!(format!("{:?}", decoded.envelope.message).contains("\"xy\""), "CWMP-083: {text:?}");
        let error = decode_with(body.as_bytes(), None, &Limits::default(), refuse).expect_err("CWMP-083");
        assert!(matches!(error, DecodeError::InvalidCharacter { .. }), "CWMP-083: {error}");
    }
}

#[test]
fn cwmp_103_what_is_no_envelope() {
    let reboot = envelope("<c:RebootResponse/>");
    for (body, class) in [
        (String::new(), DecodeClass::NotAnEnvelope),
        ("hello".to_owned(), DecodeClass::NotAnEnvelope),
        ("<html></html>".to_owned(), DecodeClass::NotAnEnvelope),
        (format!("x{reboot}"), DecodeClass::NotAnEnvelope),
        (format!("{reboot}x"), DecodeClass::NotAnEnvelope),
        (format!("{reboot}{reboot}"), DecodeClass::NotAnEnvelope),
        (format!("{OPEN}</e:Envelope>"), DecodeClass::NotAnEnvelope),
        (envelope(""), DecodeClass::NotAnEnvelope),
        (envelope("<c:RebootResponse></c:Reboot>"), DecodeClass::NotAnEnvelope),
        (envelope("<c:RebootResponse a='1' a='2'/>"), DecodeClass::NotAnEnvelope),
        (envelope("<c:RebootResponse a/>"), DecodeClass::NotAnEnvelope),
        (envelope("<1/>"), DecodeClass::NotAnEnvelope),
        (envelope("<c:RebootResponse/> & more"), DecodeClass::NotAnEnvelope),
        (reboot.replace("http://schemas.xmlsoap.org/soap/envelope/", "urn:other"), DecodeClass::NotAnEnvelope),
        (
            reboot.replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"),
            DecodeClass::Soap12,
        ),
    ] {
        assert_eq!(refused(&body).class(), class, "CWMP-103, CWMP-065: {body}");
    }
}
