use cwmp_model::ParameterPath;

use crate::arguments::{Arguments, parse_number, text};
use crate::xml::{Element, Namespace, Reader, Writer};
use crate::{CwmpNamespace, DecodeError, EncodeError, Limit, Remark};

/// A SOAP Fault with its CWMP fault (CWMP-093 to CWMP-097).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// FaultCode: 8000–8899 of an ACS, 9000–9899 of a CPE. 0 when a device sent a fault without one.
    pub code: u32,
    /// FaultString; may be empty.
    pub text: String,
    /// Every SetParameterValuesFault (CWMP-095).
    pub parameters: Vec<ParameterFault>,
}

/// SetParameterValuesFault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterFault {
    /// ParameterName; the empty path when a device sent none that can be used.
    pub name: ParameterPath,
    /// FaultCode.
    pub code: u32,
    /// FaultString.
    pub text: String,
}

/// FaultString has no limit in the schema; this is ours.
const FAULT_STRING_CHARS_MAX: usize = 1024;

/// Whether a body element is a fault: the SOAP one, or a CWMP fault without it.
pub(crate) fn is_fault(element: &Element<'_>) -> bool {
    element.local == "Fault" && element.namespace.is_familiar()
}

/// Reads the open Fault in all its odd forms (CWMP-094), and the namespace of the CWMP fault in it.
pub(crate) fn decode(r: &mut Reader<'_>) -> Result<(Fault, Option<Namespace>), DecodeError> {
    let mut reading = Reading::default();
    reading.children(r, Place::SoapFault)?;
    Ok(reading.finish(r))
}

#[derive(Default)]
struct Reading {
    code: Option<u32>,
    text: Option<String>,
    soap_text: String,
    parameters: Vec<ParameterFault>,
    namespace: Option<Namespace>,
    has_detail: bool,
}

/// Where an element of a fault stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    SoapFault,
    FaultString,
    Detail,
    CwmpFault,
}

impl Reading {
    // The recursion is bounded by the depth limit of the reader.
    fn children(&mut self, r: &mut Reader<'_>, place: Place) -> Result<(), DecodeError> {
        while let Some(element) = r.child()? {
            self.member(r, &element, place)?;
        }
        Ok(())
    }

    fn member(&mut self, r: &mut Reader<'_>, element: &Element<'_>, place: Place) -> Result<(), DecodeError> {
        match element.local {
            _ if !element.namespace.is_familiar() => ignore(r),
            "faultcode" => note_fault_code(r),
            "faultstring" => self.fault_string(r),
            "faultactor" => r.skip(),
            "detail" => {
                note_place(r, place == Place::SoapFault);
                self.has_detail = true;
                self.children(r, Place::Detail)
            }
            "Fault" => {
                note_place(r, place == Place::Detail);
                self.has_detail = true;
                self.namespace = Some(element.namespace);
                self.children(r, Place::CwmpFault)
            }
            "FaultCode" => {
                note_place(r, place == Place::CwmpFault);
                self.code = Some(code(r)?);
                Ok(())
            }
            "FaultString" => {
                note_place(r, place == Place::CwmpFault);
                self.text = Some(text(r, "FaultString", FAULT_STRING_CHARS_MAX)?);
                Ok(())
            }
            "SetParameterValuesFault" => self.parameter_fault(r),
            _ => ignore(r),
        }
    }

    /// There are devices that put the detail inside.
    fn fault_string(&mut self, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let mut said = std::borrow::Cow::Borrowed("");
        while let Some(element) = r.text_or_child(&mut said)? {
            self.member(r, &element, Place::FaultString)?;
        }
        let said = said.trim();
        if !said.eq_ignore_ascii_case("CWMP fault") {
            r.note(Remark::FaultStringOther);
        }
        self.soap_text = said.to_owned();
        Ok(())
    }

    fn parameter_fault(&mut self, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        if self.parameters.len() >= r.limits().list_members {
            return Err(r.too_large(Limit::ListMembers, r.limits().list_members));
        }
        let mut fault = ParameterFault { name: ParameterPath::root(), code: 0, text: String::new() };
        let mut members = Arguments::new(&["ParameterName", "FaultCode", "FaultString"]);
        while let Some((member, _)) = members.next(r)? {
            match member {
                "ParameterName" => fault.name = crate::arguments::usable_path(r)?.unwrap_or_default(),
                "FaultCode" => fault.code = code(r)?,
                _ => fault.text = text(r, member, FAULT_STRING_CHARS_MAX)?,
            }
        }
        members.note_missing(r, &["ParameterName", "FaultCode"]);
        self.parameters.push(fault);
        Ok(())
    }

