use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use acs_events::Positions;
use acs_types::{EmitterId, EventBody, EventRecord};
use tokio::time::Instant;

/// Looks in the time after which a front-end is silent.
const LOOKS: u32 = 8;
/// Front-ends watched at once; of more than these only age tells.
const WATCHED_MAX: usize = 10_000;

/// Which front-ends with open sessions are silent.
///
/// No clock of a front-end is believed, and no time counts in which the log was not watched: while Kafka is away, while this
/// process stood still, while any member of the group is behind with its work. What another member reads of a front-end is
/// known by its cursor ([`cursor_name`]). So neither late records nor lag make a living front-end look dead.
#[derive(Debug)]
pub(crate) struct FrontEnds {
    /// The time between two looks.
    interval: Duration,
    watched: HashMap<EmitterId, Watched>,
    last: Option<Look>,
    /// The time that counted.
    counted: Duration,
    /// When there was a look, or could have been one.
    tried: Option<Instant>,
}

#[derive(Debug, Default)]
struct Watched {
    /// What its cursor said.
    said: Option<u64>,
    /// It was heard in this process's own share since the last look.
    heard: bool,
    silent: Duration,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    ends: Positions,
}

/// The name under which the number of a front-end's latest control totals is kept.
pub(crate) fn cursor_name(front_end: &EmitterId) -> String {
    format!("front-end/{front_end}")
}

/// What control totals say of their front-end, for those who do not read them.
pub(crate) fn sign(record: &EventRecord) -> Option<(String, u64)> {
    matches!(record.body, EventBody::ControlTotals(_)).then(|| (cursor_name(&record.emitter), record.emitter_seq))
}

impl FrontEnds {
    /// Looks so often that `silent_after` is noticed.
    pub(crate) fn new(silent_after: Duration) -> Self {
        Self {
            interval: silent_after / LOOKS,
            watched: HashMap::new(),
            last: None,
            counted: Duration::ZERO,
            tried: None,
        }
    }

    pub(crate) fn hear(&mut self, emitter: &EmitterId) {
        if let Some(watched) = self.watched.get_mut(emitter) {
            watched.heard = true;
        }
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.tried.is_none_or(|tried| now.duration_since(tried) >= self.interval)
    }

    /// From now on these are watched, and no others.
    pub(crate) fn watch(&mut self, front_ends: &BTreeSet<EmitterId>) {
        self.watched.retain(|front_end, _| front_ends.contains(front_end));
        for front_end in front_ends {
            if self.watched.len() < WATCHED_MAX {
                self.watched.entry(front_end.clone()).or_default();
            }
        }
    }

    /// Nothing of the time since the last look counts.
    pub(crate) fn looked_away(&mut self, now: Instant) {
        (self.last, self.tried) = (None, Some(now));
    }

