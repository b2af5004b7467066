//! Random scripts: whatever comes, in whatever order, the sessions keep their invariants and end.

use std::collections::BTreeMap;
use std::time::Duration;

use cwmp_codec::{
    AcsRequest, AcsResponse, AnswerTo, CpeRequest, CpeResponse, Fault, InformResponse, Message, TransferComplete,
};
use cwmp_model::Timestamp;
use cwmp_session::acs::{self, Begun, Call, Config, NotDurable, ReadFailure, Step};
use cwmp_session::cpe::{self, HttpResponse};
use cwmp_session::{AcsSession, CpeSession, Snapshot};
use proptest::prelude::*;

use crate::by_hand::{answer, envelope, message, open, request};
use crate::driver::{START, get, inform, obey, reboot, set, start, transfer};

/// One thing that happens to an `AcsSession`.
#[derive(Debug, Clone)]
enum Event {
    Inform,
    Empty,
    Request(CpeRequest),
    /// The right answer to whatever is open, else to a call that was never made.
    Answer,
    /// An answer to something else.
    OtherAnswer,
    Fault,
    Unknown(&'static str),
    Unreadable(ReadFailure),
    Challenge,
    /// The right kind of answer to whatever is asked.
    BackEnd(bool),
    /// Any answer, asked for or not.
    Begun(Begun),
    Recorded(bool),
    Step(u8),
    Hint,
    /// Seconds pass, then a time-out is reported.
    Later(u16),
    Disconnected,
    Superseded,
    Drain,
}

fn event() -> impl Strategy<Value = Event> {
    let unreadable = prop_oneof![
        Just(ReadFailure::NotAnEnvelope),
        Just(ReadFailure::TooLarge),
        Just(ReadFailure::MustUnderstand(AnswerTo::default())),
        prop_oneof![Just("Inform"), Just("TransferComplete"), Just("RebootResponse")].prop_map(|method| {
            ReadFailure::InvalidArguments { method: method.to_owned(), answer_to: AnswerTo::default() }
        }),
    ];
    prop_oneof![
        3 => Just(Event::Inform),
        6 => Just(Event::Empty),
        3 => prop_oneof![Just(transfer("k")), Just(CpeRequest::GetRpcMethods)].prop_map(Event::Request),
        12 => Just(Event::Answer),
        1 => Just(Event::OtherAnswer),
        3 => Just(Event::Fault),
        1 => prop_oneof![Just(Event::Unknown("Kicked")), Just(Event::Unknown("KickedResponse"))],
        1 => unreadable.prop_map(Event::Unreadable),
        1 => Just(Event::Challenge),
        25 => any::<bool>().prop_map(Event::BackEnd),
        1 => prop_oneof![
            any::<bool>().prop_map(|work| Begun::Accepted { work }),
            Just(Begun::Unavailable),
            Just(Begun::RetryRequest)
        ].prop_map(Event::Begun),
        1 => any::<bool>().prop_map(Event::Recorded),
        1 => (0..4_u8).prop_map(Event::Step),
        2 => Just(Event::Hint),
        2 => (0..90_u16).prop_map(Event::Later),
        1 => prop_oneof![Just(Event::Disconnected), Just(Event::Superseded), Just(Event::Drain)],
    ]
}

/// What is checked along the way.
#[derive(Default)]
struct Ledger {
    posts: usize,
    replies: usize,
    closed: usize,
    gone: bool,
    question: Option<Question>,
    accepted: bool,
    recorded: usize,
    confirmed: usize,
    /// Calls handed in, by ID, with the number of answers that came for them.
    calls: BTreeMap<String, usize>,
    next_id: u32,
    deadline: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Begin,
    Record,
    Step,
}

struct Run {
    session: AcsSession,
    config: Config,
    /// Lay the session down and pick it up wherever possible.
    restore: bool,
    now: Timestamp,
    ledger: Ledger,
    outputs: Vec<acs::Output>,
}

impl Run {
    fn new(config: Config, restore: bool) -> Self {
        let session = AcsSession::new(config.clone(), START);
        Self { session, config, restore, now: START, ledger: Ledger::default(), outputs: Vec::new() }
    }

