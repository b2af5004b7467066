//! Properties of all messages: what is written is read back, and what is broken is an error, never a panic.

mod messages;

use cwmp_codec::{
    CwmpNamespace, DecodeClass, EncodeOptions, Envelope, Limits, Remark, decode, decode_from_acs, encode, encode_with,
};
use proptest::prelude::*;

use messages::{any_envelope, every_kind, from_acs};

fn read(envelope: &Envelope, bytes: &[u8]) -> cwmp_codec::Decoded {
    let read = if from_acs(&envelope.message) { decode_from_acs } else { decode };
    read(bytes, Some("utf-8"), &Limits::default()).expect("what was written can be read")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// CWMP-220: write → read gives the same, without a remark.
    #[test]
    fn cwmp_220_written_is_read_back(envelope in any_envelope()) {
        let bytes = encode(&envelope).expect("a strategy of valid messages");
        prop_assert!(bytes.is_ascii(), "CWMP-082");
        let decoded = read(&envelope, &bytes);
        prop_assert_eq!(&decoded.envelope, &envelope);
        // Only such a namespace itself is remarked (CWMP-166).
        let invented = matches!(envelope.namespace, Some(CwmpNamespace::Invented1_3 | CwmpNamespace::Invented1_4));
        prop_assert_eq!(decoded.remarks, if invented { vec![Remark::CwmpNamespaceInvented] } else { vec![] });
    }

    /// CWMP-082: the per-model switches change the form, not what is read.
    #[test]
    fn cwmp_082_switches_do_not_change_what_is_read(envelope in any_envelope(), declaration: bool, numeric_references: bool) {
        let options = EncodeOptions { declaration, numeric_references, ..EncodeOptions::default() };
        let bytes = encode_with(&envelope, &options).expect("a strategy of valid messages");
        prop_assert_eq!(bytes.starts_with(b"<?xml"), declaration);
        prop_assert_eq!(read(&envelope, &bytes).envelope, envelope);
    }

    /// P20: one changed byte is a message or an error.
    #[test]
    fn p20_a_flipped_byte_never_panics(envelope in any_envelope(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = encode(&envelope).expect("a strategy of valid messages");
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let Ok(decoded) = decode(&bytes, None, &Limits::default()) else { return Ok(()) };
        // Whatever came out, writing it is an error, or it has found its form.
        if let Ok(written) = encode(&decoded.envelope) {
            let again = decode(&written, None, &Limits::default()).expect("what was written can be read");
            prop_assert_eq!(encode(&again.envelope), Ok(written));
        }
    }

    /// P20: any bytes at all.
    #[test]
    fn p20_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512), charset in prop::option::of("[a-z0-9-]{0,12}")) {
        prop_assert!(decode(&bytes, charset.as_deref(), &Limits::default()).is_err(), "random bytes are no envelope");
    }

    /// P20: any soup of markup.
    #[test]
    fn p20_markup_soup_never_panics(parts in prop::collection::vec(prop::sample::select(SOUP), 0..40)) {
        let soup = parts.concat();
        let result = decode(soup.as_bytes(), None, &Limits::default());
        prop_assert_eq!(result.is_err(), true, "there is no method in it");
    }
}

const SOUP: &[&str] = &[
    "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'>",
    "</e:Envelope>",
    "<e:Body>",
    "</e:Body>",
    "<e:Header>",
    "</e:Header>",
    "<a/>",
    "<",
    ">",
    "&",
    ";",
    "&#",
    "&amp;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?xml version='1.0'?>",
    "'",
    "\"",
    "=",
    " xmlns=''",
    "<!",
    "/",
    "\u{0}",
    "\u{e9}",
    "x",
];

/// Every cut of every kind of message is an error that says so (quirk `cut-short`).
#[test]
fn cwmp_103_every_cut_is_an_error() {
    for envelope in every_kind() {
        let bytes = encode(&envelope).expect("a valid message");
        for end in 0..bytes.len() {
            let error = decode(&bytes[..end], None, &Limits::default()).expect_err("a cut message");
            assert_eq!(error.class(), DecodeClass::NotAnEnvelope, "CWMP-103: cut at {end}: {error}");
        }
    }
}

/// Every single bit of every kind of message, flipped.
#[test]
fn p20_every_flipped_bit_is_a_message_or_an_error() {
    let mut understood = 0;
    for envelope in every_kind() {
        let mut bytes = encode(&envelope).expect("a valid message");
        for at in 0..bytes.len() {
            let bit = 1 << (at % 8);
            bytes[at] ^= bit;
            understood += usize::from(decode(&bytes, None, &Limits::default()).is_ok());
            bytes[at] ^= bit;
        }
    }
    assert!(understood > 1000, "a flip inside a text changes the text, not the message: {understood}");
}
