//! Envelopes for the unit tests of the methods.

use crate::{
    CwmpNamespace, DecodeError, Decoded, EncodeError, Envelope, Header, Limits, Message, Remark, decode, encode,
};

/// `body` in an envelope without a fault of its own.
pub(crate) fn wrapped(body: &str) -> String {
    format!(
        "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:enc=\"http://schemas.xmlsoap.org/soap/encoding/\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:cwmp=\"urn:dslforum-org:cwmp-1-0\">\
         <soap:Header><cwmp:ID soap:mustUnderstand=\"1\">1</cwmp:ID></soap:Header><soap:Body>{body}</soap:Body>\
         </soap:Envelope>"
    )
}

pub(crate) fn read(body: &str) -> Result<Decoded, DecodeError> {
    decode(wrapped(body).as_bytes(), None, &Limits::default())
}

pub(crate) fn decoded(body: &str) -> Decoded {
    read(body).unwrap_or_else(|e| panic!("{e}: {body}"))
}

/// Reads `body` and says `message` came out with these remarks.
pub(crate) fn assert_reads(body: &str, message: &Message, remarks: &[&str]) {
    let decoded = decoded(body);
    assert_eq!(decoded.envelope.message, *message, "{body}");
    assert_eq!(names(&decoded.remarks), remarks, "{body}");
}

pub(crate) fn names(remarks: &[Remark]) -> Vec<&'static str> {
    remarks.iter().map(Remark::as_str).collect()
}

pub(crate) fn write_in(namespace: CwmpNamespace, message: Message) -> Result<String, EncodeError> {
    let envelope = Envelope { namespace: Some(namespace), header: Header::default(), message };
    encode(&envelope).map(|bytes| String::from_utf8(bytes).expect("the writer writes UTF-8"))
}

pub(crate) fn write(message: Message) -> Result<String, EncodeError> {
    write_in(CwmpNamespace::V1_0, message)
}
