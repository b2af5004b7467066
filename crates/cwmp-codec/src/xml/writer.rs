use std::fmt::Write as _;

use crate::charset::is_xml_char;
use crate::{BooleanForm, CwmpNamespace, EncodeError, EncodeOptions};

/// Writes one document: escapes (CWMP-082), refuses what XML cannot carry (CWMP-083) and counts characters (CWMP-084).
pub(crate) struct Writer<'o> {
    out: String,
    options: &'o EncodeOptions,
    namespace: CwmpNamespace,
}

type Result = std::result::Result<(), EncodeError>;

impl<'o> Writer<'o> {
    pub(crate) fn new(namespace: CwmpNamespace, options: &'o EncodeOptions) -> Self {
        let mut out = String::with_capacity(1024);
        if options.declaration {
            out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        }
        Self { out, options, namespace }
    }

    pub(crate) fn namespace(&self) -> CwmpNamespace {
        self.namespace
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    /// Markup that needs no escaping.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.out.push_str(markup);
    }

    pub(crate) fn open(&mut self, name: &str) {
        self.open_with(name, "");
    }

    /// `attributes` starts with a space if it is not empty.
    pub(crate) fn open_with(&mut self, name: &str, attributes: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push_str(attributes);
        self.out.push('>');
    }

    pub(crate) fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    pub(crate) fn empty(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push_str("/>");
    }

    /// Opens a list (CWMP-072): `member` is the type of its members with prefix.
    pub(crate) fn open_array(&mut self, name: &str, member: &str, members: usize) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "<{name} soap-enc:arrayType=\"{member}[{members}]\">");
    }

    /// A text of at most `limit` characters.
    pub(crate) fn text(&mut self, name: &'static str, text: &str, limit: usize) -> Result {
        check_length(name, text, limit)?;
        self.open(name);
        self.escaped(name, text)?;
        self.close(name);
        Ok(())
    }

    pub(crate) fn number(&mut self, name: &str, number: u32) {
        let _ = write!(self.out, "<{name}>{number}</{name}>");
    }

    pub(crate) fn boolean(&mut self, name: &str, value: bool) {
        let text = self.boolean_text(value);
        let _ = write!(self.out, "<{name}>{text}</{name}>");
    }

    pub(crate) fn boolean_text(&self, value: bool) -> &'static str {
        match (self.options.booleans, value) {
            (BooleanForm::Digits, true) => "1",
            (BooleanForm::Digits, false) => "0",
            (BooleanForm::Words, true) => "true",
            (BooleanForm::Words, false) => "false",
        }
    }

    /// Text content of any length.
    pub(crate) fn escaped(&mut self, field: &'static str, text: &str) -> Result {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&apos;"),
                '\t' | '\n' | ' '..='~' => self.out.push(c),
                c if !is_xml_char(c) => return Err(EncodeError::InvalidCharacter { field, found: c.into() }),
                // A raw carriage return would be read as a line feed.
                c if self.options.numeric_references || c.is_control() => {
                    let _ = write!(self.out, "&#{};", u32::from(c));
                }
                c => self.out.push(c),
            }
        }
        Ok(())
    }
}

pub(crate) fn check_length(field: &'static str, text: &str, limit: usize) -> Result {
    // Bytes bound characters, so the common case needs no count.
    if text.len() <= limit {
        return Ok(());
    }
    match text.chars().count() {
        chars if chars > limit => Err(EncodeError::TooLong { field, limit, chars }),
        _ => Ok(()),
    }
}