    /// A look: the group had done all up to `done` before `said` was asked of the cursors, and the log reached to `ends`.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        done: &Positions,
        ends: Positions,
        said: impl IntoIterator<Item = (EmitterId, u64)>,
    ) {
        let watched_since = self.last.as_ref().filter(|last| done.covers(&last.ends)).map(|last| last.at);
        // A process that stood still has not watched meanwhile.
        let counted_max = self.interval * 3 / 2;
        let counted = watched_since.map_or(Duration::ZERO, |at| now.duration_since(at).min(counted_max));
        self.counted += counted;
        for (front_end, said) in said {
            let Some(watched) = self.watched.get_mut(&front_end) else { continue };
            let is_silent = watched.said == Some(said) && !watched.heard;
            watched.silent = if is_silent { watched.silent + counted } else { Duration::ZERO };
            (watched.said, watched.heard) = (Some(said), false);
        }
        (self.last, self.tried) = (Some(Look { at: now, ends }), Some(now));
    }

    /// For how long the log was watched, in all.
    pub(crate) const fn counted(&self) -> Duration {
        self.counted
    }

    pub(crate) fn watched(&self) -> Vec<EmitterId> {
        self.watched.keys().cloned().collect()
    }

    /// Those that were silent for so long.
    pub(crate) fn silent(&self, span: Duration) -> BTreeSet<EmitterId> {
        let silent = self.watched.iter().filter(|(_, watched)| watched.silent >= span);
        silent.map(|(front_end, _)| front_end.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use acs_events::{Partition, Topic};

    use super::*;

    const SILENT: Duration = Duration::from_secs(80);
    const TEN: Duration = Duration::from_secs(10);

    /// A log of one partition that grows by one record at each look.
    struct Test {
        fronts: FrontEnds,
        now: Instant,
        end: u64,
    }

    fn positions(n: u64) -> Positions {
        Positions::from_iter([(Partition::of(Topic::Session, 0), n)])
    }

    fn name(name: &str) -> EmitterId {
        name.parse().expect("an id")
    }

    impl Test {
        fn new() -> Self {
            let mut fronts = FrontEnds::new(SILENT);
            fronts.watch(&BTreeSet::from([name("a"), name("b")]));
            Self { fronts, now: Instant::now(), end: 100 }
        }

        /// `behind`: how many records the group has not done yet; `a` and `b`: what their cursors say.
        fn look(&mut self, after: Duration, behind: u64, a: u64, b: u64) {
            self.now += after;
            self.end += 1;
            let done = positions(self.end - behind);
            assert!(self.fronts.is_due(self.now));
            self.fronts.look(self.now, &done, positions(self.end), [(name("a"), a), (name("b"), b)]);
        }

        fn silent(&self) -> Vec<String> {
            self.fronts.silent(SILENT).iter().map(ToString::to_string).collect()
        }
    }

    #[test]
    fn one_that_says_nothing_is_silent_after_a_time_and_one_that_speaks_is_not_p9() {
        let mut test = Test::new();
        for n in 0..=8 {
            assert!(test.silent().is_empty(), "look {n}");
            test.look(TEN, 0, 7, n / 2);
        }
        assert_eq!(test.silent(), ["a"], "80 s without a sign");
        test.look(TEN, 0, 8, 4);
        assert!(test.silent().is_empty(), "it was only late");
    }

    #[test]
    fn what_is_heard_in_the_own_share_is_a_sign() {
        let mut test = Test::new();
        for n in 0..30 {
            test.look(TEN, 0, 7, 7);
            if n % 3 == 0 {
                test.fronts.hear(&name("a"));
            }
        }
        assert_eq!(test.silent(), ["b"]);
    }

    #[test]
    fn lag_silences_nobody_p9() {
        let mut test = Test::new();
        for _ in 0..100 {
            // The cursors do not move because the one who would write them is behind.
            test.look(TEN, 5, 7, 7);
        }
        assert!(test.silent().is_empty());
        // It has caught up: the signs are there.
        test.look(TEN, 0, 30, 30);
        assert!(test.silent().is_empty());
    }

    #[test]
    fn time_in_which_nobody_watched_does_not_count_p9() {
        let mut test = Test::new();
        test.look(TEN, 0, 7, 7);
        test.look(Duration::from_secs(3600), 0, 7, 7);
        assert!(test.silent().is_empty(), "this process stood still for an hour");
        for _ in 0..100 {
            // Kafka does not answer.
            test.now += TEN;
            test.fronts.looked_away(test.now);
            test.look(TEN, 0, 7, 7);
        }
        assert!(test.silent().is_empty());
    }

    #[test]
    fn only_those_with_open_sessions_are_watched_and_not_more_than_fit_p19() {
        let mut test = Test::new();
        for _ in 0..20 {
            test.look(TEN, 0, 7, 7);
        }
        test.fronts.watch(&BTreeSet::from([name("b")]));
        assert_eq!(test.silent(), ["b"]);
        test.fronts.watch(&(0..=WATCHED_MAX).map(|n| name(&format!("front-{n}"))).collect());
        assert_eq!(test.fronts.watched().len(), WATCHED_MAX);
    }
}
