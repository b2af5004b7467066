use cwmp_model::{DeviceIdentity, ParameterValue};

use super::{COMMAND_KEY_CHARS_MAX, TIME_CHARS_MAX, parameter_list};
use crate::arguments::{Arguments, invalid, lenient_number, list, text};
use crate::value::{check_date_time, form, is_date_time};
use crate::xml::{Element, Reader, Writer};
use crate::{CwmpNamespace, DecodeError, EncodeError, Limit, Remark};

/// Inform (TR-069 A.3.3.1).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inform {
    /// DeviceId.
    pub device: DeviceIdentity,
    /// Event: a set of at most 64 entries (CWMP-180).
    pub events: Vec<Event>,
    /// MaxEnvelopes; its value is ignored (CWMP-113).
    pub max_envelopes: u32,
    /// CurrentTime, as sent; for display only (CWMP-081).
    pub current_time: String,
    /// RetryCount (CWMP-199).
    pub retry_count: u32,
    /// ParameterList: current values of the device (CWMP-138).
    pub parameters: Vec<ParameterValue>,
}

/// EventStruct.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Event {
    /// EventCode, for example `0 BOOTSTRAP`.
    pub code: String,
    /// CommandKey; empty where the cause has none.
    pub command_key: String,
}

/// InformResponse. MaxEnvelopes is always 1 (CWMP-112).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InformResponse;

const METHOD: &str = "Inform";
const DEVICE_ID_CHARS_MAX: usize = 64;
const EVENT_CODE_CHARS_MAX: usize = 64;
/// Events of one Inform by the standard (CWMP-180).
const EVENTS_MAX: usize = 64;

impl Inform {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut inform = Self::default();
        let mut arguments =
            Arguments::new(&["DeviceId", "Event", "MaxEnvelopes", "CurrentTime", "RetryCount", "ParameterList"]);
        while let Some((argument, element)) = arguments.next(r)? {
            match argument {
                "DeviceId" => inform.device = decode_device(r)?,
                "Event" => inform.events = decode_events(r, &element)?,
                "MaxEnvelopes" => inform.max_envelopes = lenient_number(r, argument)?,
                "CurrentTime" => inform.current_time = text(r, argument, TIME_CHARS_MAX)?,
                "RetryCount" => inform.retry_count = lenient_number(r, argument)?,
                _ => inform.parameters = parameter_list::decode(r, &element)?,
            }
        }
        if inform.device.serial_number.is_empty() {
            return Err(invalid(r, METHOD, "DeviceId", "has no SerialNumber"));
        }
        inform.note(r, &arguments);
        Ok(inform)
    }

    fn note(&self, r: &mut Reader<'_>, arguments: &Arguments) {
        if !arguments.has("Event") {
            r.note(Remark::EventListMissing);
        }
        if self.events.len() > EVENTS_MAX {
            r.note(Remark::EventsTooMany);
        }
        if self.events.iter().any(|e| !event_code_exists(&e.code, CwmpNamespace::V1_2)) {
            r.note(Remark::EventCodeForm);
        }
        if self.max_envelopes != 1 {
            r.note(Remark::MaxEnvelopesOther);
        }
        if !is_date_time(self.current_time.trim()) {
            r.note(Remark::CurrentTimeForm);
        }
        if !arguments.has("RetryCount") {
            r.note(Remark::RetryCountMissing);
        }
        if !is_oui(&self.device.oui) {
            r.note(Remark::OuiForm);
        }
        arguments.note_missing(r, &["ParameterList"]);
    }

    pub(crate) fn encode(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        check_date_time("CurrentTime", &self.current_time)?;
        w.open("cwmp:Inform");
        encode_device(w, &self.device)?;
        encode_events(w, &self.events)?;
        w.number("MaxEnvelopes", self.max_envelopes);
        w.text("CurrentTime", &self.current_time, TIME_CHARS_MAX)?;
        w.number("RetryCount", self.retry_count);
        parameter_list::encode(w, &self.parameters)?;
        w.close("cwmp:Inform");
        Ok(())
    }
}

impl InformResponse {
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut arguments = Arguments::new(&["MaxEnvelopes"]);
        while let Some((argument, _)) = arguments.next(r)? {
            if lenient_number(r, argument)? != 1 {
                r.note(Remark::MaxEnvelopesOther);
            }
        }
        arguments.note_missing(r, &["MaxEnvelopes"]);
        Ok(Self)
    }

    pub(crate) fn encode(self, w: &mut Writer<'_>) {
        w.open("cwmp:InformResponse");
        w.number("MaxEnvelopes", 1);
        w.close("cwmp:InformResponse");
    }
}

