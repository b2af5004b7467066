use acs_types::{Exchange, SessionPhase, SessionRecord, TaskId};
use cwmp_codec::{AcsResponse, Message};
use cwmp_model::Timestamp;
use cwmp_session::acs::{Reply, ReplyBody};

use crate::connection::Challenged;

/// The messages of a session as support sees them, oldest first, each with the time since the one before.
#[derive(Debug, Default)]
pub(crate) struct Ladder {
    exchanges: Vec<Exchange>,
    count: u32,
    last: Option<Timestamp>,
}

/// One message for the ladder.
#[derive(Debug)]
pub(crate) struct Rung {
    pub(crate) at: Timestamp,
    pub(crate) from_cpe: bool,
    pub(crate) phase: SessionPhase,
    pub(crate) message: String,
    pub(crate) bytes: u64,
    pub(crate) task: Option<TaskId>,
    pub(crate) remarks: Vec<String>,
}

impl Ladder {
    /// As another front-end left it.
    pub(crate) fn of(exchanges: Vec<Exchange>, count: u32) -> Self {
        let last = exchanges.last().map(|exchange| exchange.at);
        Self { exchanges, count, last }
    }

    /// Adds a message; beyond [`SessionRecord::EXCHANGES_MAX`] it is only counted.
    pub(crate) fn add(&mut self, rung: Rung) {
        self.count = self.count.saturating_add(1);
        let Rung { at, from_cpe, phase, message, bytes, task, remarks } = rung;
        let after = self.last.replace(at).map_or(0, |last| at.since(last).as_micros());
        if self.exchanges.len() < SessionRecord::EXCHANGES_MAX {
            let after_micros = u64::try_from(after).unwrap_or(u64::MAX);
            self.exchanges.push(Exchange { at, from_cpe, phase, message, bytes, after_micros, task, remarks });
        }
    }

    /// The 401 in front of the session.
    pub(crate) fn add_challenge(&mut self, challenged: &Challenged) {
        let rung = |at, from_cpe, phase, message: &str, bytes| Rung {
            at,
            from_cpe,
            phase,
            message: message.to_owned(),
            bytes,
            task: None,
            remarks: Vec::new(),
        };
        self.add(rung(challenged.at, true, SessionPhase::Initiation, challenged.message, challenged.bytes));
        self.add(rung(challenged.answered_at, false, SessionPhase::Authentication, "401", 0));
    }

    /// The phase of the last message and of all after it is `phase`: the last two are known as such only at the end.
    pub(crate) fn mark_last(&mut self, messages: usize, phase: SessionPhase) {
        if self.count as usize == self.exchanges.len() {
            self.exchanges.iter_mut().rev().take(messages).for_each(|e| e.phase = phase);
        }
    }

    /// Names a leniency of the last message of the CPE.
    pub(crate) fn remark(&mut self, name: &str) {
        if let Some(exchange) = self.exchanges.iter_mut().rev().find(|e| e.from_cpe)
            && !exchange.remarks.iter().any(|r| r == name)
        {
            exchange.remarks.push(name.to_owned());
        }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    pub(crate) fn into_exchanges(self) -> Vec<Exchange> {
        self.exchanges
    }
}

/// What an envelope of a CPE is called.
pub(crate) fn message_name(message: &Message) -> String {
    match message {
        Message::CpeRequest(request) => request.method().to_owned(),
        Message::CpeResponse(response) => format!("{}Response", response.method()),
        Message::AcsRequest(request) => request.method().to_owned(),
        Message::AcsResponse(AcsResponse::Inform(_)) => "InformResponse".to_owned(),
        Message::AcsResponse(AcsResponse::TransferComplete) => "TransferCompleteResponse".to_owned(),
        Message::AcsResponse(AcsResponse::GetRpcMethods(_)) => "GetRPCMethodsResponse".to_owned(),
        Message::Fault(fault) => format!("Fault {}", fault.code),
        Message::Unknown { method } => method.clone(),
    }
}

/// What a reply is called.
pub(crate) fn reply_name(reply: &Reply) -> String {
    match &reply.body {
        ReplyBody::Envelope(envelope) => message_name(&envelope.message),
        ReplyBody::MustUnderstandFault(_) => "Fault MustUnderstand".to_owned(),
        ReplyBody::Empty => reply.status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung(at: i64) -> Rung {
        Rung {
            at: Timestamp::from_micros(at),
            from_cpe: at % 2 == 0,
            phase: SessionPhase::Tasks,
            message: "empty".to_owned(),
            bytes: 0,
            task: None,
            remarks: Vec::new(),
        }
    }

    #[test]
    fn the_ladder_is_bounded_and_counts_on_p19() {
        let mut ladder = Ladder::default();
        for at in 0..=SessionRecord::EXCHANGES_MAX as i64 {
            ladder.add(rung(at));
        }
        assert_eq!(ladder.count() as usize, SessionRecord::EXCHANGES_MAX + 1);
        let exchanges = ladder.into_exchanges();
        assert_eq!(exchanges.len(), SessionRecord::EXCHANGES_MAX);
        assert_eq!((exchanges[0].after_micros, exchanges[1].after_micros), (0, 1));
    }

    #[test]
    fn a_remark_goes_to_the_last_message_of_the_cpe_once() {
        let mut ladder = Ladder::default();
        ladder.add(rung(0));
        ladder.add(rung(1));
        ladder.remark("late_request");
        ladder.remark("late_request");
        let exchanges = ladder.into_exchanges();
        assert_eq!(exchanges[0].remarks, ["late_request"]);
        assert!(exchanges[1].remarks.is_empty());
    }
}
