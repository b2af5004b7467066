//! Reading the members of a structure leniently: any order, any familiar namespace, unknown ones ignored (CWMP-067 to
//! CWMP-070), and the scalar types of CWMP.

use std::borrow::Cow;

use cwmp_model::ParameterPath;

use crate::xml::{Element, Namespace, Reader};
use crate::{AnswerTo, DecodeError, Limit, Remark};

/// Which members of a structure came. At most 16 members.
pub(crate) struct Arguments {
    names: &'static [&'static str],
    seen: u16,
    next: usize,
}

impl Arguments {
    /// `names` in the order of the schema.
    pub(crate) const fn new(names: &'static [&'static str]) -> Self {
        Self { names, seen: 0, next: 0 }
    }

    /// The next known member of the open structure; the caller consumes it. `None` at the end of the structure.
    pub(crate) fn next<'a>(&mut self, r: &mut Reader<'a>) -> Result<Option<(&'static str, Element<'a>)>, DecodeError> {
        while let Some(element) = r.child()? {
            let Some(index) = self.index(&element) else {
                r.note(Remark::ElementUnknown);
                r.skip()?;
                continue;
            };
            note_namespace(r, element.namespace);
            if self.seen & (1 << index) != 0 {
                r.note(Remark::ArgumentRepeated { argument: self.names[index] });
            } else if index < self.next {
                r.note(Remark::ArgumentOrder);
            }
            self.seen |= 1 << index;
            self.next = index + 1;
            return Ok(Some((self.names[index], element)));
        }
        Ok(None)
    }

    /// Whether `name` came.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().position(|n| *n == name).is_some_and(|i| self.seen & (1 << i) != 0)
    }

    /// A remark for each of `names` that did not come.
    pub(crate) fn note_missing(&self, r: &mut Reader<'_>, names: &[&'static str]) {
        for argument in names {
            if !self.has(argument) {
                r.note(Remark::ArgumentMissing { argument });
            }
        }
    }

    fn index(&self, element: &Element<'_>) -> Option<usize> {
        if !element.namespace.is_familiar() {
            return None;
        }
        // Mostly it is the one that is due.
        match self.names.get(self.next) {
            Some(name) if *name == element.local => Some(self.next),
            _ => self.names.iter().position(|name| *name == element.local),
        }
    }
}

/// Arguments belong in no namespace (CWMP-068); a remark for those that are not.
pub(crate) fn note_namespace(r: &mut Reader<'_>, namespace: Namespace) {
    match namespace {
        Namespace::None | Namespace::Undeclared => {}
        Namespace::Cwmp(_) | Namespace::CwmpUnknown => r.note(Remark::ArgumentInCwmpNamespace),
        _ => r.note(Remark::ArgumentInSoapNamespace),
    }
}

/// `answer_to` is filled in where the header is known.
pub(crate) fn invalid(r: &Reader<'_>, method: &'static str, argument: &'static str, what: &'static str) -> DecodeError {
    DecodeError::InvalidArguments {
        method,
        argument,
        what,
        offset: r.offset(),
        answer_to: Box::new(AnswerTo::default()),
    }
}

/// A text, kept whole; a remark if it has more than `limit` characters.
pub(crate) fn text(r: &mut Reader<'_>, argument: &'static str, limit: usize) -> Result<String, DecodeError> {
    let text = r.text()?;
    if text.len() > limit && text.chars().count() > limit {
        r.note(Remark::TextTooLong { argument });
    }
    Ok(text.into_owned())
}

/// A number that decides something: it has to be readable.
pub(crate) fn number(r: &mut Reader<'_>, method: &'static str, argument: &'static str) -> Result<u32, DecodeError> {
    let text = r.text()?;
    parse_number(&text).ok_or_else(|| invalid(r, method, argument, "is no unsigned 32-bit number"))
}

/// A number that decides nothing: unreadable is 0, with a remark.
pub(crate) fn lenient_number(r: &mut Reader<'_>, argument: &'static str) -> Result<u32, DecodeError> {
    let text = r.text()?;
    Ok(parse_number(&text).unwrap_or_else(|| {
        r.note(Remark::ArgumentUnreadable { argument });
        0
    }))
}

/// A boolean in any form of CWMP-077.
pub(crate) fn boolean(r: &mut Reader<'_>, method: &'static str, argument: &'static str) -> Result<bool, DecodeError> {
    let text = r.text()?;
    parse_boolean(&text).ok_or_else(|| invalid(r, method, argument, "is no boolean"))
}

/// A path that decides something: it has to be usable.
pub(crate) fn path(
    r: &mut Reader<'_>,
    method: &'static str,
    argument: &'static str,
) -> Result<ParameterPath, DecodeError> {
    let text = r.text()?;
    ParameterPath::from_device(&text).map_err(|_| invalid(r, method, argument, "is no parameter path"))
}

/// A path in a list of many: an unusable one is left out with a remark.
pub(crate) fn usable_path(r: &mut Reader<'_>) -> Result<Option<ParameterPath>, DecodeError> {
    let text = r.text()?;
    match ParameterPath::from_device(&text) {
        Ok(path) => Ok(Some(path)),
        Err(_) => {
            r.note(Remark::ParameterNameUnusable);
            Ok(None)
        }
    }
}

/// The Status of a response (CWMP-226).
pub(crate) fn status(r: &mut Reader<'_>, method: &'static str) -> Result<u32, DecodeError> {
    let status = number(r, method, "Status")?;
    if status > 1 {
        r.note(Remark::StatusOther);
    }
    Ok(status)
}

pub(crate) fn parse_number(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "1" => Some(true),
        "0" => Some(false),
        word if word.eq_ignore_ascii_case("true") => Some(true),
        word if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Reads a list (CWMP-073): `member` is called for each member, open, and consumes it; `members` is their name.
pub(crate) fn list<'a>(
    r: &mut Reader<'a>,
    list: &Element<'a>,
    members: &str,
    mut member: impl FnMut(&mut Reader<'a>, Element<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut count = 0;
    while let Some(element) = r.child()? {
        if !element.namespace.is_familiar() {
            r.note(Remark::ElementUnknown);
            r.skip()?;
            continue;
        }
        count += 1;
        if count > r.limits().list_members {
            return Err(r.too_large(Limit::ListMembers, r.limits().list_members));
        }
        if element.local != members {
            r.note(Remark::MemberName);
        }
        if !matches!(element.namespace, Namespace::None) {
            note_namespace(r, element.namespace);
        }
        member(r, element)?;
    }
    note_array_type(r, list, count);
    Ok(())
}

fn note_array_type(r: &mut Reader<'_>, list: &Element<'_>, count: usize) {
    if list.xsi_type.is_some() {
        r.note(Remark::ArrayWithXsiType);
    }
    match list.array_type {
        None => r.note(Remark::ArrayTypeMissing),
        Some(said) if array_length(said) != Some(count) => r.note(Remark::ArrayLengthWrong),
        Some(_) => {}
    }
}

/// The 8 of `xsd:string[0008]`.
fn array_length(array_type: &str) -> Option<usize> {
    let (_, length) = array_type.trim().strip_suffix(']')?.rsplit_once('[')?;
    length.trim().parse().ok()
}

/// A list of texts.
pub(crate) fn texts<'a>(
    r: &mut Reader<'a>,
    element: &Element<'a>,
    mut each: impl FnMut(&mut Reader<'a>, Cow<'a, str>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    list(r, element, "string", |r, _| {
        let text = r.text()?;
        each(r, text)
    })
}