    fn happen(&mut self, event: &Event) {
        if self.restore
            && !self.session.is_closed()
            && let Some(snapshot) = self.session.snapshot()
        {
            let read = Snapshot::from_bytes(&snapshot.to_bytes()).expect("what was written is read");
            self.session = AcsSession::restore(read, self.config.clone());
        }
        let post = |message: acs::Post| acs::Input::Post(message);
        let input = match event {
            Event::Inform => post(open()),
            Event::Empty => post(acs::Post::empty()),
            Event::Request(what) => post(request(Some("c"), what.clone())),
            Event::Answer => {
                let call = self.session.outstanding().cloned().unwrap_or_else(|| get("never"));
                post(answer(Some(&call.id), &call))
            }
            Event::OtherAnswer => post(answer(Some("other"), &set("other"))),
            Event::Fault => {
                let id = self.session.outstanding().map(|call| call.id.clone());
                post(message(id.as_deref(), Message::Fault(Fault { code: 9002, ..Fault::default() })))
            }
            Event::Unknown(method) => post(message(None, Message::Unknown { method: (*method).to_owned() })),
            Event::Unreadable(failure) => post(acs::Post::unreadable(failure.clone())),
            Event::Challenge => acs::Input::Challenge,
            Event::BackEnd(yes) => match self.ledger.question {
                Some(Question::Begin) => acs::Input::Begun(Begun::Accepted { work: *yes }),
                Some(Question::Record) => self.record(*yes),
                Some(Question::Step) if *yes => self.step(2),
                Some(Question::Step) => acs::Input::Step(Step::Nothing),
                None => return,
            },
            Event::Begun(begun) => acs::Input::Begun(*begun),
            Event::Recorded(durable) => self.record(*durable),
            Event::Step(kind) => self.step(*kind),
            Event::Hint => {
                self.session.work_waits();
                return;
            }
            Event::Later(seconds) => {
                self.now = self.now.plus(Duration::from_secs(u64::from(*seconds)));
                acs::Input::Timeout
            }
            Event::Disconnected => acs::Input::Disconnected,
            Event::Superseded => acs::Input::Superseded,
            Event::Drain => acs::Input::Drain,
        };
        self.give(input);
    }

    fn record(&mut self, durable: bool) -> acs::Input {
        if durable && self.ledger.question == Some(Question::Record) {
            self.ledger.recorded += 1;
        }
        acs::Input::Recorded(if durable { Ok(()) } else { Err(NotDurable) })
    }

    fn step(&mut self, kind: u8) -> acs::Input {
        let mut call = |make: fn(&str) -> Call| {
            self.ledger.next_id += 1;
            make(&format!("n-{}", self.ledger.next_id))
        };
        let calls = match kind {
            0 => return acs::Input::Step(Step::Nothing),
            1 => return acs::Input::Step(Step::Unavailable),
            2 => vec![call(get), call(set), call(get)],
            _ => vec![call(get), call(reboot), call(set)],
        };
        if self.ledger.question == Some(Question::Step) {
            self.ledger.calls.extend(calls.iter().map(|call| (call.id.clone(), 0)));
        }
        acs::Input::Step(Step::Calls(calls))
    }

    fn give(&mut self, input: acs::Input) {
        let was_closed = self.session.is_closed();
        match &input {
            acs::Input::Post(_) | acs::Input::Challenge => self.ledger.posts += 1,
            acs::Input::Begun(Begun::Accepted { .. }) if self.ledger.question == Some(Question::Begin) => {
                self.ledger.accepted = true;
            }
            acs::Input::Disconnected if !was_closed => self.ledger.gone = true,
            _ => {}
        }
        self.session.handle(self.now, input);
        let first = self.outputs.len();
        while let Some(output) = self.session.poll_output() {
            self.outputs.push(output);
        }
        self.check(first, was_closed);
    }

    fn check(&mut self, first: usize, was_closed: bool) {
        let outputs = &self.outputs[first..];
        let ledger = &mut self.ledger;
        ledger.deadline = None;
        if !was_closed {
            assert!(matches!(outputs.last(), Some(acs::Output::Wait(_) | acs::Output::Closed(_))), "{outputs:?}");
        }
        for output in outputs {
            match output {
                acs::Output::Begin(_) => ledger.question = Some(Question::Begin),
                acs::Output::Record(_) => ledger.question = Some(Question::Record),
                acs::Output::NeedStep { answers } => {
                    ledger.question = Some(Question::Step);
                    ledger.count(answers);
                }
                acs::Output::Reply(reply) => {
                    ledger.question = None;
                    ledger.replies += 1;
                    ledger.check_reply(reply);
                }
                acs::Output::Remark(_) => {}
                acs::Output::Wait(deadline) => ledger.deadline = Some(*deadline),
                acs::Output::Closed(end) => {
                    ledger.question = None;
                    ledger.closed += 1;
                    ledger.count(&end.answers);
                }
            }
        }
        assert!(ledger.closed <= 1, "a session closes once");
        let owed = usize::from(ledger.question.is_some());
        if !ledger.gone {
            assert_eq!(ledger.posts, ledger.replies + owed, "one reply to each POST");
        }
    }

    /// Nothing but time passes.
    fn run_out(&mut self) {
        for _ in 0..200 {
            let Some(deadline) = self.ledger.deadline else { break };
            self.now = self.now.max(deadline);
            self.give(acs::Input::Timeout);
        }
        assert!(self.session.is_closed(), "every wait has an end");
    }
}

impl Ledger {
    fn count(&mut self, answers: &[acs::Answer]) {
        for answer in answers.iter().filter(|answer| !answer.label.is_empty()) {
            *self.calls.get_mut(&answer.id).expect("an answer to a call that was made") += 1;
        }
    }

