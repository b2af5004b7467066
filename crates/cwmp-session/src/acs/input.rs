use cwmp_codec::{AnswerTo, DecodeClass, DecodeError, Envelope};

use super::Call;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A POST of this session, authenticated and decoded. Exactly one [`Reply`](super::Reply) follows, now or later.
    Post(Post),
    /// A POST without acceptable credentials, in place of `Post`. The reply is a 401 to which the caller adds its
    /// challenge; the session goes on with the same message sent again (CWMP-045, CWMP-046).
    Challenge,
    /// The answer to [`Output::Begin`](super::Output::Begin).
    Begun(Begun),
    /// The answer to [`Output::Record`](super::Output::Record).
    Recorded(Result<(), NotDurable>),
    /// The answer to [`Output::NeedStep`](super::Output::NeedStep).
    Step(Step),
    /// The time of the last [`Output::Wait`](super::Output::Wait) has come. A question that was open is void then: an
    /// answer that still comes must not be handed in.
    Timeout,
    /// The connection of a CPE that returns no cookie is gone, and with it the session (CWMP-023).
    Disconnected,
    /// A newer session of the same device has begun (CWMP-129).
    Superseded,
    /// This front-end stops: finish the reply in hand, then leave the session to another one.
    Drain,
}

/// One POST, decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// What it carried.
    pub message: PostBody,
}

/// What a POST carried.
#[derive(Debug, Clone, PartialEq)]
pub enum PostBody {
    /// No bytes, or white space only (CWMP-013).
    Empty,
    /// An envelope.
    Envelope(Box<Envelope>),
    /// Something that could not be read.
    Unreadable(ReadFailure),
}

impl Post {
    /// An empty POST.
    pub const fn empty() -> Self {
        Self { message: PostBody::Empty }
    }

    /// A POST with an envelope.
    pub fn envelope(envelope: Envelope) -> Self {
        Self { message: PostBody::Envelope(Box::new(envelope)) }
    }

    /// A POST that could not be read.
    pub const fn unreadable(failure: ReadFailure) -> Self {
        Self { message: PostBody::Unreadable(failure) }
    }
}

/// Why a POST could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadFailure {
    /// No well-formed SOAP 1.1 envelope: 400 and close (CWMP-103).
    NotAnEnvelope,
    /// Over a limit of the reader: 413 and close (CWMP-030).
    TooLarge,
    /// A header entry that must be understood and is not (CWMP-092).
    MustUnderstand(AnswerTo),
    /// A known method with arguments that make no sense: Fault 8003 for a request (CWMP-099); the end of the session for
    /// an answer to a request of ours (CWMP-104).
    InvalidArguments {
        /// The local name of the body element, for example `TransferComplete` or `GetParameterValuesResponse`.
        method: String,
        /// What the answer repeats.
        answer_to: AnswerTo,
    },
}

impl From<DecodeError> for ReadFailure {
    fn from(error: DecodeError) -> Self {
        let class = error.class();
        match error {
            DecodeError::MustUnderstand { answer_to, .. } => Self::MustUnderstand(*answer_to),
            DecodeError::InvalidArguments { method, answer_to, .. } => {
                Self::InvalidArguments { method: method.to_owned(), answer_to: *answer_to }
            }
            _ if class == DecodeClass::TooLarge => Self::TooLarge,
            _ => Self::NotAnEnvelope,
        }
    }
}

/// How a session begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// The Inform is durable.
    Accepted {
        /// Work waits for this device.
        work: bool,
    },
    /// No durable place is left, or nobody can say who the device is: 503 with Retry-After (P11).
    Unavailable,
    /// The same Inform may succeed at once: Fault 8005 (CWMP-100).
    RetryRequest,
}

/// No durable place is left for a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no durable place is left for the completion, the device has to send it again")]
pub struct NotDurable;

/// What to do next for the device.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Requests to send one after the other; at least one, at most [`SEGMENT_CALLS_MAX`](super::SEGMENT_CALLS_MAX).
    Calls(Vec<Call>),
    /// Nothing is left to do.
    Nothing,
    /// Nobody could say.
    Unavailable,
}
