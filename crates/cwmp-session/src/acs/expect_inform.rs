use cwmp_codec::{CpeRequest, CwmpNamespace, Envelope, Header, Inform, Message, negotiate};
use cwmp_model::Timestamp;

use super::core::Core;
use super::expect_begin::ExpectBegin;
use super::state::{State, refuse_without_session};
use super::{InformFacts, Outcome, Output, Post, PostBody, ReadFailure};

/// Awaits the Inform: the first one, or the same again after a 401 or a Fault 8005.
#[derive(Debug)]
pub(crate) struct ExpectInform;

impl ExpectInform {
    pub(super) fn on_post(self, core: &mut Core, now: Timestamp, post: Post) -> State {
        match post.message {
            PostBody::Envelope(envelope) => on_envelope(core, now, *envelope),
            PostBody::Unreadable(failure) => on_unreadable(core, failure),
            PostBody::Empty => refused(core, &Post::empty()),
        }
    }
}

fn on_envelope(core: &mut Core, now: Timestamp, envelope: Envelope) -> State {
    match envelope.message {
        Message::CpeRequest(CpeRequest::Inform(inform)) => {
            on_inform(core, now, envelope.namespace, envelope.header, inform)
        }
        _ => refused(core, &Post::envelope(envelope)),
    }
}

fn on_inform(
    core: &mut Core,
    now: Timestamp,
    namespace: Option<CwmpNamespace>,
    header: Header,
    inform: Inform,
) -> State {
    let agreed = match negotiate(namespace, &header) {
        Ok(agreed) => agreed,
        Err(unsupported) => {
            core.namespace = unsupported.namespace;
            core.respond_fault(header.id, 8006, true);
            return core.end(Outcome::ProtocolError, "the CPE supports no CWMP version of this ACS", Vec::new());
        }
    };
    core.version = agreed.version;
    core.namespace = agreed.namespace;
    core.idle_timeout = core.config.idle_timeout(header.session_timeout);
    core.await_caller(now);
    core.push(Output::Begin(Box::new(InformFacts {
        inform,
        version: agreed.version,
        namespace: agreed.namespace,
        session_timeout: header.session_timeout,
        idle_timeout: core.idle_timeout,
        received_at: now,
    })));
    State::ExpectBegin(ExpectBegin { id: header.id, use_version: agreed.announce })
}

fn on_unreadable(core: &mut Core, failure: ReadFailure) -> State {
    match failure {
        ReadFailure::InvalidArguments { method, answer_to } if method == "Inform" => {
            core.namespace = answer_to.namespace.unwrap_or(core.namespace);
            core.respond_fault(answer_to.id, 8003, true);
            core.end(Outcome::ProtocolError, "the Inform cannot be understood", Vec::new())
        }
        ReadFailure::MustUnderstand(answer_to) => {
            core.reply_must_understand(answer_to, true);
            core.end(Outcome::ProtocolError, "a header entry of the Inform is not understood", Vec::new())
        }
        ReadFailure::TooLarge => {
            core.reply_status(413, true);
            core.end(Outcome::LimitExceeded, "the message is too large", Vec::new())
        }
        other => refused(core, &Post::unreadable(other)),
    }
}

/// Nothing but an Inform opens a session (CWMP-111).
fn refused(core: &mut Core, post: &Post) -> State {
    refuse_without_session(core, post);
    core.end(Outcome::ProtocolError, "the first message is no Inform", Vec::new())
}