fn decode_device(r: &mut Reader<'_>) -> Result<DeviceIdentity, DecodeError> {
    let mut device = DeviceIdentity::default();
    let mut members = Arguments::new(&["Manufacturer", "OUI", "ProductClass", "SerialNumber"]);
    while let Some((member, _)) = members.next(r)? {
        let part = match member {
            "Manufacturer" => &mut device.manufacturer,
            "OUI" => &mut device.oui,
            "ProductClass" => &mut device.product_class,
            _ => &mut device.serial_number,
        };
        *part = text(r, member, DEVICE_ID_CHARS_MAX)?;
    }
    members.note_missing(r, &["Manufacturer", "OUI", "ProductClass"]);
    Ok(device)
}

fn decode_events<'a>(r: &mut Reader<'a>, element: &Element<'a>) -> Result<Vec<Event>, DecodeError> {
    let mut events = Vec::new();
    list(r, element, "EventStruct", |r, _| {
        if events.len() >= r.limits().events {
            return Err(r.too_large(Limit::Events, r.limits().events));
        }
        let mut event = Event::default();
        let mut members = Arguments::new(&["EventCode", "CommandKey"]);
        while let Some((member, _)) = members.next(r)? {
            match member {
                "EventCode" => event.code = text(r, member, EVENT_CODE_CHARS_MAX)?.trim().to_owned(),
                _ => event.command_key = text(r, member, COMMAND_KEY_CHARS_MAX)?,
            }
        }
        members.note_missing(r, &["EventCode", "CommandKey"]);
        events.push(event);
        Ok(())
    })?;
    Ok(events)
}

fn encode_device(w: &mut Writer<'_>, device: &DeviceIdentity) -> Result<(), EncodeError> {
    if !is_oui(&device.oui) {
        return Err(form("OUI", &device.oui, "six upper-case hexadecimal digits"));
    }
    w.open("DeviceId");
    w.text("Manufacturer", &device.manufacturer, DEVICE_ID_CHARS_MAX)?;
    w.text("OUI", &device.oui, DEVICE_ID_CHARS_MAX)?;
    w.text("ProductClass", &device.product_class, DEVICE_ID_CHARS_MAX)?;
    w.text("SerialNumber", &device.serial_number, DEVICE_ID_CHARS_MAX)?;
    w.close("DeviceId");
    Ok(())
}

fn encode_events(w: &mut Writer<'_>, events: &[Event]) -> Result<(), EncodeError> {
    if events.len() > EVENTS_MAX {
        return Err(EncodeError::TooMany { field: "Event", limit: EVENTS_MAX, count: events.len() });
    }
    w.open_array("Event", "cwmp:EventStruct", events.len());
    for event in events {
        check_event_code(&event.code, w.namespace())?;
        w.open("EventStruct");
        w.text("EventCode", &event.code, EVENT_CODE_CHARS_MAX)?;
        w.text("CommandKey", &event.command_key, COMMAND_KEY_CHARS_MAX)?;
        w.close("EventStruct");
    }
    w.close("Event");
    Ok(())
}

fn check_event_code(code: &str, namespace: CwmpNamespace) -> Result<(), EncodeError> {
    if event_code_exists(code, namespace) {
        return Ok(());
    }
    if event_code_exists(code, CwmpNamespace::V1_2) {
        return Err(EncodeError::NotInNamespace { field: "EventCode", text: code.to_owned(), namespace });
    }
    Err(form("EventCode", code, "event code"))
}

/// Whether `namespace` allows the event code: 1.0 lists them, later ones give patterns.
fn event_code_exists(code: &str, namespace: CwmpNamespace) -> bool {
    if let Some(vendors) = code.strip_prefix("X ") {
        return vendors.split_once(' ').is_some_and(|(vendor, event)| {
            !vendor.is_empty() && !event.is_empty() && (namespace >= CwmpNamespace::V1_2 || is_oui(vendor))
        });
    }
    if let Some(method) = code.strip_prefix("M ") {
        let known = matches!(method, "Reboot" | "ScheduleInform" | "Download" | "Upload");
        let one_word = !method.is_empty() && !method.contains(char::is_whitespace);
        return known || (one_word && (namespace > CwmpNamespace::V1_0 || method.starts_with("X_")));
    }
    let Some((number, words)) = code.split_once(' ') else { return false };
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let are_words = words.split(' ').all(|w| !w.is_empty() && !w.contains(char::is_whitespace));
    is_number && are_words && (namespace > CwmpNamespace::V1_0 || EVENTS_OF_1_0.contains(&code))
}

