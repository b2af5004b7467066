use std::borrow::Cow;

use quick_xml::Reader as Tokens;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::events::attributes::{Attribute, Attributes};
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::Namespace;
use super::name::{is_old_schema, qualified};
use crate::charset::is_xml_char;
use crate::remark::Remarks;
use crate::{DecodeError, Forbidden, InvalidCharacters, Leniency, Limit, Limits, Remark};

/// A pull reader over one document. It keeps to the [`Limits`], resolves namespaces, refuses what SOAP forbids
/// (CWMP-086) and borrows from the text; its time and memory are linear in it (CWMP-530).
///
/// A caller that got an [`Element`] consumes it to its end tag by one of [`Reader::child`] until `None`,
/// [`Reader::text`] or [`Reader::skip`].
pub(crate) struct Reader<'a> {
    source: &'a str,
    tokens: Tokens<&'a [u8]>,
    limits: &'a Limits,
    leniency: Leniency,
    pub(crate) remarks: Remarks,
    /// Names of the open elements.
    open: Vec<&'a str>,
    scope: Vec<Binding<'a>>,
    elements: usize,
    /// The last start tag was `<x/>`: its end is still to be told.
    ends_at_once: bool,
    /// The first CWMP namespace that was declared, used or not.
    pub(crate) cwmp_declared: Option<Namespace>,
}

/// A start tag. The attributes are those CWMP knows, with their raw values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) local: &'a str,
    pub(crate) namespace: Namespace,
    pub(crate) array_type: Option<&'a str>,
    pub(crate) xsi_type: Option<&'a str>,
    pub(crate) must_understand: Option<&'a str>,
    pub(crate) actor: Option<&'a str>,
}

struct Binding<'a> {
    prefix: &'a str,
    namespace: Namespace,
    depth: usize,
}

