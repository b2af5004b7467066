//! Any record comes back as it was; no bytes make a reader panic.

use std::fmt::Debug;

use acs_proto::{Record, RecordError, SecretSeal, Unsealed, v1};
use acs_types::*;
use proptest::prelude::*;
use prost::Message;

use crate::strategies;
use crate::test_seal::TestSeal;
use crate::values;

fn comes_back<R: Record + PartialEq + Debug>(record: &R) -> Result<(), TestCaseError> {
    for seal in [&TestSeal as &dyn SecretSeal, &Unsealed] {
        let back = R::from_bytes(&record.to_bytes(seal), seal);
        prop_assert_eq!(back.as_ref(), Ok(record));
    }
    Ok(())
}

/// Damaged bytes are an error or a record that is as good as any other.
fn survives_damage<R: Record + PartialEq + Debug>(record: &R, cut: usize, flip: usize) -> Result<(), TestCaseError> {
    let bytes = record.to_bytes(&TestSeal);
    reads_or_refuses::<R>(&bytes[..cut % (bytes.len() + 1)])?;
    let mut flipped = bytes;
    if !flipped.is_empty() {
        let bit = flip % (flipped.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        reads_or_refuses::<R>(&flipped)?;
    }
    Ok(())
}

fn reads_or_refuses<R: Record + PartialEq + Debug>(bytes: &[u8]) -> Result<(), TestCaseError> {
    match R::from_bytes(bytes, &TestSeal) {
        Ok(record) => comes_back(&record),
        Err(error) => {
            prop_assert!(!error.to_string().is_empty());
            Ok(())
        }
    }
}

macro_rules! properties {
    ($($name:ident: $record:ty = $strategy:expr;)*) => {
        $(mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(128))]

                #[test]
                fn comes_back_as_it_was(record in $strategy) {
                    comes_back::<$record>(&record)?;
                }

                #[test]
                fn no_cut_or_flip_makes_the_reader_panic(
                    record in $strategy,
                    cut in any::<usize>(),
                    flip in any::<usize>(),
                    noise in proptest::collection::vec(any::<u8>(), 0..64),
                ) {
                    survives_damage::<$record>(&record, cut, flip)?;
                    reads_or_refuses::<$record>(&noise)?;
                }
            }
        })*
    };
}

properties! {
    task: Task = strategies::task();
    summary: DeviceSummary = strategies::summary();
    patch: SummaryPatch = strategies::patch();
    object: ObjectRecord = strategies::object();
    session_record: SessionRecord = strategies::session_record();
    fault_record: FaultRecord = strategies::fault_record();
    file_record: FileRecord = strategies::file_record();
    token: ApiToken = strategies::token();
    audit: AuditRecord = strategies::audit();
    credential: CpeCredential = strategies::credential();
    notes: ModelNotes = strategies::notes();
    timer: Timer = strategies::timer();
    refused: RefusedInform = strategies::refused();
    event: EventRecord = strategies::event();
    holder: Holder = strategies::holder();
}

#[test]
fn a_stored_record_holds_no_secret_in_the_clear_p26() {
    let stored = [
        ("set_values", values::task_of(values::set_values()).to_bytes(&TestSeal)),
        ("add_object", values::task_of(values::add_object()).to_bytes(&TestSeal)),
        ("download", values::task_of(values::download_url()).to_bytes(&TestSeal)),
        ("credential", values::credential().to_bytes(&TestSeal)),
        ("object", values::object().to_bytes(&TestSeal)),
    ];
    for (name, bytes) in stored {
        let found = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!found(values::SECRET), "{name} holds its secret in the clear");
        let sealed = TestSeal.seal(values::SECRET);
        assert!(bytes.windows(sealed.len()).any(|window| window == sealed), "{name} has lost its secret");
    }
}

