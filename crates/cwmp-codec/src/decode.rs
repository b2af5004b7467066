use crate::arguments::{parse_boolean, parse_number};
use crate::remark::Remarks;
use crate::xml::{Element, Namespace, Reader};
use crate::{
    AcsRequest, AcsResponse, AddObject, AddObjectResponse, CpeRequest, CpeResponse, CwmpNamespace, CwmpVersion,
    DecodeError, DeleteObject, DeleteObjectResponse, Download, DownloadResponse, Envelope, GetParameterNames,
    GetParameterNamesResponse, GetParameterValues, GetParameterValuesResponse, GetRpcMethodsResponse, Header, Inform,
    InformResponse, Leniency, Limit, Limits, Message, Remark, SetParameterValues, SetParameterValuesResponse,
    TransferComplete, charset, fault, rpc,
};

/// A message and what was forgiven in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The message.
    pub envelope: Envelope,
    /// Each leniency at most once, in the order met.
    pub remarks: Vec<Remark>,
}

/// Longest method name that [`Message::Unknown`] keeps, in characters.
const UNKNOWN_METHOD_CHARS_MAX: usize = 256;

/// Reads what a CPE sent to the ACS.
///
/// `body` is the decompressed body of a POST that is not [blank](is_blank); `charset` is that parameter of its
/// Content-Type, if any (CWMP-031). Reading goes by namespace, never by prefix (CWMP-067), takes time and memory linear
/// in the body, and never panics (CWMP-530).
///
/// # Errors
/// [`DecodeError::class`] says what to answer.
pub fn decode(body: &[u8], charset: Option<&str>, limits: &Limits) -> Result<Decoded, DecodeError> {
    decode_with(body, charset, limits, Leniency::default())
}

/// Like [`decode`], with per-model switches.
///
/// # Errors
/// As [`decode`].
pub fn decode_with(
    body: &[u8],
    charset: Option<&str>,
    limits: &Limits,
    leniency: Leniency,
) -> Result<Decoded, DecodeError> {
    decode_from(Sender::Cpe, body, charset, limits, leniency)
}

/// Reads what the ACS sent to a CPE: the simulator's side. It differs from [`decode`] only in GetRPCMethods and its
/// response, which look alike in both directions.
///
/// # Errors
/// As [`decode`].
pub fn decode_from_acs(body: &[u8], charset: Option<&str>, limits: &Limits) -> Result<Decoded, DecodeError> {
    decode_from(Sender::Acs, body, charset, limits, Leniency::default())
}

/// Whether `body` is an empty POST: no bytes, or white space only (CWMP-013).
pub fn is_blank(body: &[u8]) -> bool {
    body.iter().all(u8::is_ascii_whitespace)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Cpe,
    Acs,
}

fn decode_from(
    sender: Sender,
    body: &[u8],
    charset: Option<&str>,
    limits: &Limits,
    leniency: Leniency,
) -> Result<Decoded, DecodeError> {
    if body.len() > limits.body_bytes {
        return Err(DecodeError::TooLarge {
            limit: Limit::BodyBytes,
            max: limits.body_bytes,
            offset: limits.body_bytes,
        });
    }
    let mut remarks = Remarks::default();
    let text = charset::to_text(body, charset, leniency, &mut remarks)?;
    let mut reader = Reader::new(&text, limits, leniency, remarks);
    let envelope = envelope(&mut reader, sender)?;
    Ok(Decoded { envelope, remarks: reader.remarks.into_vec() })
}

/// What the header said, and the CWMP namespace it said it in.
#[derive(Default)]
struct ReadHeader {
    header: Header,
    namespace: Option<CwmpNamespace>,
}

fn envelope(r: &mut Reader<'_>, sender: Sender) -> Result<Envelope, DecodeError> {
    let root = r.root()?;
    check_root(r, &root)?;
    let mut read: Option<ReadHeader> = None;
    let mut body: Option<(Message, Namespace)> = None;
    while let Some(part) = r.child()? {
        let known = matches!(part.namespace, Namespace::Soap11 | Namespace::None | Namespace::Undeclared);
        match part.local {
            "Header" if known && read.is_none() && body.is_none() => read = Some(header(r)?),
            "Body" if known && body.is_none() => {
                body = Some(message(r, sender, read.as_ref())?);
            }
            _ => {
                r.note(Remark::ElementUnknown);
                r.skip()?;
            }
        }
    }
    r.finish()?;
    let Some((message, in_namespace)) = body else {
        return Err(DecodeError::NotAnEnvelope { offset: r.offset(), what: "it has no Body" });
    };
    note_header(r, read.as_ref());
    let read = read.unwrap_or_default();
    let namespace = namespace_of(r, &message, in_namespace, read.namespace);
    Ok(Envelope { namespace, header: read.header, message })
}

