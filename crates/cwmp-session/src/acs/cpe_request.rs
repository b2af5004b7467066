use cwmp_codec::{
    AcsRequest, AcsResponse, CpeRequest, CpeResponse, Fault, GetRpcMethodsResponse, Message, TransferComplete,
};
use cwmp_model::Timestamp;

use super::core::Core;
use super::expect_record::ExpectRecord;
use super::state::{State, Turn};
use super::{Answer, Outcome, Output, ReadFailure, Remark};

/// The methods that the ACS serves: its answer to GetRPCMethods (CWMP-221).
pub const SERVED_METHODS: [&str; 3] = ["Inform", "GetRPCMethods", "TransferComplete"];

/// What an envelope of a CPE is, seen from the ACS.
pub(super) enum Incoming {
    Inform,
    Request(Request),
    Response(CpeResponse),
    Fault(Fault),
    /// `…Response` of a method that the ACS does not know.
    UnknownResponse,
    /// What only an ACS says.
    Nonsense,
}

/// A request that may come inside a session.
pub(super) enum Request {
    TransferComplete(TransferComplete),
    GetRpcMethods,
    /// One that the ACS does not serve.
    Unknown,
}

/// GetRPCMethods and its response look the same in both directions.
pub(super) fn classify(message: Message) -> Incoming {
    match message {
        Message::CpeRequest(CpeRequest::Inform(_)) => Incoming::Inform,
        Message::CpeRequest(CpeRequest::TransferComplete(transfer)) => {
            Incoming::Request(Request::TransferComplete(transfer))
        }
        Message::CpeRequest(CpeRequest::GetRpcMethods) | Message::AcsRequest(AcsRequest::GetRpcMethods) => {
            Incoming::Request(Request::GetRpcMethods)
        }
        Message::AcsRequest(_) => Incoming::Request(Request::Unknown),
        Message::CpeResponse(response) => Incoming::Response(response),
        Message::AcsResponse(AcsResponse::GetRpcMethods(methods)) => {
            Incoming::Response(CpeResponse::GetRpcMethods(GetRpcMethodsResponse { methods }))
        }
        Message::AcsResponse(_) => Incoming::Nonsense,
        Message::Fault(fault) => Incoming::Fault(fault),
        Message::Unknown { method } if is_request_name(&method) => Incoming::Request(Request::Unknown),
        Message::Unknown { .. } => Incoming::UnknownResponse,
    }
}

/// A response is named as its request plus `Response` (CWMP-071).
pub(super) fn is_request_name(method: &str) -> bool {
    !method.ends_with("Response")
}

/// Answers a request of the CPE, in the response to its own POST and with nothing else in it (CWMP-114, CWMP-115), then goes
/// on with `turn`; a request of the ACS may be open meanwhile (CWMP-128).
pub(super) fn serve(core: &mut Core, now: Timestamp, turn: Turn, id: Option<String>, request: Request) -> State {
    if core.held {
        core.remark(Remark::RequestWhileHeld);
    }
    match request {
        Request::TransferComplete(transfer) => {
            core.await_caller(now);
            core.push(Output::Record(Box::new(transfer)));
            return State::ExpectRecord(ExpectRecord { id, then: turn });
        }
        Request::GetRpcMethods => {
            core.respond(id, AcsResponse::GetRpcMethods(SERVED_METHODS.map(str::to_owned).to_vec()));
        }
        Request::Unknown => {
            core.remark(Remark::UnknownMethod);
            core.respond_fault(id, 8000, false);
        }
    }
    core.await_cpe(now);
    turn.into_state()
}

/// Ends the session over a message that cannot be read.
pub(super) fn end_unreadable(core: &mut Core, failure: &ReadFailure, answers: Vec<Answer>) -> State {
    match failure {
        ReadFailure::TooLarge => {
            core.reply_status(413, true);
            core.end(Outcome::LimitExceeded, "the message is too large", answers)
        }
        ReadFailure::NotAnEnvelope => core.end(Outcome::ProtocolError, "the message is no SOAP envelope", answers),
        ReadFailure::MustUnderstand(answer_to) => {
            core.reply_must_understand(answer_to.clone(), true);
            core.end(Outcome::ProtocolError, "a header entry of the message is not understood", answers)
        }
        ReadFailure::InvalidArguments { method, .. } => {
            let detail = format!("the arguments of {method} cannot be understood");
            core.end(Outcome::ProtocolError, detail, answers)
        }
    }
}
