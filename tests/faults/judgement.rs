//! What may become of sessions when front-ends die or are asked to end (P12, P13).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use cwmp_model::Timestamp;
use lastmile_fleet::ledger::{Fact, Line};
use serde_json::Value;

use crate::support::judge::text;

/// So long after a kill a device may find out that its connection is gone: busy machine.
const NOTICED: Duration = Duration::from_millis(750);
/// No device is locked out for longer.
const LOCKED_OUT_MAX: Duration = Duration::from_secs(5);

/// Now, as ledgers write it; all of them are of equal length.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    Timestamp::from_micros(i64::try_from(since.as_micros()).expect("it is before the year 200000"))
}

/// A session that did not complete.
pub(crate) struct Failure<'a> {
    pub(crate) line: &'a Line,
    pub(crate) outcome: &'a str,
}

pub(crate) fn failures(lines: &[Line]) -> impl Iterator<Item = Failure<'_>> {
    lines.iter().filter_map(|line| match &line.fact {
        Fact::SessionEnded { outcome, .. } if outcome != "completed" => Some(Failure { line, outcome }),
        _ => None,
    })
}

/// Each of them breaks `promise`.
pub(crate) fn failed_sessions(promise: &str, lines: &[Line]) -> Vec<String> {
    failures(lines).map(|failure| format!("{promise}: a session failed: {}", story(lines, failure.line))).collect()
}

/// How sessions ended.
pub(crate) fn outcomes(lines: Vec<Line>) -> Vec<String> {
    let outcome = |line: Line| match line.fact {
        Fact::SessionEnded { outcome, .. } => Some(outcome),
        _ => None,
    };
    lines.into_iter().filter_map(outcome).collect()
}

/// Failures that no kill explains: only a request that was on its way to a front-end when it died may be lost with the
/// connection. Whoever was between two requests goes on elsewhere (P13).
pub(crate) fn unexplained_p13(lines: &[Line], kills: &[Timestamp]) -> Vec<String> {
    let spans: Vec<(String, String)> = kills.iter().map(|at| (at.to_string(), at.plus(NOTICED).to_string())).collect();
    let explained = |failure: &Failure<'_>| {
        let at = &failure.line.at;
        failure.outcome == "broken" && spans.iter().any(|(from, to)| from <= at && at <= to)
    };
    let unexplained = failures(lines).filter(|failure| !explained(failure));
    unexplained.map(|failure| format!("P13: a session failed without need: {}", story(lines, failure.line))).collect()
}

/// Devices that got no InformResponse for so long after a session of theirs broke (P13).
pub(crate) fn locked_out_p13(lines: &[Line]) -> Vec<String> {
    let mut broken: BTreeMap<&str, &Line> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut check = |from: &Line, to: &Line| {
        if duration(&from.at, &to.at) > LOCKED_OUT_MAX {
            wrong.push(format!("P13: locked out from {} to {}: {}", from.at, to.at, story(lines, to)));
        }
    };
    for line in lines {
        match &line.fact {
            Fact::SessionEnded { outcome, .. } if outcome != "completed" => {
                if let Some(before) = broken.insert(&line.device, line) {
                    check(before, line);
                }
            }
            Fact::InformAnswered { .. } => {
                if let Some(before) = broken.remove(line.device.as_str()) {
                    check(before, line);
                }
            }
            // What a device does while it is off is not the fault of the ACS.
            Fact::RebootStarted { .. } => drop(broken.remove(line.device.as_str())),
            _ => {}
        }
    }
    wrong
}

/// Sessions that completed with records of more than one front-end.
pub(crate) fn moved_sessions(events: &[Value]) -> usize {
    let mut makers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let of_fronts = events.iter().filter(|event| text(event, "emitter").contains(".cwmp."));
    for event in of_fronts.filter(|event| !event["session_id"].is_null()) {
        makers.entry(text(event, "session_id")).or_default().insert(text(event, "emitter"));
    }
    let completed = events.iter().filter(|event| event["data"]["outcome"] == "completed");
    let completed: BTreeSet<&str> = completed.map(|event| text(event, "session_id")).collect();
    makers.iter().filter(|(session, makers)| makers.len() > 1 && completed.contains(*session)).count()
}

/// The last lines of a device up to one of them.
pub(crate) fn story(lines: &[Line], last: &Line) -> String {
    let until = lines.iter().take_while(|line| !std::ptr::eq(*line, last)).chain([last]);
    let of_device: Vec<String> = until.filter(|line| line.device == last.device).map(|l| format!("{l:?}")).collect();
    format!("\n  {}", of_device[of_device.len().saturating_sub(12)..].join("\n  "))
}

fn duration(from: &str, to: &str) -> Duration {
    let time = |text: &str| text.parse::<jiff::Timestamp>().expect("a time");
    time(to).duration_since(time(from)).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: &str, fact: Fact) -> Line {
        Line { at: format!("2026-01-31T12:00:{at}Z"), device: "S1".into(), fact }
    }

    fn ended(at: &str, outcome: &str) -> Line {
        let (outcome, detail) = (outcome.to_owned(), String::new());
        line(at, Fact::SessionEnded { session: 1, outcome, detail, micros: 1 })
    }

    #[test]
    fn only_a_kill_explains_a_broken_session_p13() {
        let kill = Timestamp::from_seconds(1_769_860_800);
        let lines = [ended("00.100000", "broken"), ended("00.100000", "completed"), ended("00.100000", "unauthorized")];
        assert_eq!(kill.to_string(), "2026-01-31T12:00:00.000000Z");
        assert_eq!(unexplained_p13(&lines, &[kill]).len(), 1);
        assert_eq!(unexplained_p13(&[ended("01.000000", "broken")], &[kill]).len(), 1, "it is too late for that");
        assert_eq!(unexplained_p13(&lines, &[]).len(), 2);
    }

    #[test]
    fn who_waits_too_long_is_locked_out_p13() {
        let answered = |at| line(at, Fact::InformAnswered { session: 2, current_time: String::new(), retry_count: 1 });
        let wrong = |answer| locked_out_p13(&[ended("01.000000", "broken"), answered(answer), answered("59.000000")]);
        assert_eq!((wrong("06.000000").len(), wrong("06.000001").len()), (0, 1));
    }
}