fn check_root(r: &mut Reader<'_>, root: &Element<'_>) -> Result<(), DecodeError> {
    match (root.local, root.namespace) {
        ("Envelope", Namespace::Soap11) => Ok(()),
        ("Envelope", Namespace::Soap12) => Err(DecodeError::Soap12),
        ("Envelope", Namespace::None | Namespace::Undeclared) => {
            r.note(Remark::EnvelopeNamespaceMissing);
            Ok(())
        }
        _ => Err(DecodeError::NotAnEnvelope { offset: r.offset(), what: "the root is another element" }),
    }
}

fn header(r: &mut Reader<'_>) -> Result<ReadHeader, DecodeError> {
    let mut read = ReadHeader::default();
    let mut not_understood: Option<Box<str>> = None;
    let mut entries = 0;
    while let Some(entry) = r.child()? {
        entries += 1;
        if entries > r.limits().header_entries {
            return Err(r.too_large(Limit::HeaderEntries, r.limits().header_entries));
        }
        if entry.namespace.is_familiar() && header_entry(r, &entry, &mut read)? {
            note_cwmp(r, entry.namespace);
            read.namespace = read.namespace.or_else(|| known_namespace(entry.namespace));
            continue;
        }
        if must_understand(&entry) {
            not_understood.get_or_insert_with(|| entry.local.into());
        } else {
            r.note(Remark::HeaderUnknown);
        }
        r.skip()?;
    }
    match not_understood {
        Some(entry) => Err(DecodeError::MustUnderstand { entry, answer_to: Box::default() }
            .with_answer_to(read.header.id.as_deref(), read.namespace)),
        None => Ok(read),
    }
}