type Result<T> = std::result::Result<T, DecodeError>;

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a str, limits: &'a Limits, leniency: Leniency, remarks: Remarks) -> Self {
        Self {
            source,
            tokens: Tokens::from_str(source),
            limits,
            leniency,
            remarks,
            open: Vec::with_capacity(8),
            scope: Vec::with_capacity(8),
            elements: 0,
            ends_at_once: false,
            cwmp_declared: None,
        }
    }

    pub(crate) fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> usize {
        usize::try_from(self.tokens.buffer_position()).unwrap_or(usize::MAX)
    }

    pub(crate) fn note(&mut self, remark: Remark) {
        self.remarks.note(remark);
    }

    pub(crate) fn too_large(&self, limit: Limit, max: usize) -> DecodeError {
        DecodeError::TooLarge { limit, max, offset: self.offset() }
    }

    /// The root element.
    pub(crate) fn root(&mut self) -> Result<Element<'a>> {
        // The declaration may only be the first thing; white space in front of it is forgiven.
        let (mut declarable, mut white) = (true, false);
        loop {
            match self.event()? {
                Event::Start(tag) => return self.start(&tag, false),
                Event::Empty(tag) => return self.start(&tag, true),
                Event::Decl(_) if declarable => {
                    declarable = false;
                    if white {
                        self.note(Remark::WhiteSpaceInFront);
                    }
                }
                Event::Text(text) if is_white(&text) => white = true,
                Event::Comment(_) => declarable = false,
                Event::Eof => return Err(self.truncated()),
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) | Event::End(_) => {
                    return Err(DecodeError::NotAnEnvelope { offset: self.offset(), what: "text in front of it" });
                }
                other => return Err(self.forbidden(&other)),
            }
        }
    }

    /// After the root's end: nothing but white space and comments may follow.
    pub(crate) fn finish(&mut self) -> Result<()> {
        loop {
            match self.event()? {
                Event::Eof => return Ok(()),
                Event::Comment(_) => {}
                Event::Text(text) if is_white(&text) => {}
                event @ (Event::PI(_) | Event::Decl(_) | Event::DocType(_)) => return Err(self.forbidden(&event)),
                _ => return Err(DecodeError::NotAnEnvelope { offset: self.offset(), what: "something after its end" }),
            }
        }
    }

    /// The next child of the open element; `None` when that ends, which closes it.
    pub(crate) fn child(&mut self) -> Result<Option<Element<'a>>> {
        if self.ends_at_once {
            self.leave();
            return Ok(None);
        }
        loop {
            match self.event()? {
                Event::Start(tag) => return self.start(&tag, false).map(Some),
                Event::Empty(tag) => return self.start(&tag, true).map(Some),
                Event::End(_) => {
                    self.leave();
                    return Ok(None);
                }
                Event::Text(text) if is_white(&text) => {}
                Event::Text(_) | Event::CData(_) => self.note(Remark::TextBetweenElements),
                Event::GeneralRef(reference) => {
                    self.reference(&reference)?;
                    self.note(Remark::TextBetweenElements);
                }
                Event::Comment(_) => {}
                Event::Eof => return Err(self.truncated()),
                other => return Err(self.forbidden(&other)),
            }
        }
    }

    /// The text of the open element, unescaped; closes it. Elements inside are ignored.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>> {
        let mut text = Cow::Borrowed("");
        while self.text_or_child(&mut text)?.is_some() {
            self.note(Remark::ElementUnknown);
            self.skip()?;
        }
        Ok(text)
    }

    /// Adds text to `text` up to the next child element, or to the end of the open one, which closes it (`None`).
    pub(crate) fn text_or_child(&mut self, text: &mut Cow<'a, str>) -> Result<Option<Element<'a>>> {
        if self.ends_at_once {
            self.leave();
            return Ok(None);
        }
        loop {
            match self.event()? {
                Event::Text(part) => append(text, part.xml10_content()),
                Event::CData(part) => append(text, part.xml10_content()),
                Event::GeneralRef(reference) => {
                    if let Some(c) = self.reference(&reference)? {
                        text.to_mut().push(c);
                    }
                }
                Event::End(_) => {
                    self.leave();
                    return Ok(None);
                }
                Event::Start(tag) => return self.start(&tag, false).map(Some),
                Event::Empty(tag) => return self.start(&tag, true).map(Some),
                Event::Comment(_) => {}
                Event::Eof => return Err(self.truncated()),
                other => return Err(self.forbidden(&other)),
            }
            if text.len() > self.limits.value_bytes {
                return Err(self.too_large(Limit::ValueBytes, self.limits.value_bytes));
            }
        }
    }

    /// Reads over the open element to its end, checking it like the rest.
    pub(crate) fn skip(&mut self) -> Result<()> {
        let depth = self.open.len();
        while self.open.len() >= depth {
            if self.ends_at_once {
                self.leave();
                continue;
            }
            match self.event()? {
                Event::Start(tag) => drop(self.start(&tag, false)?),
                Event::Empty(tag) => drop(self.start(&tag, true)?),
                Event::End(_) => self.leave(),
                Event::GeneralRef(reference) => drop(self.reference(&reference)?),
                Event::Text(_) | Event::CData(_) | Event::Comment(_) => {}
                Event::Eof => return Err(self.truncated()),
                other => return Err(self.forbidden(&other)),
            }
        }
        Ok(())
    }

    fn event(&mut self) -> Result<Event<'a>> {
        self.tokens.read_event().map_err(|error| self.error(&error))
    }

    fn leave(&mut self) {
        self.ends_at_once = false;
        self.open.pop();
        while self.scope.last().is_some_and(|b| b.depth > self.open.len()) {
            self.scope.pop();
        }
    }

    fn start(&mut self, start: &BytesStart<'a>, empty: bool) -> Result<Element<'a>> {
        let tag = self.tag(start.len(), empty);
        let name = tag.get(..start.name().as_ref().len()).unwrap_or(tag);
        if name.len() > self.limits.name_bytes {
            return Err(self.too_large(Limit::NameBytes, self.limits.name_bytes));
        }
        let Some((prefix, local)) = qualified(name) else {
            return Err(self.malformed("a start tag without a proper name"));
        };
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(self.too_large(Limit::Elements, self.limits.elements));
        }
        if self.open.len() >= self.limits.depth {
            return Err(self.too_large(Limit::Depth, self.limits.depth));
        }
        self.open.push(name);
        self.ends_at_once = empty;
        let mut element = Element {
            local,
            namespace: Namespace::None,
            array_type: None,
            xsi_type: None,
            must_understand: None,
            actor: None,
        };
        if tag.len() > name.len() {
            self.attributes(tag, name.len(), &mut element)?;
        }
        element.namespace = self.resolve(prefix);
        if element.namespace == Namespace::Undeclared {
            self.note(Remark::PrefixUndeclared);
        }
        Ok(element)
    }

    /// The text between `<` and `>` of the tag just read, borrowed from the source.
    fn tag(&self, bytes: usize, empty: bool) -> &'a str {
        let end = self.offset().saturating_sub(if empty { 2 } else { 1 });
        self.source.get(end.saturating_sub(bytes)..end).unwrap_or("")
    }

    fn attributes(&mut self, tag: &'a str, name_bytes: usize, element: &mut Element<'a>) -> Result<()> {
        let mut count = 0;
        let mut last = ("", "");
        for attribute in unchecked(tag, name_bytes) {
            let attribute = attribute.map_err(|e| self.malformed(&e.to_string()))?;
            count += 1;
            self.check_attribute(&attribute, count)?;
            last = (attribute.key.into_inner(), borrowed(&attribute.value));
            if let Some(prefix) = declared_prefix(last.0) {
                self.declare(prefix, last.1)?;
            }
        }
        if count == 1 {
            self.known_attribute(last.0, last.1, element);
            return Ok(());
        }
        self.check_repeated(tag, name_bytes)?;
        // Only now is every prefix of this tag known.
        for attribute in unchecked(tag, name_bytes).flatten() {
            self.known_attribute(attribute.key.into_inner(), borrowed(&attribute.value), element);
        }
        Ok(())
    }

    fn check_attribute(&self, attribute: &Attribute<'a>, count: usize) -> Result<()> {
        if count > self.limits.attributes {
            return Err(self.too_large(Limit::Attributes, self.limits.attributes));
        }
        let name = attribute.key.into_inner();
        if name.len() > self.limits.name_bytes {
            return Err(self.too_large(Limit::NameBytes, self.limits.name_bytes));
        }
        if attribute.value.len() > self.limits.value_bytes {
            return Err(self.too_large(Limit::ValueBytes, self.limits.value_bytes));
        }
        let value = attribute.value.as_bytes();
        if qualified(name).is_none() || value.contains(&b'<') {
            return Err(self.malformed("an attribute without a proper name or value"));
        }
        if value.contains(&b'&') && quick_xml::escape::unescape(&attribute.value).is_err() {
            return Err(DecodeError::Forbidden { offset: self.offset(), what: Forbidden::Entity });
        }
        Ok(())
    }

    /// No attribute twice; a scan for the usual few, the hashing one of quick-xml beyond.
    fn check_repeated(&self, tag: &'a str, name_bytes: usize) -> Result<()> {
        const FEW: usize = 8;
        let mut seen = [""; FEW];
        for (used, attribute) in unchecked(tag, name_bytes).flatten().enumerate() {
            let name = attribute.key.into_inner();
            if used == FEW {
                return match Attributes::new(tag, name_bytes).find_map(std::result::Result::err) {
                    Some(error) => Err(self.malformed(&error.to_string())),
                    None => Ok(()),
                };
            }
            if seen[..used].contains(&name) {
                return Err(self.malformed("an attribute twice in one tag"));
            }
            seen[used] = name;
        }
        Ok(())
    }

    fn declare(&mut self, prefix: &'a str, uri: &str) -> Result<()> {
        if self.scope.len() >= self.limits.namespaces {
            return Err(self.too_large(Limit::Namespaces, self.limits.namespaces));
        }
        let namespace = Namespace::of_uri(uri);
        match namespace {
            Namespace::Schema | Namespace::SchemaInstance if is_old_schema(uri) => {
                self.note(Remark::SchemaNamespaceOld);
            }
            Namespace::Cwmp(_) | Namespace::CwmpUnknown => {
                self.cwmp_declared.get_or_insert(namespace);
            }
            _ => {}
        }
        self.scope.push(Binding { prefix, namespace, depth: self.open.len() });
        Ok(())
    }

    fn known_attribute(&mut self, name: &'a str, value: &'a str, element: &mut Element<'a>) {
        let (prefix, local) = split(name);
        let (slot, home) = match local {
            "type" => (&mut element.xsi_type, Namespace::SchemaInstance),
            "arrayType" => (&mut element.array_type, Namespace::SoapEncoding),
            "mustUnderstand" => (&mut element.must_understand, Namespace::Soap11),
            "actor" => (&mut element.actor, Namespace::Soap11),
            _ => return,
        };
        // Attributes take no default namespace.
        if prefix.is_empty() {
            return;
        }
        match lookup(&self.scope, prefix) {
            Namespace::Undeclared => {
                *slot = Some(value);
                self.remarks.note(Remark::PrefixUndeclared);
            }
            // `soap` bound to the encoding namespace is met, so either SOAP namespace will do.
            Namespace::Soap11 | Namespace::SoapEncoding if home != Namespace::SchemaInstance => *slot = Some(value),
            namespace if namespace == home => *slot = Some(value),
            _ => {}
        }
    }

    fn resolve(&self, prefix: &str) -> Namespace {
        lookup(&self.scope, prefix)
    }

    /// The character of `&…;`, `None` if it was dropped.
    fn reference(&mut self, reference: &BytesRef<'a>) -> Result<Option<char>> {
        if !reference.is_char_ref() {
            return match quick_xml::escape::resolve_xml_entity(reference) {
                Some(text) => Ok(text.chars().next()),
                None => Err(DecodeError::Forbidden { offset: self.offset(), what: Forbidden::Entity }),
            };
        }
        let resolved = match reference.resolve_char_ref() {
            Ok(Some(c)) if is_xml_char(c) => return Ok(Some(c)),
            Ok(Some(c)) => u32::from(c),
            // quick-xml refuses 0 itself.
            _ if is_zero(reference) => 0,
            _ => return Err(self.malformed("a character reference that names no character")),
        };
        if self.leniency.invalid_characters == InvalidCharacters::Refuse {
            return Err(DecodeError::InvalidCharacter { offset: self.offset(), found: resolved });
        }
        self.note(Remark::InvalidCharacters);
        Ok(None)
    }

    fn error(&self, error: &Error) -> DecodeError {
        match error {
            // Every syntax error is a construct whose end did not come, but for an unknown `<!`.
            Error::Syntax(SyntaxError::InvalidBangMarkup) => self.malformed(&error.to_string()),
            Error::Syntax(_) | Error::IllFormed(IllFormedError::MissingEndTag(_)) => self.truncated(),
            _ => self.malformed(&error.to_string()),
        }
    }

    fn malformed(&self, what: &str) -> DecodeError {
        DecodeError::Malformed { offset: self.offset(), what: shortened(what, 200).into() }
    }

    fn truncated(&self) -> DecodeError {
        let element = self.open.last().copied().unwrap_or_default();
        DecodeError::Truncated { offset: self.source.len(), element: element.into() }
    }

    fn forbidden(&self, event: &Event<'_>) -> DecodeError {
        let what = match event {
            Event::DocType(_) => Forbidden::DocumentType,
            _ => Forbidden::ProcessingInstruction,
        };
        DecodeError::Forbidden { offset: self.offset(), what }
    }
}

