/// Why bytes are no record. A stored record that gives this is kept as it is; it is never overwritten by a guess.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// Not the bytes of a message at all.
    #[error("the bytes of a {record} are damaged: {source}")]
    Damaged {
        /// The record's type.
        record: &'static str,
        /// What the reader saw.
        source: prost::DecodeError,
    },
    /// A field that every version writes is not there.
    #[error("{field} is missing")]
    Missing {
        /// Message and field.
        field: &'static str,
    },
    /// A field with a content that no version writes.
    #[error("{field} is wrong: {problem}")]
    Invalid {
        /// Message and field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A value of an enumeration that this version does not know.
    #[error("{field} has the value {number}, which this version does not know; a newer one wrote it, use that version")]
    UnknownValue {
        /// Message and field.
        field: &'static str,
        /// The value's number.
        number: i32,
    },
    /// A secret that cannot be opened.
    #[error("{secret} cannot be opened: no key of the key ring fits; bring back the key it was sealed with")]
    Sealed {
        /// Which secret, of which record.
        secret: String,
    },
}

impl RecordError {
    /// Says in which record a sealed secret lies, where the part that failed does not know.
    pub(crate) fn of_record(self, record: impl FnOnce() -> String) -> Self {
        match self {
            Self::Sealed { secret } => Self::Sealed { secret: format!("{secret} of {}", record()) },
            other => other,
        }
    }
}
