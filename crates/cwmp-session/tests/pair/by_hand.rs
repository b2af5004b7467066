//! An `AcsSession` alone, given one input after the other.

use std::time::Duration;

use cwmp_codec::{CpeRequest, CwmpNamespace, Envelope, Header, Message};
use cwmp_model::Timestamp;
use cwmp_session::AcsSession;
use cwmp_session::acs::{Answer, Begun, Call, Config, End, Input, Output, Post, Remark, Reply, Step};

use crate::driver::{START, inform, obey};

pub(crate) struct Hand {
    pub(crate) session: AcsSession,
    pub(crate) now: Timestamp,
}

/// What one input brought.
pub(crate) struct Outputs(pub(crate) Vec<Output>);

impl Hand {
    pub(crate) fn new(config: Config) -> Self {
        Self { session: AcsSession::new(config, START), now: START }
    }

    /// The InformResponse was given; the CPE has the word.
    pub(crate) fn opened(config: Config, work: bool) -> Self {
        let mut hand = Self::new(config);
        hand.post(open());
        hand.give(Input::Begun(Begun::Accepted { work }));
        hand
    }

    /// The CPE's empty POST waits for a step.
    pub(crate) fn asked() -> Self {
        let mut hand = Self::opened(Config::default(), true);
        hand.post(Post::empty());
        hand
    }

    /// The first of these calls is at the CPE.
    pub(crate) fn calling(calls: Vec<Call>) -> Self {
        let mut hand = Self::asked();
        hand.give(Input::Step(Step::Calls(calls)));
        hand
    }

    pub(crate) fn give(&mut self, input: Input) -> Outputs {
        let closed = self.session.is_closed();
        self.session.handle(self.now, input);
        let outputs: Vec<_> = std::iter::from_fn(|| self.session.poll_output()).collect();
        let last = outputs.last();
        assert!(closed || matches!(last, Some(Output::Wait(_) | Output::Closed(_))), "{last:?}");
        Outputs(outputs)
    }

    pub(crate) fn post(&mut self, post: Post) -> Outputs {
        self.give(Input::Post(post))
    }

    pub(crate) fn later(&mut self, duration: Duration) -> &mut Self {
        self.now = self.now.plus(duration);
        self
    }
}

impl Outputs {
    pub(crate) fn reply(&self) -> &Reply {
        let mut replies = self.replies();
        let reply = replies.next().expect("a reply");
        assert!(replies.next().is_none(), "one reply");
        reply
    }

    pub(crate) fn replies(&self) -> impl Iterator<Item = &Reply> {
        self.0.iter().filter_map(|output| match output {
            Output::Reply(reply) => Some(reply),
            _ => None,
        })
    }

    /// Status and envelope of the reply in short.
    pub(crate) fn sent(&self) -> String {
        let reply = self.reply();
        let name = reply.envelope().map(|envelope| format!(" {}", crate::driver::describe(envelope)));
        format!("{}{}", reply.status, name.unwrap_or_default())
    }

    pub(crate) fn end(&self) -> Option<&End> {
        self.0.iter().find_map(|output| match output {
            Output::Closed(end) => Some(end),
            _ => None,
        })
    }

    pub(crate) fn wait(&self) -> Option<Timestamp> {
        self.0.iter().find_map(|output| match output {
            Output::Wait(deadline) => Some(*deadline),
            _ => None,
        })
    }

    pub(crate) fn remarks(&self) -> Vec<Remark> {
        let remark = |output: &Output| match output {
            Output::Remark(remark) => Some(*remark),
            _ => None,
        };
        self.0.iter().filter_map(remark).collect()
    }

    /// The answers handed over with NeedStep; `None` if no step is asked for.
    pub(crate) fn need_step(&self) -> Option<&[Answer]> {
        self.0.iter().find_map(|output| match output {
            Output::NeedStep { answers } => Some(answers.as_slice()),
            _ => None,
        })
    }
}

pub(crate) fn envelope(id: Option<&str>, message: Message) -> Envelope {
    let header = Header { id: id.map(str::to_owned), ..Header::default() };
    Envelope { namespace: Some(CwmpNamespace::V1_0), header, message }
}

pub(crate) fn message(id: Option<&str>, message: Message) -> Post {
    Post::envelope(envelope(id, message))
}

pub(crate) fn open() -> Post {
    message(Some("i-1"), Message::CpeRequest(CpeRequest::Inform(inform(&["2 PERIODIC"]))))
}

pub(crate) fn request(id: Option<&str>, request: CpeRequest) -> Post {
    message(id, Message::CpeRequest(request))
}

/// The answer of a healthy device to `call`, under this ID.
pub(crate) fn answer(id: Option<&str>, call: &Call) -> Post {
    message(id, Message::CpeResponse(obey(&call.request)))
}
