use std::time::Duration;

use cwmp_codec::{AcsRequest, CpeRequest, CpeResponse, CwmpNamespace, Envelope, Fault, Inform};
use cwmp_model::Timestamp;

use crate::auth::Credentials;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Open the session. Only the first counts.
    Start(Box<Start>),
    /// The HTTP response to the last POST.
    Response(HttpResponse),
    /// The device carried out the request of [`Output::Execute`].
    Executed(Result<CpeResponse, Fault>),
    /// A request of the device to send in this session, if the CPE still may (CWMP-117); see
    /// [`CpeSession::unsent`](super::CpeSession::unsent). An Inform is refused that way, too.
    Request(CpeRequest),
    /// The time of the last [`Output::Wait`] has come.
    Timeout,
}

/// How a session opens.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The Inform.
    pub inform: Inform,
    /// Its header `ID`, and the base of those that follow (`<id>-2` …); `None` sends no IDs at all, as some devices do.
    pub id: Option<String>,
    /// The namespace that the device speaks; `None` declares none.
    pub namespace: Option<CwmpNamespace>,
    /// The header `SessionTimeout` in seconds.
    pub session_timeout: Option<u32>,
    /// The header `SupportedCWMPVersions`.
    pub supported_versions: Option<Vec<String>>,
    /// User name and password for challenges.
    pub credentials: Option<Credentials>,
    /// Send Basic credentials before being asked (CWMP-042).
    pub basic_unasked: bool,
    /// The request target of the ACS URL, for the digest: `/cwmp`.
    pub target: String,
    /// Random text for the digest, new for each session (CWMP-049).
    pub cnonce: String,
}

impl Start {
    /// An Inform in CWMP 1.0 without header entries but ID 1, without credentials.
    pub fn new(inform: Inform) -> Self {
        Self {
            inform,
            id: Some("1".to_owned()),
            namespace: Some(CwmpNamespace::V1_0),
            session_timeout: None,
            supported_versions: None,
            credentials: None,
            basic_unasked: false,
            target: "/".to_owned(),
            cnonce: String::new(),
        }
    }
}

/// An HTTP response of the ACS.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: ResponseBody,
    /// Every `WWW-Authenticate` header.
    pub www_authenticate: Vec<String>,
    /// The `Retry-After` header in seconds.
    pub retry_after: Option<u32>,
    /// The ACS closes the connection after it. The session goes on over another one (CWMP-018).
    pub connection_close: bool,
    /// The `Location` header.
    pub location: Option<String>,
}

impl HttpResponse {
    /// A response with this status and nothing else.
    pub const fn status(status: u16) -> Self {
        Self {
            status,
            body: ResponseBody::Empty,
            www_authenticate: Vec::new(),
            retry_after: None,
            connection_close: false,
            location: None,
        }
    }

    /// A 200 with this envelope.
    pub fn envelope(envelope: Envelope) -> Self {
        Self { body: ResponseBody::Envelope(Box::new(envelope)), ..Self::status(200) }
    }
}

/// The body of an [`HttpResponse`].
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseBody {
    /// None.
    Empty,
    /// An envelope.
    Envelope(Box<Envelope>),
    /// Something that could not be read.
    Unreadable,
}

/// What the session wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this POST.
    Post(Post),
    /// Carry out this request; answer with [`Input::Executed`].
    Execute {
        /// The request.
        request: AcsRequest,
    },
    /// The ACS answered a message of the device.
    Delivered(Delivered),
    /// Nothing more to do until an input comes or, at this moment, [`Input::Timeout`] is due. The last output of every
    /// drain unless `Closed` or `Execute` is.
    Wait(Timestamp),
    /// The session is over. What the device does afterwards (reboot, retry) is the caller's.
    Closed(Result<(), CpeFailure>),
}

/// One POST of the CPE.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// The envelope; `None` is an empty POST, without SOAPAction and Content-Type (CWMP-012).
    pub envelope: Option<Envelope>,
    /// The value of the `Authorization` header.
    pub authorization: Option<String>,
    /// Where to, after a redirect (CWMP-025); `None` is the ACS URL.
    pub url: Option<String>,
}

/// What the ACS answered to a message of the device.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivered {
    /// The Inform was accepted.
    Inform,
    /// This TransferComplete was accepted: the device may forget it.
    TransferComplete {
        /// Its CommandKey.
        command_key: String,
    },
    /// The methods of the ACS.
    Methods(Vec<String>),
    /// The ACS refused this request; the session goes on (CWMP-102).
    Refused {
        /// The method.
        method: String,
        /// The fault.
        fault: Fault,
    },
}

/// Why a session failed. The device tries again by [`retry_wait`](super::retry_wait).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpeFailure {
    /// No response came in time (CWMP-126).
    #[error("no response came within {} s", .0.as_secs())]
    NoResponse(Duration),
    /// 401 without usable challenge, or to the right answer.
    #[error("the ACS does not accept the credentials")]
    Unauthorized,
    /// More than [`REDIRECTS_MAX`](super::REDIRECTS_MAX) in a row, or one without Location (CWMP-025).
    #[error("the ACS redirects without end or without a location")]
    Redirects,
    /// 503.
    #[error("the ACS is busy")]
    Busy {
        /// Its Retry-After in seconds.
        retry_after: Option<u32>,
    },
    /// Another status.
    #[error("the ACS answers with status {0}")]
    Status(u16),
    /// The body cannot be read.
    #[error("the response of the ACS cannot be read")]
    Unreadable,
    /// A Fault to the Inform, or 8005 without end (CWMP-101).
    #[error("the ACS refuses {method} with fault {code}")]
    Refused {
        /// The method.
        method: String,
        /// The fault code.
        code: u32,
    },
    /// An envelope that has no place here.
    #[error("the ACS sent {found} where {expected} was due")]
    Unexpected {
        /// What came.
        found: String,
        /// What was due.
        expected: &'static str,
    },
}