    fn check_reply(&mut self, reply: &acs::Reply) {
        let Some(envelope) = reply.envelope() else {
            assert!(!reply.set_cookie);
            return;
        };
        assert_eq!(reply.status, 200, "CWMP-005");
        match &envelope.message {
            Message::AcsResponse(AcsResponse::Inform(_)) => {
                assert!(self.accepted && reply.set_cookie, "P7: an InformResponse is a receipt");
            }
            Message::AcsResponse(AcsResponse::TransferComplete) => {
                self.confirmed += 1;
                assert!(self.confirmed <= self.recorded, "P7: a TransferCompleteResponse is a receipt");
            }
            _ => assert!(!reply.set_cookie),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// P20, P7, CWMP-140: no order of events makes an ACS session panic, leave a POST without its one reply, confirm what is
    /// not durable, lose a call or go on for ever. P13: a session that changes front-ends all the time does the same.
    #[test]
    fn an_acs_session_keeps_its_invariants(
        events in prop::collection::vec(event(), 0..60),
        hold_requests: bool,
        messages_max in prop_oneof![Just(1000_u32), 1..20_u32],
    ) {
        let config = Config { hold_requests, messages_max, ..Config::default() };
        let mut stays = Run::new(config.clone(), false);
        let mut moves = Run::new(config, true);
        let opening = [Event::Inform, Event::BackEnd(true)];
        let drains = events.iter().any(|event| matches!(event, Event::Drain));
        for event in opening.iter().chain(&events) {
            stays.happen(event);
            moves.happen(event);
            prop_assert_eq!(&stays.outputs, &moves.outputs);
        }
        if !stays.session.is_closed() {
            stays.ledger.deadline.get_or_insert(stays.now);
            stays.run_out();
        }
        // A drained session's calls are in its snapshot.
        if !drains {
            for (id, answers) in &stays.ledger.calls {
                prop_assert_eq!(*answers, 1, "call {} is accounted for once", id);
            }
        }
    }

    /// P20, CWMP-126: no order of events makes a CPE session panic or wait for ever.
    #[test]
    fn a_cpe_session_ends_whatever_comes(inputs in prop::collection::vec(cpe_input(), 0..40)) {
        let mut session = CpeSession::new();
        let mut now = START;
        let opening = cpe::Input::Start(Box::new(start(&["1 BOOT"])));
        let mut deadline = None;
        let mut closed = 0;
        for input in std::iter::once(opening).chain(inputs) {
            session.handle(now, input);
            while let Some(output) = session.poll_output() {
                match output {
                    cpe::Output::Wait(until) => deadline = Some(until),
                    cpe::Output::Execute { request } => {
                        prop_assert!(session.poll_output().is_none());
                        session.handle(now, cpe::Input::Executed(Ok(obey(&request))));
                    }
                    cpe::Output::Closed(_) => closed += 1,
                    cpe::Output::Post(_) | cpe::Output::Delivered(_) => {}
                }
            }
        }
        if !session.is_closed() {
            now = now.max(deadline.expect("an open session waits"));
            session.handle(now, cpe::Input::Timeout);
            while let Some(output) = session.poll_output() {
                closed += usize::from(matches!(output, cpe::Output::Closed(_)));
            }
        }
        prop_assert!(session.is_closed());
        prop_assert_eq!(closed, 1);
    }
}

fn cpe_input() -> impl Strategy<Value = cpe::Input> {
    let says = |message: Message| HttpResponse::envelope(envelope(Some("1"), message));
    let response = prop_oneof![
        6 => Just(says(Message::AcsResponse(AcsResponse::Inform(InformResponse)))),
        3 => Just(says(Message::AcsResponse(AcsResponse::TransferComplete))),
        3 => Just(says(Message::AcsResponse(AcsResponse::GetRpcMethods(Vec::new())))),
        6 => Just(says(Message::AcsRequest(AcsRequest::GetRpcMethods))),
        1 => Just(says(Message::CpeResponse(CpeResponse::Reboot))),
        1 => Just(says(Message::CpeRequest(CpeRequest::Inform(inform(&[]))))),
        2 => prop_oneof![Just(8005), Just(8002)]
            .prop_map(move |code| says(Message::Fault(Fault { code, ..Fault::default() }))),
        4 => prop_oneof![Just(204), Just(200), Just(302), Just(401), Just(503), any::<u16>()]
            .prop_map(HttpResponse::status),
    ];
    prop_oneof![
        8 => response.prop_map(cpe::Input::Response),
        1 => prop_oneof![Just(transfer("k")), Just(CpeRequest::GetRpcMethods)].prop_map(cpe::Input::Request),
        1 => Just(cpe::Input::Request(CpeRequest::TransferComplete(TransferComplete::default()))),
        1 => Just(cpe::Input::Executed(Ok(CpeResponse::Reboot))),
        1 => Just(cpe::Input::Timeout),
    ]
}
