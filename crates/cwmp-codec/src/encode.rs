use crate::xml::Writer;
use crate::{AcsRequest, AcsResponse, CpeRequest, CpeResponse, CwmpNamespace, EncodeError, Envelope, Header, Message};
use crate::{fault, rpc};

/// How an envelope is written: per-model switches. The default is what the standard asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Begin with an XML declaration. There are devices that refuse replies without, and others that refuse them with.
    pub declaration: bool,
    /// Write characters other than 9, 10 and 32 to 126 as character references (CWMP-082); else as UTF-8.
    pub numeric_references: bool,
    /// How booleans are written (CWMP-077).
    pub booleans: BooleanForm,
}

/// See [`EncodeOptions::booleans`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum BooleanForm {
    /// `0` and `1`, what the standard prefers.
    #[default]
    Digits,
    /// `false` and `true`, for devices that take nothing else.
    Words,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self { declaration: true, numeric_references: true, booleans: BooleanForm::Digits }
    }
}

/// Writes `envelope` as the standard demands, with the default options.
///
/// An envelope without namespace is written in `cwmp-1-0`.
///
/// # Errors
/// Whatever would break the standard is refused, see [`EncodeError`].
pub fn encode(envelope: &Envelope) -> Result<Vec<u8>, EncodeError> {
    encode_with(envelope, &EncodeOptions::default())
}

/// Like [`encode`], with per-model switches.
///
/// # Errors
/// As [`encode`].
pub fn encode_with(envelope: &Envelope, options: &EncodeOptions) -> Result<Vec<u8>, EncodeError> {
    let namespace = envelope.namespace.unwrap_or(CwmpNamespace::V1_0);
    let mut w = Writer::new(namespace, options);
    open_envelope(&mut w);
    header(&mut w, &envelope.header)?;
    w.open("soap-env:Body");
    message(&mut w, &envelope.message)?;
    w.close("soap-env:Body");
    w.close("soap-env:Envelope");
    Ok(w.into_bytes())
}

/// The SOAP fault that answers an unknown header entry with mustUnderstand 1 (CWMP-092). It carries no CWMP fault.
///
/// `id` is repeated as it came; what XML cannot carry is left out.
pub fn encode_must_understand_fault(id: Option<&str>, namespace: Option<CwmpNamespace>) -> Vec<u8> {
    let options = EncodeOptions::default();
    let mut w = Writer::new(namespace.unwrap_or(CwmpNamespace::V1_0), &options);
    open_envelope(&mut w);
    let id = id.map(|id| id.chars().filter(|&c| crate::charset::is_xml_char(c)).collect::<String>());
    header(&mut w, &Header { id, ..Header::default() }).expect("a header of an ID that XML can carry");
    w.raw(
        "<soap-env:Body><soap-env:Fault><faultcode>soap-env:MustUnderstand</faultcode>\
         <faultstring>a header entry was not understood</faultstring></soap-env:Fault></soap-env:Body>",
    );
    w.close("soap-env:Envelope");
    w.into_bytes()
}

fn open_envelope(w: &mut Writer<'_>) {
    w.raw(
        "<soap-env:Envelope xmlns:soap-env=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:soap-enc=\"http://schemas.xmlsoap.org/soap/encoding/\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:cwmp=\"",
    );
    w.raw(w.namespace().urn());
    w.raw("\">");
}

fn header(w: &mut Writer<'_>, header: &Header) -> Result<(), EncodeError> {
    if *header == Header::default() {
        return Ok(());
    }
    w.open("soap-env:Header");
    if let Some(id) = &header.id {
        entry(w, "cwmp:ID", true, id)?;
    }
    if let Some(hold) = header.hold_requests {
        entry(w, "cwmp:HoldRequests", true, w.boolean_text(hold))?;
    }
    if let Some(seconds) = header.session_timeout {
        entry(w, "cwmp:SessionTimeout", false, &seconds.to_string())?;
    }
    if let Some(versions) = &header.supported_versions {
        entry(w, "cwmp:SupportedCWMPVersions", false, &versions.join(","))?;
    }
    if let Some(version) = header.use_version {
        entry(w, "cwmp:UseCWMPVersion", true, version.as_str())?;
    }
    w.close("soap-env:Header");
    Ok(())
}

fn entry(w: &mut Writer<'_>, name: &'static str, must_understand: bool, text: &str) -> Result<(), EncodeError> {
    w.open_with(
        name,
        if must_understand { " soap-env:mustUnderstand=\"1\"" } else { " soap-env:mustUnderstand=\"0\"" },
    );
    w.escaped(name, text)?;
    w.close(name);
    Ok(())
}

fn message(w: &mut Writer<'_>, message: &Message) -> Result<(), EncodeError> {
    match message {
        Message::CpeRequest(request) => cpe_request(w, request),
        Message::AcsResponse(response) => acs_response(w, response),
        Message::AcsRequest(request) => acs_request(w, request),
        Message::CpeResponse(response) => cpe_response(w, response),
        Message::Fault(fault) => fault::encode(w, fault),
        Message::Unknown { method } => Err(EncodeError::UnknownMethod { method: method.clone() }),
    }
}

