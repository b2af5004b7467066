//! The bytes that the first version wrote, one file per value of [`crate::values`]: every later version reads them.
//!
//! A new value gets its sample with `UPDATE_SAMPLES=1 cargo test -p acs-proto`; a sample is never written again.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;

use acs_proto::Record;
use acs_types::*;

use crate::test_seal::TestSeal;
use crate::{UPDATE, testdata, updates, values};

#[derive(Default)]
struct Samples {
    seen: BTreeSet<String>,
}

impl Samples {
    fn check<R: Record + PartialEq + Debug>(&mut self, name: &str, value: &R) {
        let file = testdata().join(format!("{name}.bin"));
        if updates() && !file.exists() {
            fs::write(&file, value.to_bytes(&TestSeal)).unwrap();
        }
        let bytes =
            fs::read(&file).unwrap_or_else(|error| panic!("{name} has no sample ({error}); run with {UPDATE}=1"));
        assert_eq!(R::from_bytes(&bytes, &TestSeal).as_ref(), Ok(value), "{name}");
        self.seen.insert(format!("{name}.bin"));
    }

    fn check_all<'a, R: Record + PartialEq + Debug + 'a>(
        &mut self,
        record: &str,
        values: impl IntoIterator<Item = (&'a str, R)>,
    ) {
        for (case, value) in values {
            self.check(&format!("{record}-{case}"), &value);
        }
    }
}

#[test]
fn what_the_first_version_wrote_is_read_for_ever() {
    let mut samples = Samples::default();
    samples.check_all("task", values::tasks());
    samples.check("device_summary", &values::summary());
    samples.check("summary_patch", &values::patch());
    samples.check("object", &values::object());
    samples.check_all("session", SessionOutcome::ALL.map(|o| (o.as_str(), values::session_record(o))));
    samples.check("fault", &values::fault_record());
    samples.check("file-standard", &values::file_record(FileType::StoredFirmware));
    samples.check("file-vendor", &values::file_record(FileType::Vendor("X 00D09E Voice".into())));
    samples.check("api_token", &values::token());
    samples.check("audit", &values::audit());
    samples.check("cpe_credential", &values::credential());
    samples.check("model_notes", &values::notes());
    samples.check_all("timer", TimerKind::ALL.map(|kind| (kind.as_str(), values::timer(kind))));
    samples.check_all("refused_inform", RefusedReason::ALL.map(|r| (r.as_str(), values::refused(r))));
    samples.check_all("event", values::events());
    samples.check("holder", &values::holder());
    samples.check("handed_session", &values::handed_session());

    let stored = fs::read_dir(testdata()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let stored: BTreeSet<String> = stored.filter(|name| name.ends_with(".bin")).collect();
    assert_eq!(stored, samples.seen, "every sample is read");
}

#[test]
fn the_samples_hold_every_name() {
    let states: BTreeSet<_> = values::tasks().iter().map(|(_, task)| task.state.as_str()).collect();
    assert_eq!(states, BTreeSet::from(TaskState::NAMES));
    let kinds: BTreeSet<_> = values::tasks().iter().map(|(_, task)| task.spec.kind()).collect();
    assert_eq!(kinds, BTreeSet::from(TaskKind::ALL));
    let types: BTreeSet<_> = values::events().iter().map(|(_, event)| event.event_type()).collect();
    assert_eq!(types, BTreeSet::from(EventType::ALL));
}
