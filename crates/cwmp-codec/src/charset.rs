//! Bytes of a body to text (CWMP-031, CWMP-083).

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use crate::remark::Remarks;
use crate::{DecodeError, InvalidCharacters, Leniency, Remark};

/// Decodes `body` by `charset` (of Content-Type), else by its XML declaration, else as UTF-8; what is no UTF-8 is read
/// as ISO-8859-1, which in the field is windows-1252.
pub(crate) fn to_text<'a>(
    body: &'a [u8],
    charset: Option<&str>,
    leniency: Leniency,
    remarks: &mut Remarks,
) -> Result<Cow<'a, str>, DecodeError> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let text = if let Some((encoding, _)) = Encoding::for_bom(body) {
        encoding.decode_with_bom_removal(body).0
    } else {
        decode(body, charset, remarks)
    };
    without_invalid(text, leniency, remarks)
}

fn decode<'a>(body: &'a [u8], charset: Option<&str>, remarks: &mut Remarks) -> Cow<'a, str> {
    let label = charset.map(|c| c.trim_matches([' ', '"', '\'']).as_bytes()).or_else(|| declared(body));
    let encoding = match label {
        None => UTF_8,
        // ASCII is part of both UTF-8 and ISO-8859-1, so what goes beyond it may be either.
        Some(label) if is_ascii_label(label) => UTF_8,
        Some(label) => match Encoding::for_label(label) {
            // Text whose declaration can be read as ASCII is no UTF-16, whatever it says.
            Some(encoding) if !encoding.is_ascii_compatible() && !body.contains(&0) => {
                remarks.note(Remark::CharsetWrong);
                UTF_8
            }
            Some(encoding) => encoding,
            None => {
                remarks.note(Remark::CharsetUnknown);
                UTF_8
            }
        },
    };
    if encoding != UTF_8 {
        return encoding.decode_without_bom_handling(body).0;
    }
    match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            remarks.note(Remark::CharsetWrong);
            WINDOWS_1252.decode_without_bom_handling(body).0
        }
    }
}

fn is_ascii_label(label: &[u8]) -> bool {
    [&b"us-ascii"[..], b"ascii", b"ansi_x3.4-1968"].iter().any(|l| label.eq_ignore_ascii_case(l))
}

/// The encoding of the XML declaration, if there is one in the first bytes.
fn declared(body: &[u8]) -> Option<&[u8]> {
    const DECLARATION_BYTES_MAX: usize = 256;
    let body = body.trim_ascii_start();
    let declaration = body.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..declaration.len().min(DECLARATION_BYTES_MAX)];
    let end = declaration.iter().position(|&b| b == b'>')?;
    let declaration = &declaration[..end];
    let at = declaration.windows(8).position(|w| w == b"encoding")?;
    let rest = declaration[at + 8..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (&quote, rest) = rest.split_first()?;
    let end = rest.iter().position(|&b| b == quote)?;
    Some(&rest[..end])
}

/// Leaves out what XML 1.0 cannot carry, or refuses it.
fn without_invalid<'a>(
    text: Cow<'a, str>,
    leniency: Leniency,
    remarks: &mut Remarks,
) -> Result<Cow<'a, str>, DecodeError> {
    if !suspicious(text.as_bytes()) {
        return Ok(text);
    }
    let Some((offset, found)) = text.char_indices().find(|&(_, c)| !is_xml_char(c)) else {
        return Ok(text);
    };
    if leniency.invalid_characters == InvalidCharacters::Refuse {
        return Err(DecodeError::InvalidCharacter { offset, found: found.into() });
    }
    remarks.note(Remark::InvalidCharacters);
    let mut text = text.into_owned();
    text.retain(is_xml_char);
    Ok(Cow::Owned(text))
}

/// Whether there may be an invalid character; without branches inside a chunk, so that it is cheap.
fn suspicious(bytes: &[u8]) -> bool {
    let odd = |b: u8| ((b < 0x20) & (b != 9) & (b != 10) & (b != 13)) | (b == 0xEF);
    bytes.chunks(64).any(|chunk| chunk.iter().fold(false, |found, &b| found | odd(b)))
}

/// `Char` of XML 1.0.
pub(crate) const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8], charset: Option<&str>) -> (String, Vec<Remark>) {
        let mut remarks = Remarks::default();
        let text = to_text(body, charset, Leniency::default(), &mut remarks).expect("lenient").into_owned();
        (text, remarks.into_vec())
    }

    #[test]
    fn cwmp_031_content_type_then_declaration_then_utf_8() {
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xE9</a>";
        for (body, charset, last, remarks) in [
            (&b"<a>\xE9</a>"[..], Some("ISO-8859-1"), "<a>\u{e9}</a>", vec![]),
            (b"<a>\xC3\xA9</a>", Some("\"utf-8\""), "<a>\u{e9}</a>", vec![]),
            (b"<a>\xC3\xA9</a>", Some("us-ascii"), "<a>\u{e9}</a>", vec![]),
            (b"<a>\xE9</a>", Some("US-ASCII"), "<a>\u{e9}</a>", vec![Remark::CharsetWrong]),
            (b"<a>\xE9</a>", None, "<a>\u{e9}</a>", vec![Remark::CharsetWrong]),
            (b"<a>\xE9</a>", Some("utf-8"), "<a>\u{e9}</a>", vec![Remark::CharsetWrong]),
            (b"<a>\xC3\xA9</a>", Some("klingon"), "<a>\u{e9}</a>", vec![Remark::CharsetUnknown]),
            (latin, None, "<a>\u{e9}</a>", vec![]),
            (b"<?xml version='1.0' encoding='utf-16'?><a/>", None, "<a/>", vec![Remark::CharsetWrong]),
            (b"\xFF\xFE<\0a\0/\0>\0", None, "<a/>", vec![]),
            (b"\xEF\xBB\xBF<a/>", None, "<a/>", vec![]),
        ] {
            let (text, noted) = read(body, charset);
            assert!(text.ends_with(last), "CWMP-031: {charset:?} gave {text}");
            assert_eq!(noted, remarks, "CWMP-031: {charset:?}");
        }
    }

    #[test]
    fn cwmp_083_invalid_characters_are_dropped_or_refused() {
        let body = "<a>x\u{2}y\u{FFFE}z\0</a>".as_bytes();
        assert_eq!(read(body, None), ("<a>xyz</a>".to_owned(), vec![Remark::InvalidCharacters]));
        let refuse = Leniency { invalid_characters: InvalidCharacters::Refuse };
        let error = to_text(body, None, refuse, &mut Remarks::default()).expect_err("refused");
        assert_eq!(error, DecodeError::InvalidCharacter { offset: 4, found: 2 });
    }
}
