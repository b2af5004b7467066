use std::time::Duration;

use cwmp_codec::{
    AcsRequest, AnswerTo, CpeResponse, CwmpNamespace, CwmpVersion, Envelope, Fault, Inform, TransferComplete,
};
use cwmp_model::Timestamp;

/// What the session wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Make this Inform durable and begin the session; answer with [`Input::Begun`](super::Input::Begun).
    Begin(Box<InformFacts>),
    /// Make this completion durable; answer with [`Input::Recorded`](super::Input::Recorded) (CWMP-192).
    Record(Box<TransferComplete>),
    /// Take these answers and say what comes next with [`Input::Step`](super::Input::Step). The answers are handed over:
    /// the session keeps no copy of them.
    NeedStep {
        /// In the order in which the calls were sent; those that were not sent come last.
        answers: Vec<Answer>,
    },
    /// Write this HTTP response.
    Reply(Reply),
    /// Something the device did that was forgiven (CWMP-535).
    Remark(Remark),
    /// Nothing more to do until an input comes or, at this moment, [`Input::Timeout`](super::Input::Timeout) is due. The
    /// last output of every drain unless `Closed` is.
    Wait(Timestamp),
    /// The session is over; nothing follows.
    Closed(End),
}

/// The Inform that opens a session, and what was agreed with it.
#[derive(Debug, Clone, PartialEq)]
pub struct InformFacts {
    /// The message.
    pub inform: Inform,
    /// The version of the session (CWMP-160).
    pub version: CwmpVersion,
    /// The namespace of the session (CWMP-165).
    pub namespace: CwmpNamespace,
    /// The `SessionTimeout` header in seconds, as sent.
    pub session_timeout: Option<u32>,
    /// The idle time-out that follows from it.
    pub idle_timeout: Duration,
    /// When its POST came.
    pub received_at: Timestamp,
}

/// A request to send to the CPE.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The header `ID`: 1 to 32 characters of `[A-Za-z0-9-]`, unlike any other of the session (CWMP-088).
    pub id: String,
    /// The request.
    pub request: AcsRequest,
    /// The caller's own mark, handed back with the answer; at most [`LABEL_BYTES_MAX`](super::LABEL_BYTES_MAX).
    pub label: String,
}

/// What became of a [`Call`].
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The `ID` of the call; of the message itself when it answers no call of this session.
    pub id: String,
    /// The label of the call; empty when it answers no call of this session, and then it is evidence only.
    pub label: String,
    /// The method of the call.
    pub request_method: String,
    /// When this was known.
    pub at: Timestamp,
    /// The answer.
    pub outcome: AnswerOutcome,
}

/// How a call was answered.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerOutcome {
    /// With its response.
    Response(CpeResponse),
    /// With a Fault.
    Fault(Fault),
    /// Not at all.
    Unanswered(UnansweredReason),
}

/// Why a call has no answer. All but `NotSent` leave its effect unknown (CWMP-133).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnansweredReason {
    /// It was never sent: its segment or the session ended before.
    NotSent,
    /// The CPE sent an empty POST in place of an answer.
    EmptyPost,
    /// The CPE sent another answer: wrong ID or wrong method (CWMP-089, CWMP-104).
    WrongAnswer,
    /// The CPE sent something that could not be read.
    Unreadable,
    /// No POST came in time (CWMP-124).
    TimedOut,
    /// The connection that the session was bound to is gone.
    Disconnected,
    /// The session ended for another reason, see [`End::outcome`].
    SessionEnded,
}

impl UnansweredReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::NotSent,
        Self::EmptyPost,
        Self::WrongAnswer,
        Self::Unreadable,
        Self::TimedOut,
        Self::Disconnected,
        Self::SessionEnded,
    ];

    /// Its name in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::EmptyPost => "empty_post",
            Self::WrongAnswer => "wrong_answer",
            Self::Unreadable => "unreadable",
            Self::TimedOut => "timed_out",
            Self::Disconnected => "disconnected",
            Self::SessionEnded => "session_ended",
        }
    }
}

/// One HTTP response.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// 200, 204, 400, 401, 413 or 503.
    pub status: u16,
    /// The body.
    pub body: ReplyBody,
    /// Close the connection after it.
    pub close: bool,
    /// Set the session cookie with it: the InformResponse and nothing else (CWMP-019).
    pub set_cookie: bool,
    /// Send a Retry-After of the caller's choosing, for this reason.
    pub retry_after: Option<RetryAfter>,
}