    fn finish(self, r: &mut Reader<'_>) -> (Fault, Option<Namespace>) {
        if self.code.is_none() {
            r.note(if self.has_detail { Remark::FaultCodeRange } else { Remark::FaultDetailMissing });
        }
        if self.text.is_none() {
            r.note(Remark::FaultStringMissing);
        }
        let text = self.text.unwrap_or(if self.has_detail { String::new() } else { self.soap_text });
        (Fault { code: self.code.unwrap_or(0), text, parameters: self.parameters }, self.namespace)
    }
}

fn ignore(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    r.note(Remark::ElementUnknown);
    r.skip()
}

fn note_place(r: &mut Reader<'_>, proper: bool) {
    if !proper {
        r.note(Remark::FaultDetailMisplaced);
    }
}

/// faultcode decides nothing (CWMP-097); any prefix will do (CWMP-094).
fn note_fault_code(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    let said = r.text()?;
    let local = said.rsplit(':').next().unwrap_or_default().trim();
    if !matches!(local, "Client" | "Server") {
        r.note(Remark::FaultCodeOther);
    }
    Ok(())
}

fn code(r: &mut Reader<'_>) -> Result<u32, DecodeError> {
    let code = parse_number(&r.text()?).unwrap_or(0);
    if !matches!(code, 8000..=8899 | 9000..=9899) {
        r.note(Remark::FaultCodeRange);
    }
    Ok(code)
}

/// Writes a Fault (CWMP-093).
pub(crate) fn encode(w: &mut Writer<'_>, fault: &Fault) -> Result<(), EncodeError> {
    check_code(w, fault.code)?;
    let side = if is_clients(fault.code) { "Client" } else { "Server" };
    w.raw("<soap-env:Fault><faultcode>");
    w.raw(side);
    w.raw("</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault>");
    w.number("FaultCode", fault.code);
    w.text("FaultString", &fault.text, FAULT_STRING_CHARS_MAX)?;
    for parameter in &fault.parameters {
        check_code(w, parameter.code)?;
        w.open("SetParameterValuesFault");
        w.text("ParameterName", parameter.name.as_str(), ParameterPath::CHARS_MAX)?;
        w.number("FaultCode", parameter.code);
        w.text("FaultString", &parameter.text, FAULT_STRING_CHARS_MAX)?;
        w.close("SetParameterValuesFault");
    }
    w.raw("</cwmp:Fault></detail></soap-env:Fault>");
    Ok(())
}

/// Whether the receiver's request was at fault (column `usual_faultcode` of the fault table).
const fn is_clients(code: u32) -> bool {
    matches!(code, 8003 | 9003 | 9005..=9008 | 9020..=9022)
}

fn check_code(w: &Writer<'_>, code: u32) -> Result<(), EncodeError> {
    if exists(code, w.namespace()) {
        return Ok(());
    }
    Err(EncodeError::NotInNamespace { field: "FaultCode", text: code.to_string(), namespace: w.namespace() })
}

