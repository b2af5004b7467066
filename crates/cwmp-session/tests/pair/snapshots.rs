//! Sessions that are laid down and picked up, and the bytes they are laid down in.

use std::time::Duration;

use cwmp_codec::{
    AcsRequest, AddObject, AddObjectResponse, CpeResponse, CwmpNamespace, CwmpVersion, DeleteObject,
    DeleteObjectResponse, Download, DownloadResponse, Fault, GetParameterNames, GetParameterNamesResponse,
    GetRpcMethodsResponse, ParameterFault, ParameterInfo,
};
use cwmp_model::Timestamp;
use cwmp_session::acs::{Answer, AnswerOutcome, Begun, Call, Config, Outcome, Step, UnansweredReason};
use cwmp_session::snapshot::{SNAPSHOT_BYTES_MAX, SnapshotError};
use cwmp_session::{Snapshot, SnapshotTurn};

use crate::by_hand::Hand;
use crate::driver::{Pair, get, obey, path, reboot, set, start, transfer};

/// CWMP-018, CWMP-132, P12, P13: a session that changes front-ends between every two POSTs is the same session.
#[test]
fn any_front_end_continues_any_session() {
    for hold_requests in [false, true] {
        let mut transcripts = Vec::new();
        for restore in [false, true] {
            let mut pair = Pair::new(Config { hold_requests, ..Config::default() });
            pair.restore = restore;
            pair.back_end.begun.push_back(Some(Begun::Accepted { work: true }));
            let segments = [vec![get("1"), set("2"), get("3")], vec![set("4")], vec![get("5"), reboot("6"), get("7")]];
            pair.back_end.steps = segments.into_iter().map(|calls| Some(Step::Calls(calls))).collect();
            pair.device = Box::new(|request| match request {
                AcsRequest::SetParameterValues(set) if set.parameter_key == "4" => {
                    Err(Fault { code: 9001, text: "no".to_owned(), parameters: Vec::new() })
                }
                other => Ok(obey(other)),
            });
            pair.queue(transfer("key-1"));
            pair.queue(transfer("key-2"));
            pair.run(start(&["7 TRANSFER COMPLETE"]));
            assert_eq!(pair.outcome(), Outcome::Completed);
            transcripts.push((pair.transcript.clone(), pair.back_end.answers.clone(), pair.end.clone()));
        }
        assert_eq!(transcripts[0], transcripts[1], "hold_requests: {hold_requests}");
    }
}

#[test]
fn a_snapshot_is_there_between_posts_only() {
    assert!(Hand::new(Config::default()).session.snapshot().is_none());
    assert!(Hand::asked().session.snapshot().is_none());
    let open = Hand::opened(Config::default(), true).session.snapshot().unwrap();
    assert!(!open.is_needed(), "the cookie says as much");
    let calling = Hand::calling(vec![set("1")]).session.snapshot().unwrap();
    assert!(calling.is_needed());
}

/// P26.
#[test]
fn debug_shows_no_values() {
    let canary = Download { password: "canary".to_owned(), ..Download::default() };
    let call = Call { id: "1".to_owned(), request: AcsRequest::Download(canary), label: String::new() };
    let snapshot = Hand::calling(vec![call]).session.snapshot().unwrap();
    assert!(!format!("{snapshot:?}").contains("canary"));
}

/// The bytes of version 1 are read for ever.
#[test]
fn the_sample_of_version_1_is_read() {
    let stored = include_bytes!("../../testdata/v1/snapshot.bin");
    assert!(Snapshot::from_bytes(stored) == Ok(sample()), "an old snapshot is read as something else");
    assert!(sample().to_bytes() == stored, "the format has changed: give it a new version");
}

/// Writes the sample anew; only before a format is released.
#[test]
#[ignore = "writes testdata/v1/snapshot.bin"]
fn write_the_sample() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/v1/snapshot.bin");
    std::fs::write(file, sample().to_bytes()).unwrap();
}

#[test]
fn both_turns_and_every_message_keep_their_content() {
    let both = [sample(), Snapshot { turn: SnapshotTurn::Cpe { work: true, answers: answers() }, ..sample() }];
    for snapshot in both {
        assert!(Snapshot::from_bytes(&snapshot.to_bytes()) == Ok(snapshot));
    }
    for reason in UnansweredReason::ALL {
        let answers = vec![answered(AnswerOutcome::Unanswered(reason))];
        let snapshot = Snapshot { turn: SnapshotTurn::Cpe { work: false, answers }, ..sample() };
        assert!(Snapshot::from_bytes(&snapshot.to_bytes()) == Ok(snapshot), "{reason:?}");
    }
    for version in CwmpVersion::ALL {
        for namespace in CwmpNamespace::ALL {
            let snapshot = Snapshot { version, namespace, ..sample() };
            assert!(Snapshot::from_bytes(&snapshot.to_bytes()) == Ok(snapshot));
        }
    }
}