const EVENTS_OF_1_0: [&str; 10] = [
    "0 BOOTSTRAP",
    "1 BOOT",
    "2 PERIODIC",
    "3 SCHEDULED",
    "4 VALUE CHANGE",
    "5 KICKED",
    "6 CONNECTION REQUEST",
    "7 TRANSFER COMPLETE",
    "8 DIAGNOSTICS COMPLETE",
    "9 REQUEST DOWNLOAD",
];

fn is_oui(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_envelope::{assert_reads, decoded, names, read, write_in};
    use crate::{CpeRequest, DecodeClass, Message};
    use CwmpNamespace::{V1_0, V1_1, V1_2};

    const DEVICE: &str = "<DeviceId><Manufacturer>M</Manufacturer><OUI>00D09E</OUI><ProductClass/><SerialNumber>1</SerialNumber></DeviceId>";
    const EVENT: &str = "<Event enc:arrayType='cwmp:EventStruct[1]'><EventStruct><EventCode>2 PERIODIC</EventCode><CommandKey/></EventStruct></Event>";
    const REST: &str =
        "<MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2024-05-01T10:00:00+02:00</CurrentTime><RetryCount>0</RetryCount>";
    const LIST: &str = "<ParameterList enc:arrayType='cwmp:ParameterValueStruct[0]'/>";

    fn inform() -> Inform {
        Inform {
            device: DeviceIdentity {
                manufacturer: "M".to_owned(),
                oui: "00D09E".to_owned(),
                product_class: String::new(),
                serial_number: "1".to_owned(),
            },
            events: vec![Event { code: "2 PERIODIC".to_owned(), command_key: String::new() }],
            max_envelopes: 1,
            current_time: "2024-05-01T10:00:00+02:00".to_owned(),
            retry_count: 0,
            parameters: vec![],
        }
    }

    fn message(inform: Inform) -> Message {
        Message::CpeRequest(CpeRequest::Inform(inform))
    }

    fn body(parts: &[&str]) -> String {
        format!("<cwmp:Inform>{}</cwmp:Inform>", parts.concat())
    }

    #[test]
    fn cwmp_069_any_order() {
        assert_reads(&body(&[DEVICE, EVENT, REST, LIST]), &message(inform()), &[]);
        assert_reads(&body(&[DEVICE, REST, LIST, EVENT]), &message(inform()), &["argument_order"]);
    }

    #[test]
    fn cwmp_180_event_lists() {
        let no_events = || message(Inform { events: vec![], ..inform() });
        assert_reads(&body(&[DEVICE, REST, LIST]), &no_events(), &["event_list_missing"]);
        let empty = "<Event enc:arrayType='cwmp:EventStruct[0]'/>";
        assert_reads(&body(&[DEVICE, empty, REST, LIST]), &no_events(), &[]);
        let events = |n: usize| {
            let one = "<EventStruct><EventCode>2 PERIODIC</EventCode><CommandKey/></EventStruct>";
            format!("<Event enc:arrayType='cwmp:EventStruct[{n}]'>{}</Event>", one.repeat(n))
        };
        let remarks = |n: usize| read(&body(&[DEVICE, &events(n), REST, LIST])).map(|d| names(&d.remarks));
        assert_eq!(remarks(64), Ok(vec![]), "CWMP-180");
        assert_eq!(remarks(65), Ok(vec!["events_too_many"]), "CWMP-180");
        assert_eq!(remarks(256), Ok(vec!["events_too_many"]), "CWMP-530");
        assert_eq!(remarks(257).expect_err("CWMP-530").class(), DecodeClass::TooLarge);
        let written = |n: usize| {
            let events = vec![inform().events.remove(0); n];
            write_in(V1_0, message(Inform { events, ..inform() })).is_ok()
        };
        assert!(written(64) && !written(65), "CWMP-180");
    }

    #[test]
    fn cwmp_081_cwmp_113_cwmp_199_what_decides_nothing_may_be_wrong() {
        let rest = "<MaxEnvelopes>0</MaxEnvelopes><CurrentTime></CurrentTime>";
        let read_as = Inform { max_envelopes: 0, current_time: String::new(), ..inform() };
        let remarks = ["max_envelopes_other", "current_time_form", "retry_count_missing"];
        assert_reads(&body(&[DEVICE, EVENT, rest, LIST]), &message(read_as), &remarks);
        for count in ["-1", "4294967296", ""] {
            let rest = format!(
                "<MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2024-05-01T10:00:00Z</CurrentTime><RetryCount>{count}</RetryCount>"
            );
            let decoded = decoded(&body(&[DEVICE, EVENT, &rest, LIST]));
            assert_eq!(names(&decoded.remarks), ["argument_unreadable"], "CWMP-199: {count}");
        }
    }

    #[test]
    fn cwmp_135_identity_is_kept_as_sent() {
        let long = "s".repeat(65);
        let device = format!("<DeviceId><OUI>00d09e</OUI><SerialNumber>{long}</SerialNumber></DeviceId>");
        let decoded = decoded(&body(&[&device, EVENT, REST, LIST]));
        assert_eq!(names(&decoded.remarks), ["text_too_long", "argument_missing", "argument_missing", "oui_form"]);
        let Message::CpeRequest(CpeRequest::Inform(read)) = decoded.envelope.message else { panic!("an Inform") };
        assert_eq!((read.device.oui.as_str(), read.device.serial_number), ("00d09e", long), "CWMP-135");
    }

    #[test]
    fn cwmp_099_an_inform_without_identity() {
        for device in ["", "<DeviceId/>", "<DeviceId><OUI>00D09E</OUI></DeviceId>"] {
            let error = read(&body(&[device, EVENT, REST, LIST])).expect_err("CWMP-099");
            assert_eq!(error.class(), DecodeClass::InvalidArguments, "CWMP-099: {device}");
            let DecodeError::InvalidArguments { answer_to, .. } = error else { panic!("arguments") };
            assert_eq!(answer_to.id.as_deref(), Some("1"), "CWMP-087: a Fault 8003 repeats the ID");
            assert_eq!(answer_to.namespace, Some(V1_0), "CWMP-162");
        }
    }

    #[test]
    fn cwmp_168_event_codes_by_namespace() {
        for (code, namespaces) in [
            ("0 BOOTSTRAP", vec![V1_0, V1_1, V1_2]),
            ("10 AUTONOMOUS TRANSFER COMPLETE", vec![V1_1, V1_2]),
            ("14 HEARTBEAT", vec![V1_1, V1_2]),
            ("M Reboot", vec![V1_0, V1_1, V1_2]),
            ("M ChangeDUState", vec![V1_1, V1_2]),
            ("M X_VENDOR_Do", vec![V1_0, V1_1, V1_2]),
            ("X 00D09E On Fire", vec![V1_0, V1_1, V1_2]),
            ("X VENDOR Event", vec![V1_2]),
            ("PERIODIC", vec![]),
            ("2  PERIODIC", vec![]),
            ("", vec![]),
        ] {
            for namespace in [V1_0, V1_1, V1_2] {
                let events = vec![Event { code: code.to_owned(), command_key: String::new() }];
                let ok = write_in(namespace, message(Inform { events, ..inform() })).is_ok();
                assert_eq!(ok, namespaces.contains(&namespace), "CWMP-168: {code} in {namespace:?}");
            }
        }
    }

    #[test]
    fn cwmp_084_device_id_parts_of_64_characters() {
        let named = |n: usize| {
            let device = DeviceIdentity { serial_number: "\u{e9}".repeat(n), ..inform().device };
            write_in(V1_0, message(Inform { device, ..inform() }))
        };
        assert!(named(64).is_ok(), "CWMP-084");
        let error = named(65).expect_err("CWMP-084");
        assert_eq!(error, EncodeError::TooLong { field: "SerialNumber", limit: 64, chars: 65 });
    }

    #[test]
    fn cwmp_112_inform_response() {
        let response = Message::AcsResponse(crate::AcsResponse::Inform(InformResponse));
        let xml = write_in(V1_0, response.clone()).expect("CWMP-112");
        assert!(xml.contains("<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>"));
        assert_reads("<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>", &response, &[]);
        assert_reads("<cwmp:InformResponse/>", &response, &["argument_missing"]);
    }
}