#[test]
fn a_secret_without_its_key_is_an_error_that_names_it_and_not_an_empty_secret() {
    let opened = |error: RecordError| match error {
        RecordError::Sealed { secret } => secret,
        other => panic!("expected a sealed secret, got {other:?}"),
    };
    // Written without a seal: the bytes have no mark, as with a key that is gone.
    let task = values::task_of(values::set_values());
    let error = Task::from_bytes(&task.to_bytes(&Unsealed), &TestSeal).unwrap_err();
    assert_eq!(opened(error), format!("the value for Device.WiFi.AccessPoint.1.KeyPassphrase of task {}", task.id));
    let error = CpeCredential::from_bytes(&values::credential().to_bytes(&Unsealed), &TestSeal).unwrap_err();
    assert_eq!(opened(error), "the password of the CPE user `00D09E-S1`");
    let error = ObjectRecord::from_bytes(&values::object().to_bytes(&Unsealed), &TestSeal).unwrap_err();
    assert_eq!(opened(error), "the value of KeyPassphrase of object Device.WiFi.AccessPoint.1.");
}

#[test]
fn a_value_of_a_newer_version_is_an_error_that_says_so() {
    let task = values::task_of(TaskSpec::Reboot);
    let message = v1::Task::decode(task.to_bytes(&Unsealed).as_slice()).unwrap();
    let read = |message: v1::Task| Task::from_bytes(&message.encode_to_vec(), &Unsealed);
    let unknown = |field| Err(RecordError::UnknownValue { field, number: 999 });

    assert_eq!(read(v1::Task { wanted: 999, ..message.clone() }), unknown("Task.wanted"));
    let state = Some(v1::TaskState { name: 999, ..v1::TaskState::default() });
    assert_eq!(read(v1::Task { state, ..message.clone() }), unknown("TaskState.name"));
    assert_eq!(read(v1::Task { next_reason: 999, ..message.clone() }), unknown("Task.next_reason"));
    let missing = Err(RecordError::Missing { field: "Task.wanted" });
    assert_eq!(read(v1::Task { wanted: 0, ..message.clone() }), missing);
    let missing = Err(RecordError::Missing { field: "TaskSpec.kind" });
    assert_eq!(read(v1::Task { spec: Some(v1::TaskSpec { kind: None }), ..message }), missing);

    let token = v1::ApiToken { id: "t".into(), sha256: vec![0; 32], scopes: vec![1, 999], ..v1::ApiToken::default() };
    assert_eq!(
        ApiToken::from_bytes(&token.encode_to_vec(), &Unsealed),
        Err(RecordError::UnknownValue { field: "ApiToken.scopes", number: 999 })
    );
}

#[test]
fn a_field_of_a_newer_version_is_skipped() {
    let holder = values::holder();
    let mut bytes = holder.to_bytes(&Unsealed);
    // Field 1000, varint, value 1.
    bytes.extend([0xc0, 0x3e, 0x01]);
    assert_eq!(Holder::from_bytes(&bytes, &Unsealed), Ok(holder));
}

#[test]
fn wrong_contents_are_named() {
    let invalid = |error: RecordError, field: &str| match error {
        RecordError::Invalid { field: found, .. } => assert_eq!(found, field),
        other => panic!("expected an invalid {field}, got {other:?}"),
    };
    let short = v1::Holder { session: vec![1; 15], stamp: 1 };
    invalid(Holder::from_bytes(&short.encode_to_vec(), &Unsealed).unwrap_err(), "Holder.session");
    let timer = v1::Timer { device: "no id".into(), kind: 1, ..v1::Timer::default() };
    invalid(Timer::from_bytes(&timer.encode_to_vec(), &Unsealed).unwrap_err(), "Timer.device");
    let notes = v1::ModelNotes { fragile_objects: vec!["a\u{1}".into()], ..v1::ModelNotes::default() };
    invalid(ModelNotes::from_bytes(&notes.encode_to_vec(), &Unsealed).unwrap_err(), "ModelNotes.fragile_objects");
    let task = values::task_of(TaskSpec::Reboot).to_bytes(&Unsealed);
    let task = v1::Task { priority: 256, ..v1::Task::decode(task.as_slice()).unwrap() };
    invalid(Task::from_bytes(&task.encode_to_vec(), &Unsealed).unwrap_err(), "Task.priority");
    assert!(matches!(Task::from_bytes(&[0x0a], &Unsealed), Err(RecordError::Damaged { record: "Task", .. })));
}
