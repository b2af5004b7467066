use crate::{CwmpNamespace, Limit};

/// Why a body was not understood. The fault is always the sender's.
///
/// `offset` is a byte offset into the body after decoding its charset (equal to the raw offset for UTF-8).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No well-formed XML (CWMP-103).
    #[error("the body is no well-formed XML at byte {offset}: {what}")]
    Malformed {
        /// Where.
        offset: usize,
        /// What the XML reader says.
        what: Box<str>,
    },
    /// The end came too early (CWMP-103).
    #[error(
        "the body ends at byte {offset} inside `{element}`; a Content-Length counted in characters cuts it short like this"
    )]
    Truncated {
        /// The length of what came.
        offset: usize,
        /// The innermost open element; empty in front of the root.
        element: Box<str>,
    },
    /// Something that SOAP forbids in a message (CWMP-086).
    #[error("the body holds {what} at byte {offset}, which no SOAP message may have")]
    Forbidden {
        /// Where.
        offset: usize,
        /// What.
        what: Forbidden,
    },
    /// XML, but no SOAP 1.1 envelope (CWMP-103).
    #[error("the body is no SOAP 1.1 envelope at byte {offset}: {what}")]
    NotAnEnvelope {
        /// Where.
        offset: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A SOAP 1.2 envelope (CWMP-065).
    #[error("the body is a SOAP 1.2 envelope, CWMP is SOAP 1.1")]
    Soap12,
    /// A character that XML 1.0 cannot carry, where the options refuse it (CWMP-083).
    #[error("the body has the character U+{found:04X} at byte {offset}, which XML cannot carry")]
    InvalidCharacter {
        /// Where.
        offset: usize,
        /// Its code point.
        found: u32,
    },
    /// One of the [`Limits`](crate::Limits) was passed (CWMP-530).
    #[error("the body passes the limit {limit} of {max} at byte {offset}")]
    TooLarge {
        /// Which.
        limit: Limit,
        /// Its value.
        max: usize,
        /// Where.
        offset: usize,
    },
    /// A header entry that has to be understood and is not known (CWMP-092).
    #[error("the header entry `{entry}` has mustUnderstand 1 and is not known")]
    MustUnderstand {
        /// Its local name.
        entry: Box<str>,
        /// For the answer, see [`encode_must_understand_fault`](crate::encode_must_understand_fault).
        answer_to: Box<AnswerTo>,
    },
    /// A known method whose arguments cannot be understood even leniently (CWMP-099).
    #[error("{method} cannot be understood at byte {offset}: {argument} {what}")]
    InvalidArguments {
        /// The body element's name.
        method: &'static str,
        /// The argument.
        argument: &'static str,
        /// What is wrong with it.
        what: &'static str,
        /// Where.
        offset: usize,
        /// For the answer, a Fault 8003 if the method is a request.
        answer_to: Box<AnswerTo>,
    },
}

/// What the answer to a message that was not understood has to repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerTo {
    /// The header `ID` (CWMP-087).
    pub id: Option<String>,
    /// The CWMP namespace.
    pub namespace: Option<CwmpNamespace>,
}

/// See [`DecodeError::Forbidden`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Forbidden {
    /// `<!DOCTYPE`
    DocumentType,
    /// `<?…?>` other than the XML declaration in front.
    ProcessingInstruction,
    /// `&name;` beyond the five of XML.
    Entity,
}

impl std::fmt::Display for Forbidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::DocumentType => "a document type declaration",
            Self::ProcessingInstruction => "a processing instruction",
            Self::Entity => "an entity reference",
        })
    }
}

/// What the receiver does about a [`DecodeError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecodeClass {
    /// HTTP 400 and close (CWMP-103).
    NotAnEnvelope,
    /// HTTP 413 (CWMP-030).
    TooLarge,
    /// The SOAP fault MustUnderstand in a 200 (CWMP-092).
    MustUnderstand,
    /// Fault 8003 in a 200 if it was a request (CWMP-099), else the request it answers failed (CWMP-104).
    InvalidArguments,
    /// HTTP 400 and close (CWMP-065); apart, because it tells what to configure.
    Soap12,
}

impl DecodeError {
    /// What to do.
    pub const fn class(&self) -> DecodeClass {
        match self {
            Self::Malformed { .. }
            | Self::Truncated { .. }
            | Self::Forbidden { .. }
            | Self::NotAnEnvelope { .. }
            | Self::InvalidCharacter { .. } => DecodeClass::NotAnEnvelope,
            Self::Soap12 => DecodeClass::Soap12,
            Self::TooLarge { .. } => DecodeClass::TooLarge,
            Self::MustUnderstand { .. } => DecodeClass::MustUnderstand,
            Self::InvalidArguments { .. } => DecodeClass::InvalidArguments,
        }
    }

    pub(crate) fn with_answer_to(mut self, id: Option<&str>, namespace: Option<CwmpNamespace>) -> Self {
        if let Self::InvalidArguments { answer_to, .. } | Self::MustUnderstand { answer_to, .. } = &mut self {
            **answer_to = AnswerTo { id: id.map(str::to_owned), namespace };
        }
        self
    }
}

/// Why an envelope was not written: it would break the standard, and writing is strict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Over a limit of CWMP-084.
    #[error("{field} has {chars} characters, at most {limit} are allowed")]
    TooLong {
        /// The element.
        field: &'static str,
        /// Allowed.
        limit: usize,
        /// Found.
        chars: usize,
    },
    /// Over a limit of members.
    #[error("{field} has {count} members, at most {limit} are allowed")]
    TooMany {
        /// The list.
        field: &'static str,
        /// Allowed.
        limit: usize,
        /// Found.
        count: usize,
    },
    /// A value that does not fit its type (CWMP-078). The value may be a secret, so it is not told.
    #[error("the value of `{name}` is no {expected}")]
    Value {
        /// The parameter.
        name: String,
        /// The type.
        expected: &'static str,
    },
    /// XML 1.0 cannot carry it (CWMP-083).
    #[error("{field} has the character U+{found:04X}, which XML cannot carry")]
    InvalidCharacter {
        /// The element.
        field: &'static str,
        /// Its code point.
        found: u32,
    },
    /// Not in the form the standard demands.
    #[error("{field} is `{text}`, which is no {expected}")]
    Form {
        /// The element.
        field: &'static str,
        /// The text, shortened.
        text: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The namespace has no such file type, fault code or event code (CWMP-168).
    #[error("{field} `{text}` does not exist in {}", namespace.urn())]
    NotInNamespace {
        /// The element.
        field: &'static str,
        /// What was asked for.
        text: String,
        /// The namespace of the envelope.
        namespace: CwmpNamespace,
    },
    /// A URL with user information (CWMP-332).
    #[error("{field} carries user information; it goes into Username and Password")]
    UserInformation {
        /// The element.
        field: &'static str,
    },
    /// A list that may not be empty.
    #[error("{field} is empty, it needs at least one member")]
    Empty {
        /// The element.
        field: &'static str,
    },
    /// The same name twice in one call (CWMP-224).
    #[error("ParameterList names `{name}` twice")]
    Repeated {
        /// The name.
        name: String,
    },
    /// [`Message::Unknown`](crate::Message::Unknown) cannot be written.
    #[error("the method `{method}` is not known and cannot be written")]
    UnknownMethod {
        /// Its name.
        method: String,
    },
}