impl Reply {
    /// The envelope, if it carries one.
    pub fn envelope(&self) -> Option<&Envelope> {
        match &self.body {
            ReplyBody::Envelope(envelope) => Some(envelope),
            ReplyBody::Empty | ReplyBody::MustUnderstandFault(_) => None,
        }
    }
}

/// The body of a [`Reply`].
#[derive(Debug, Clone, PartialEq)]
pub enum ReplyBody {
    /// None.
    Empty,
    /// An envelope.
    Envelope(Box<Envelope>),
    /// The SOAP fault `MustUnderstand`, which has no CWMP fault in it (CWMP-092).
    MustUnderstandFault(AnswerTo),
}

/// Why a CPE is asked to come again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryAfter {
    /// No durable place was left, or the device could not be looked up (P11).
    Unavailable,
    /// No answer came in time (CWMP-127).
    Slow,
}

/// Something a device did against the standard that was served all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remark {
    /// An answer without header `ID`, or with an empty one (CWMP-089).
    AnswerWithoutId,
    /// An answer whose `ID` had white space around it (CWMP-089).
    PaddedId,
    /// An empty POST in place of an answer.
    EmptyAnswer,
    /// A request after the empty POST (CWMP-120).
    LateRequest,
    /// A request while HoldRequests was true (CWMP-118).
    RequestWhileHeld,
    /// A Fault though no request was open (CWMP-096).
    FaultWithoutRequest,
    /// A response though no request was open.
    ResponseWithoutRequest,
    /// A method that the ACS does not serve (CWMP-098).
    UnknownMethod,
}

impl Remark {
    /// Every remark.
    pub const ALL: [Self; 8] = [
        Self::AnswerWithoutId,
        Self::PaddedId,
        Self::EmptyAnswer,
        Self::LateRequest,
        Self::RequestWhileHeld,
        Self::FaultWithoutRequest,
        Self::ResponseWithoutRequest,
        Self::UnknownMethod,
    ];

    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnswerWithoutId => "answer_without_id",
            Self::PaddedId => "padded_id",
            Self::EmptyAnswer => "empty_answer",
            Self::LateRequest => "late_request",
            Self::RequestWhileHeld => "request_while_held",
            Self::FaultWithoutRequest => "fault_without_request",
            Self::ResponseWithoutRequest => "response_without_request",
            Self::UnknownMethod => "unknown_method",
        }
    }
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// In one word.
    pub outcome: Outcome,
    /// In one sentence, for people.
    pub detail: String,
    /// Answers that were not handed over yet, and the calls that will have none.
    pub answers: Vec<Answer>,
}

/// How a session ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// As the standard says (CWMP-121).
    Completed,
    /// No POST in time, or the connection it was bound to is gone (CWMP-124).
    TimedOut,
    /// A newer session of the device has begun (CWMP-129), other than after a Reboot or FactoryReset.
    Superseded,
    /// The CPE broke the protocol.
    ProtocolError,
    /// Too many messages, too long a life or too large a message (CWMP-140, CWMP-030).
    LimitExceeded,
    /// The ACS could not go on.
    ServerError,
    /// This front-end stopped; the session goes on elsewhere from its snapshot.
    Drained,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Completed,
        Self::TimedOut,
        Self::Superseded,
        Self::ProtocolError,
        Self::LimitExceeded,
        Self::ServerError,
        Self::Drained,
    ];

    /// Its name in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::TimedOut => "timed_out",
            Self::Superseded => "superseded",
            Self::ProtocolError => "protocol_error",
            Self::LimitExceeded => "limit_exceeded",
            Self::ServerError => "server_error",
            Self::Drained => "drained",
        }
    }
}

/// The five steps of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Nothing came yet.
    Initiation,
    /// A POST was challenged and has not come again.
    Authentication,
    /// The Inform is here, its response is not.
    Identification,
    /// Between InformResponse and the end.
    Tasks,
    /// The last response was given.
    Closing,
}

impl Phase {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initiation => "initiation",
            Self::Authentication => "authentication",
            Self::Identification => "identification",
            Self::Tasks => "tasks",
            Self::Closing => "closing",
        }
    }
}
