use cwmp_codec::{AcsResponse, CwmpVersion, InformResponse, Message};
use cwmp_model::Timestamp;

use super::core::Core;
use super::cpe_turn::CpeTurn;
use super::expect_inform::ExpectInform;
use super::state::State;
use super::{Begun, Outcome, Reply, ReplyBody, RetryAfter};

/// Awaits that the Inform is durable and the session begun. Only then may the CPE forget its events (P7).
#[derive(Debug)]
pub(crate) struct ExpectBegin {
    /// The ID of the Inform.
    pub(super) id: Option<String>,
    /// The version to announce (CWMP-161, CWMP-163).
    pub(super) use_version: Option<CwmpVersion>,
}

impl ExpectBegin {
    pub(super) fn on_begun(self, core: &mut Core, now: Timestamp, begun: Begun) -> State {
        match begun {
            Begun::Accepted { work } => self.accept(core, now, work),
            Begun::Unavailable => {
                core.reply_unavailable(RetryAfter::Unavailable);
                core.end(Outcome::ServerError, "the Inform could not be made durable", Vec::new())
            }
            Begun::RetryRequest if core.retry_faults < core.config.retry_faults_max => {
                core.retry_faults += 1;
                core.respond_fault(self.id, 8005, false);
                core.await_cpe(now);
                State::ExpectInform(ExpectInform)
            }
            Begun::RetryRequest => {
                core.reply_unavailable(RetryAfter::Unavailable);
                core.end(Outcome::ServerError, "the Inform was to be sent again too often", Vec::new())
            }
        }
    }

    pub(super) fn on_timeout(self, core: &mut Core) -> State {
        core.reply_unavailable(RetryAfter::Slow);
        core.end(Outcome::ServerError, "the Inform was not made durable in time", Vec::new())
    }

    fn accept(self, core: &mut Core, now: Timestamp, work: bool) -> State {
        core.held = core.config.hold_requests;
        let mut envelope = core.envelope(self.id, Message::AcsResponse(AcsResponse::Inform(InformResponse)));
        envelope.header.use_version = self.use_version;
        core.reply(Reply {
            status: 200,
            body: ReplyBody::Envelope(Box::new(envelope)),
            close: false,
            set_cookie: true,
            retry_after: None,
        });
        core.await_cpe(now);
        State::CpeTurn(CpeTurn { work, answers: Vec::new() })
    }
}