/// Reads a known entry and says so; an unknown one is left open.
fn header_entry(r: &mut Reader<'_>, entry: &Element<'_>, read: &mut ReadHeader) -> Result<bool, DecodeError> {
    let header = &mut read.header;
    match entry.local {
        "ID" => read_id(r, entry, header)?,
        "HoldRequests" => header.hold_requests = readable(r, parse_boolean)?,
        "SessionTimeout" => header.session_timeout = readable(r, parse_number)?,
        "SupportedCWMPVersions" => header.supported_versions = Some(supported_versions(r)?),
        "UseCWMPVersion" => header.use_version = readable(r, CwmpVersion::parse)?,
        "NoMoreRequests" => {
            r.note(Remark::NoMoreRequests);
            r.skip()?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn read_id(r: &mut Reader<'_>, entry: &Element<'_>, header: &mut Header) -> Result<(), DecodeError> {
    if entry.must_understand != Some("1") {
        r.note(Remark::MustUnderstandForm);
    }
    let id = r.text()?;
    if id.len() > r.limits().id_bytes {
        return Err(r.too_large(Limit::IdBytes, r.limits().id_bytes));
    }
    if header.id.is_some() {
        r.note(Remark::IdRepeated);
    } else {
        header.id = Some(id.into_owned());
    }
    Ok(())
}

fn supported_versions(r: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    let list = r.text()?;
    let max = r.limits().supported_versions;
    let mut versions = Vec::new();
    for version in list.split(',').map(str::trim).filter(|v| !v.is_empty()) {
        if versions.len() >= max {
            return Err(r.too_large(Limit::SupportedVersions, max));
        }
        versions.push(version.to_owned());
    }
    Ok(versions)
}

fn readable<T>(r: &mut Reader<'_>, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, DecodeError> {
    let value = parse(&r.text()?);
    if value.is_none() {
        r.note(Remark::HeaderUnreadable);
    }
    Ok(value)
}

/// mustUnderstand binds the receiver the entry is for: no actor, or `next` (SOAP 1.1, 4.2.2).
fn must_understand(entry: &Element<'_>) -> bool {
    let ours = entry.actor.is_none_or(|a| a.is_empty() || a == "http://schemas.xmlsoap.org/soap/actor/next");
    ours && entry.must_understand.and_then(parse_boolean) == Some(true)
}

fn note_header(r: &mut Reader<'_>, read: Option<&ReadHeader>) {
    match read.map(|h| h.header.id.as_deref()) {
        None => r.note(Remark::HeaderMissing),
        Some(None) => r.note(Remark::IdMissing),
        Some(Some("")) => r.note(Remark::IdEmpty),
        Some(Some(_)) => {}
    }
}

/// The body's first element, and the namespace that names its CWMP version.
fn message(
    r: &mut Reader<'_>,
    sender: Sender,
    header: Option<&ReadHeader>,
) -> Result<(Message, Namespace), DecodeError> {
    let Some(element) = r.child()? else {
        return Err(DecodeError::NotAnEnvelope { offset: r.offset(), what: "its Body is empty" });
    };
    let mut namespace = element.namespace;
    let message = if fault::is_fault(&element) {
        let (fault, inner) = fault::decode(r)?;
        namespace = inner.unwrap_or(Namespace::Soap11);
        Message::Fault(fault)
    } else if namespace.is_familiar() {
        method(r, &element, sender).map_err(|error| {
            let id = header.and_then(|h| h.header.id.as_deref());
            error.with_answer_to(id, known_namespace(namespace).or_else(|| header.and_then(|h| h.namespace)))
        })?
    } else {
        unknown(r, &element)?
    };
    while r.child()?.is_some() {
        r.note(Remark::BodyElements);
        r.skip()?;
    }
    Ok((message, namespace))
}

fn method(r: &mut Reader<'_>, element: &Element<'_>, sender: Sender) -> Result<Message, DecodeError> {
    use CpeResponse as Answer;
    Ok(match element.local {
        "Inform" => Message::CpeRequest(CpeRequest::Inform(Inform::decode(r)?)),
        "InformResponse" => Message::AcsResponse(AcsResponse::Inform(InformResponse::decode(r)?)),
        "TransferComplete" => Message::CpeRequest(CpeRequest::TransferComplete(TransferComplete::decode(r)?)),
        "TransferCompleteResponse" => done(r, Message::AcsResponse(AcsResponse::TransferComplete))?,
        "GetRPCMethods" => done(r, get_rpc_methods(sender))?,
        "GetRPCMethodsResponse" => get_rpc_methods_response(r, sender)?,
        "SetParameterValues" => Message::AcsRequest(AcsRequest::SetParameterValues(SetParameterValues::decode(r)?)),
        "SetParameterValuesResponse" => answer(Answer::SetParameterValues(SetParameterValuesResponse::decode(r)?)),
        "GetParameterValues" => Message::AcsRequest(AcsRequest::GetParameterValues(GetParameterValues::decode(r)?)),
        "GetParameterValuesResponse" => answer(Answer::GetParameterValues(GetParameterValuesResponse::decode(r)?)),
        "GetParameterNames" => Message::AcsRequest(AcsRequest::GetParameterNames(GetParameterNames::decode(r)?)),
        "GetParameterNamesResponse" => answer(Answer::GetParameterNames(GetParameterNamesResponse::decode(r)?)),
        "AddObject" => Message::AcsRequest(AcsRequest::AddObject(AddObject::decode(r)?)),
        "AddObjectResponse" => answer(Answer::AddObject(AddObjectResponse::decode(r)?)),
        "DeleteObject" => Message::AcsRequest(AcsRequest::DeleteObject(DeleteObject::decode(r)?)),
        "DeleteObjectResponse" => answer(Answer::DeleteObject(DeleteObjectResponse::decode(r)?)),
        "Download" => Message::AcsRequest(AcsRequest::Download(Download::decode(r)?)),
        "DownloadResponse" => answer(Answer::Download(DownloadResponse::decode(r)?)),
        "Reboot" => Message::AcsRequest(AcsRequest::Reboot { command_key: rpc::decode_reboot(r)? }),
        "RebootResponse" => done(r, answer(Answer::Reboot))?,
        "FactoryReset" => done(r, Message::AcsRequest(AcsRequest::FactoryReset))?,
        "FactoryResetResponse" => done(r, answer(Answer::FactoryReset))?,
        _ => unknown(r, element)?,
    })
}

const fn answer(response: CpeResponse) -> Message {
    Message::CpeResponse(response)
}

/// A method without arguments.
fn done(r: &mut Reader<'_>, message: Message) -> Result<Message, DecodeError> {
    while r.child()?.is_some() {
        r.note(Remark::ElementUnknown);
        r.skip()?;
    }
    Ok(message)
}

const fn get_rpc_methods(sender: Sender) -> Message {
    match sender {
        Sender::Cpe => Message::CpeRequest(CpeRequest::GetRpcMethods),
        Sender::Acs => Message::AcsRequest(AcsRequest::GetRpcMethods),
    }
}

fn get_rpc_methods_response(r: &mut Reader<'_>, sender: Sender) -> Result<Message, DecodeError> {
    let response = GetRpcMethodsResponse::decode(r)?;
    Ok(match sender {
        Sender::Cpe => Message::CpeResponse(CpeResponse::GetRpcMethods(response)),
        Sender::Acs => Message::AcsResponse(AcsResponse::GetRpcMethods(response.methods)),
    })
}

fn unknown(r: &mut Reader<'_>, element: &Element<'_>) -> Result<Message, DecodeError> {
    r.skip()?;
    Ok(Message::Unknown { method: element.local.chars().take(UNKNOWN_METHOD_CHARS_MAX).collect() })
}

/// The version's namespace: the body's, else the header's, else any that was declared (CWMP-067, CWMP-169).
fn namespace_of(
    r: &mut Reader<'_>,
    message: &Message,
    body: Namespace,
    header: Option<CwmpNamespace>,
) -> Option<CwmpNamespace> {
    if !matches!(message, Message::Unknown { .. } | Message::Fault(_)) {
        note_cwmp(r, body);
    }
    let body = known_namespace(body);
    if let (Some(body), Some(header)) = (body, header)
        && body != header
    {
        r.note(Remark::CwmpNamespacesMixed);
    }
    body.or(header).or_else(|| r.cwmp_declared.and_then(known_namespace))
}

fn note_cwmp(r: &mut Reader<'_>, namespace: Namespace) {
    match namespace {
        Namespace::Cwmp(CwmpNamespace::Invented1_3 | CwmpNamespace::Invented1_4) => {
            r.note(Remark::CwmpNamespaceInvented);
        }
        Namespace::Cwmp(_) => {}
        Namespace::CwmpUnknown => r.note(Remark::CwmpNamespaceUnknown),
        _ => r.note(Remark::CwmpNamespaceMissing),
    }
}

/// An unknown one is read as the highest known (CWMP-167).
const fn known_namespace(namespace: Namespace) -> Option<CwmpNamespace> {
    match namespace {
        Namespace::Cwmp(known) => Some(known),
        Namespace::CwmpUnknown => Some(CwmpNamespace::V1_2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cwmp_013_blank_bodies() {
        assert!(is_blank(b"") && is_blank(b" \r\n\t"), "CWMP-013");
        assert!(!is_blank(b"<a/>"), "CWMP-013");
    }

    fn with_header(entries: &str) -> Result<Decoded, DecodeError> {
        let body = format!(
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:c=\"urn:dslforum-org:cwmp-1-2\">\
             <e:Header>{entries}</e:Header><e:Body><c:GetRPCMethods/></e:Body></e:Envelope>"
        );
        decode(body.as_bytes(), None, &Limits::default())
    }

    const ID: &str = "<c:ID e:mustUnderstand='1'> a&amp;1 </c:ID>";

    fn id() -> Header {
        Header { id: Some(" a&1 ".to_owned()), ..Header::default() }
    }

    #[test]
    fn cwmp_087_to_092_header_entries() {
        let versions = vec!["1.0".to_owned(), "1.9".to_owned()];
        for (entries, header, remarks) in [
            ("", id(), vec![]),
            (
                "<c:HoldRequests e:mustUnderstand='1'>true</c:HoldRequests>",
                Header { hold_requests: Some(true), ..id() },
                vec![],
            ),
            ("<c:HoldRequests>maybe</c:HoldRequests>", id(), vec![Remark::HeaderUnreadable]),
            ("<c:SessionTimeout>60</c:SessionTimeout>", Header { session_timeout: Some(60), ..id() }, vec![]),
            (
                "<c:SupportedCWMPVersions>1.0, 1.9,</c:SupportedCWMPVersions>",
                Header { supported_versions: Some(versions), ..id() },
                vec![],
            ),
            (
                "<c:UseCWMPVersion e:mustUnderstand='1'>1.4</c:UseCWMPVersion>",
                Header { use_version: Some(CwmpVersion::V1_4), ..id() },
                vec![],
            ),
            ("<c:NoMoreRequests e:mustUnderstand='1'>1</c:NoMoreRequests>", id(), vec![Remark::NoMoreRequests]),
            ("<x xmlns='urn:x'>1</x>", id(), vec![Remark::HeaderUnknown]),
            ("<x xmlns='urn:x' e:mustUnderstand='0'>1</x>", id(), vec![Remark::HeaderUnknown]),
            ("<x xmlns='urn:x' e:mustUnderstand='1' e:actor='urn:else'>1</x>", id(), vec![Remark::HeaderUnknown]),
            ("<c:ID e:mustUnderstand='1'>2</c:ID>", id(), vec![Remark::IdRepeated]),
        ] {
            let decoded = with_header(&format!("{ID}{entries}")).expect(entries);
            assert_eq!((decoded.envelope.header, decoded.remarks), (header, remarks), "{entries}");
        }
    }

    #[test]
    fn cwmp_092_an_unknown_entry_to_understand_is_answered_with_the_id() {
        for must in [
            "e:mustUnderstand='1'",
            "e:mustUnderstand='true'",
            "e:mustUnderstand='1' e:actor='http://schemas.xmlsoap.org/soap/actor/next'",
        ] {
            let error = with_header(&format!("<x:Pay xmlns:x='urn:x' {must}><c:ID>0</c:ID></x:Pay>{ID}"))
                .expect_err("CWMP-092");
            let DecodeError::MustUnderstand { entry, answer_to } = error else { panic!("CWMP-092: {error}") };
            assert_eq!(&*entry, "Pay");
            assert_eq!((answer_to.id, answer_to.namespace), (id().id, Some(CwmpNamespace::V1_2)), "CWMP-087");
        }
    }
}