/// Whether `namespace` has the fault `code` (CWMP-168).
const fn exists(code: u32, namespace: CwmpNamespace) -> bool {
    match namespace {
        CwmpNamespace::V1_0 => matches!(code, 8000..=8005 | 8800..=8899 | 9000..=9013 | 9800..=9899),
        CwmpNamespace::V1_1 => matches!(code, 8000..=8005 | 8800..=8899 | 9000..=9019 | 9800..=9899),
        _ => matches!(code, 8000..=8899 | 9000..=9899),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;
    use crate::test_envelope::{decoded, names, write_in};

    fn fault(body: &str) -> (Fault, Vec<&'static str>) {
        let decoded = decoded(body);
        match &decoded.envelope.message {
            Message::Fault(fault) => (fault.clone(), names(&decoded.remarks)),
            other => panic!("no fault: {other:?}"),
        }
    }

    const INNER: &str = "<cwmp:Fault><FaultCode>9002</FaultCode><FaultString>x</FaultString></cwmp:Fault>";

    #[test]
    fn cwmp_094_faults_in_odd_forms() {
        let text = || Fault { code: 9002, text: "x".to_owned(), parameters: vec![] };
        for (body, expected, remarks) in [
            (
                format!("<soap:Fault><faultcode>x:Client</faultcode><faultstring>cwmp FAULT</faultstring><detail>{INNER}</detail></soap:Fault>"),
                text(),
                vec![],
            ),
            (
                format!("<soap:Fault><faultcode>Server</faultcode><faultstring>CWMP fault<detail>{INNER}</detail></faultstring></soap:Fault>"),
                text(),
                vec!["fault_detail_misplaced"],
            ),
            (
                format!("<soap:Fault><faultcode>soap:Receiver</faultcode><faultstring>Error</faultstring><detail>{INNER}</detail></soap:Fault>"),
                text(),
                vec!["fault_code_other", "fault_string_other"],
            ),
            (
                "<soap:Fault><faultcode>Server</faultcode><faultstring>CWMP fault</faultstring><detail><FaultCode>9002</FaultCode><FaultString>x</FaultString></detail></soap:Fault>".to_owned(),
                text(),
                vec!["fault_detail_misplaced"],
            ),
            (INNER.to_owned(), text(), vec!["fault_detail_misplaced"]),
            (
                "<soap:Fault><soap:faultcode xsi:type='xsd:string'>Client</soap:faultcode><soap:faultstring>CWMP fault</soap:faultstring><soap:detail><cwmp:Fault><cwmp:FaultCode xsi:type='xsd:unsignedInt'> 9002 </cwmp:FaultCode><cwmp:FaultString>x</cwmp:FaultString></cwmp:Fault></soap:detail></soap:Fault>".to_owned(),
                text(),
                vec![],
            ),
            (
                "<soap:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault><FaultCode>9002</FaultCode></cwmp:Fault></detail></soap:Fault>".to_owned(),
                Fault { code: 9002, ..Fault::default() },
                vec!["fault_string_missing"],
            ),
            (
                "<soap:Fault><faultcode>Server</faultcode><faultstring>out of cheese</faultstring></soap:Fault>".to_owned(),
                Fault { text: "out of cheese".to_owned(), ..Fault::default() },
                vec!["fault_string_other", "fault_detail_missing", "fault_string_missing"],
            ),
            (
                "<soap:Fault><faultcode>Server</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault><FaultCode>lots</FaultCode><FaultString/></cwmp:Fault></detail></soap:Fault>".to_owned(),
                Fault::default(),
                vec!["fault_code_range"],
            ),
        ] {
            assert_eq!(fault(&body), (expected, remarks), "CWMP-094: {body}");
        }
    }

    #[test]
    fn cwmp_095_every_parameter_fault_is_kept() {
        let one = |n: u32| {
            format!(
                "<SetParameterValuesFault><ParameterName>Device.{n}</ParameterName><FaultCode>9007</FaultCode></SetParameterValuesFault>"
            )
        };
        let body = format!(
            "<soap:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault>\
             <FaultCode>9003</FaultCode><FaultString/>{}{}</cwmp:Fault></detail></soap:Fault>",
            one(1),
            one(2)
        );
        let (fault, remarks) = fault(&body);
        let names: Vec<_> = fault.parameters.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["Device.1", "Device.2"], "CWMP-095");
        assert_eq!(remarks, [""; 0], "a FaultString may be missing there");
    }

    #[test]
    fn cwmp_093_client_or_server_by_code() {
        for (code, side) in [(8003, "Client"), (8005, "Server"), (9005, "Client"), (9002, "Server")] {
            let message = Message::Fault(Fault { code, ..Fault::default() });
            let xml = write_in(CwmpNamespace::V1_0, message).expect("a fault of 1.0");
            assert!(xml.contains(&format!("<faultcode>{side}</faultcode><faultstring>CWMP fault</faultstring>")));
        }
    }

    #[test]
    fn cwmp_168_fault_codes_by_namespace() {
        use CwmpNamespace::{V1_0, V1_1, V1_2};
        for (code, namespaces) in [
            (8005, vec![V1_0, V1_1, V1_2]),
            (8006, vec![V1_2]),
            (8899, vec![V1_0, V1_1, V1_2]),
            (8900, vec![]),
            (9013, vec![V1_0, V1_1, V1_2]),
            (9014, vec![V1_1, V1_2]),
            (9020, vec![V1_2]),
            (9899, vec![V1_0, V1_1, V1_2]),
            (9900, vec![]),
            (0, vec![]),
        ] {
            for namespace in [V1_0, V1_1, V1_2] {
                let written = write_in(namespace, Message::Fault(Fault { code, ..Fault::default() }));
                assert_eq!(written.is_ok(), namespaces.contains(&namespace), "CWMP-168: {code} in {namespace:?}");
            }
        }
    }

    #[test]
    fn cwmp_092_must_understand_fault_is_readable() {
        let bytes = crate::encode_must_understand_fault(Some("a<\u{1}"), Some(CwmpNamespace::V1_2));
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(text.contains("<cwmp:ID soap-env:mustUnderstand=\"1\">a&lt;</cwmp:ID>"), "CWMP-087");
        assert!(text.contains("<faultcode>soap-env:MustUnderstand</faultcode>"), "CWMP-092");
    }
}