/// `text` cut to at most `bytes` at a character boundary.
pub(super) fn shortened(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn unchecked(tag: &str, name_bytes: usize) -> Attributes<'_> {
    let mut attributes = Attributes::new(tag, name_bytes);
    attributes.with_checks(false);
    attributes
}

/// The reader works on a string slice, so values are borrowed; an owned one would be a change in quick-xml.
fn borrowed<'a>(value: &Cow<'a, str>) -> &'a str {
    match value {
        Cow::Borrowed(value) => value,
        Cow::Owned(_) => "",
    }
}

fn declared_prefix(name: &str) -> Option<&str> {
    match name.strip_prefix("xmlns")? {
        "" => Some(""),
        rest => rest.strip_prefix(':'),
    }
}

fn split(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}

fn lookup(scope: &[Binding<'_>], prefix: &str) -> Namespace {
    match scope.iter().rev().find(|b| b.prefix == prefix) {
        Some(binding) => binding.namespace,
        None if prefix.is_empty() => Namespace::None,
        None if matches!(prefix, "xml" | "xmlns") => Namespace::Other,
        None => Namespace::Undeclared,
    }
}

fn append<'a>(text: &mut Cow<'a, str>, part: Cow<'a, str>) {
    if text.is_empty() {
        *text = part;
    } else {
        text.to_mut().push_str(&part);
    }
}

fn is_white(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_whitespace())
}

fn is_zero(reference: &str) -> bool {
    let digits = reference.trim_start_matches('#').trim_start_matches('x');
    !digits.is_empty() && digits.bytes().all(|b| b == b'0')
}