fn cpe_request(w: &mut Writer<'_>, request: &CpeRequest) -> Result<(), EncodeError> {
    match request {
        CpeRequest::Inform(inform) => inform.encode(w),
        CpeRequest::TransferComplete(complete) => complete.encode(w),
        CpeRequest::GetRpcMethods => empty(w, "cwmp:GetRPCMethods"),
    }
}

fn acs_response(w: &mut Writer<'_>, response: &AcsResponse) -> Result<(), EncodeError> {
    match response {
        AcsResponse::Inform(response) => {
            response.encode(w);
            Ok(())
        }
        AcsResponse::TransferComplete => empty(w, "cwmp:TransferCompleteResponse"),
        AcsResponse::GetRpcMethods(methods) => rpc::encode_methods(w, methods),
    }
}

fn acs_request(w: &mut Writer<'_>, request: &AcsRequest) -> Result<(), EncodeError> {
    match request {
        AcsRequest::GetRpcMethods => empty(w, "cwmp:GetRPCMethods"),
        AcsRequest::SetParameterValues(request) => request.encode(w),
        AcsRequest::GetParameterValues(request) => request.encode(w),
        AcsRequest::GetParameterNames(request) => request.encode(w),
        AcsRequest::AddObject(request) => request.encode(w),
        AcsRequest::DeleteObject(request) => request.encode(w),
        AcsRequest::Download(request) => request.encode(w),
        AcsRequest::Reboot { command_key } => rpc::encode_reboot(w, command_key),
        AcsRequest::FactoryReset => empty(w, "cwmp:FactoryReset"),
    }
}

fn cpe_response(w: &mut Writer<'_>, response: &CpeResponse) -> Result<(), EncodeError> {
    match response {
        CpeResponse::GetRpcMethods(response) => rpc::encode_methods(w, &response.methods),
        CpeResponse::SetParameterValues(response) => response.encode(w),
        CpeResponse::GetParameterValues(response) => response.encode(w),
        CpeResponse::GetParameterNames(response) => response.encode(w),
        CpeResponse::AddObject(response) => response.encode(w),
        CpeResponse::DeleteObject(response) => response.encode(w),
        CpeResponse::Download(response) => response.encode(w),
        CpeResponse::Reboot => empty(w, "cwmp:RebootResponse"),
        CpeResponse::FactoryReset => empty(w, "cwmp:FactoryResetResponse"),
    }
}

fn empty(w: &mut Writer<'_>, name: &str) -> Result<(), EncodeError> {
    w.empty(name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CwmpVersion;

    fn written(header: Header, options: &EncodeOptions) -> String {
        let message = Message::AcsRequest(AcsRequest::FactoryReset);
        let envelope = Envelope { namespace: Some(CwmpNamespace::V1_2), header, message };
        String::from_utf8(encode_with(&envelope, options).expect("a valid envelope")).expect("UTF-8")
    }

    #[test]
    fn cwmp_087_header_entries_and_their_must_understand() {
        let header = Header {
            id: Some(" <1>\u{e9} ".to_owned()),
            hold_requests: Some(false),
            session_timeout: Some(60),
            supported_versions: Some(vec!["1.0".to_owned(), "1.4".to_owned()]),
            use_version: Some(CwmpVersion::V1_4),
        };
        let expected = "<soap-env:Header>\
            <cwmp:ID soap-env:mustUnderstand=\"1\"> &lt;1&gt;&#233; </cwmp:ID>\
            <cwmp:HoldRequests soap-env:mustUnderstand=\"1\">0</cwmp:HoldRequests>\
            <cwmp:SessionTimeout soap-env:mustUnderstand=\"0\">60</cwmp:SessionTimeout>\
            <cwmp:SupportedCWMPVersions soap-env:mustUnderstand=\"0\">1.0,1.4</cwmp:SupportedCWMPVersions>\
            <cwmp:UseCWMPVersion soap-env:mustUnderstand=\"1\">1.4</cwmp:UseCWMPVersion></soap-env:Header>";
        let xml = written(header, &EncodeOptions::default());
        assert!(xml.contains(expected), "CWMP-087, CWMP-090, CWMP-161: {xml}");
        let none = written(Header::default(), &EncodeOptions::default());
        assert!(!none.contains("Header"), "CWMP-087: no ID in the request, none in the answer: {none}");
    }

    #[test]
    fn cwmp_082_switches() {
        let id = || Header { id: Some("\u{e9}\r\u{85}".to_owned()), ..Header::default() };
        let plain = EncodeOptions { declaration: false, numeric_references: false, booleans: BooleanForm::Words };
        let xml = written(Header { hold_requests: Some(true), ..id() }, &plain);
        assert!(xml.starts_with("<soap-env:Envelope "), "no declaration: {xml}");
        assert!(xml.contains(">\u{e9}&#13;&#133;</cwmp:ID>"), "controls are references all the same: {xml}");
        assert!(xml.contains(">true</cwmp:HoldRequests>"), "CWMP-077: {xml}");
        let standard = written(id(), &EncodeOptions::default());
        assert!(standard.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap-env:Envelope "), "{standard}");
    }

    #[test]
    fn cwmp_168_what_is_not_known_is_not_written() {
        let message = Message::Unknown { method: "Kicked".to_owned() };
        let error = encode(&Envelope { namespace: None, header: Header::default(), message });
        assert_eq!(error, Err(EncodeError::UnknownMethod { method: "Kicked".to_owned() }));
    }
}