#[test]
fn other_bytes_are_refused() {
    assert_eq!(Snapshot::from_bytes(&[0xff, 0xff]), Err(SnapshotError::Malformed));
    assert_eq!(Snapshot::from_bytes(&[]), Err(SnapshotError::Format(0)));
    // Field 1, the format, is 2.
    assert_eq!(Snapshot::from_bytes(&[0x08, 0x02]), Err(SnapshotError::Format(2)));
    assert_eq!(Snapshot::from_bytes(&[0x08, 0x01]), Err(SnapshotError::Field("version")));
    let whole = sample().to_bytes();
    for end in 0..whole.len() {
        // Every cut is refused or read as something else, and none panics.
        assert!(Snapshot::from_bytes(&whole[..end]) != Ok(sample()), "cut at {end}");
    }
    assert_eq!(Snapshot::from_bytes(&vec![0; SNAPSHOT_BYTES_MAX]), Err(SnapshotError::Malformed));
    assert_eq!(Snapshot::from_bytes(&vec![0; SNAPSHOT_BYTES_MAX + 1]), Err(SnapshotError::TooLong));
}

/// Every kind of request and answer.
fn sample() -> Snapshot {
    let requests = [
        AcsRequest::GetRpcMethods,
        get("x").request,
        AcsRequest::GetParameterNames(GetParameterNames { path: path("Device."), next_level: true }),
        AcsRequest::AddObject(AddObject { object: path("Device.A."), parameter_key: "k1".to_owned() }),
        AcsRequest::DeleteObject(DeleteObject { object: path("Device.A.1."), parameter_key: "k2".to_owned() }),
        AcsRequest::Download(Download {
            command_key: "c".to_owned(),
            file_type: "1 Firmware Upgrade Image".to_owned(),
            url: "https://files.example/f".to_owned(),
            username: "u".to_owned(),
            password: "p".to_owned(),
            file_size: 7,
            target_file_name: "t".to_owned(),
            delay_seconds: 9,
            success_url: "s".to_owned(),
            failure_url: "f".to_owned(),
        }),
        AcsRequest::FactoryReset,
        AcsRequest::Reboot { command_key: "r".to_owned() },
    ];
    let call = |(n, request): (usize, AcsRequest)| Call { id: format!("w-{n}"), request, label: format!("label {n}") };
    Snapshot {
        version: CwmpVersion::V1_4,
        namespace: CwmpNamespace::V1_2,
        started_at: Timestamp::from_seconds(1_800_000_000),
        deadline: Timestamp::from_seconds(1_800_000_060),
        idle_timeout: Duration::from_secs(60),
        messages: 5,
        retry_faults: 1,
        empty_answers: 2,
        held: true,
        final_sent: true,
        resumed: true,
        work_hint: true,
        last_call_id: "a-1".to_owned(),
        turn: SnapshotTurn::Response {
            call: Box::new(set("a-1")),
            waiting: requests.into_iter().enumerate().map(call).collect(),
            answers: answers(),
        },
    }
}

fn answers() -> Vec<Answer> {
    let fault = Fault {
        code: 9003,
        text: "invalid".to_owned(),
        parameters: vec![ParameterFault { name: path("Device.X"), code: 9007, text: "value".to_owned() }],
    };
    let names = vec![ParameterInfo { name: path("Device.A."), writable: true }];
    let responses = [
        CpeResponse::GetRpcMethods(GetRpcMethodsResponse { methods: vec!["Reboot".to_owned()] }),
        obey(&set("x").request),
        obey(&get("x").request),
        CpeResponse::GetParameterNames(GetParameterNamesResponse { parameters: names }),
        CpeResponse::AddObject(AddObjectResponse { instance: 4, status: 1 }),
        CpeResponse::DeleteObject(DeleteObjectResponse { status: 1 }),
        CpeResponse::Download(DownloadResponse {
            status: 1,
            start_time: "0001-01-01T00:00:00Z".to_owned(),
            complete_time: "0001-01-01T00:00:00Z".to_owned(),
        }),
        CpeResponse::Reboot,
        CpeResponse::FactoryReset,
    ];
    let mut answers: Vec<_> =
        responses.into_iter().map(|response| answered(AnswerOutcome::Response(response))).collect();
    answers.push(answered(AnswerOutcome::Fault(fault)));
    answers.push(answered(AnswerOutcome::Unanswered(UnansweredReason::EmptyPost)));
    answers
}

fn answered(outcome: AnswerOutcome) -> Answer {
    Answer {
        id: "i".to_owned(),
        label: "l".to_owned(),
        request_method: "m".to_owned(),
        at: Timestamp::from_micros(-5),
        outcome,
    }
}
