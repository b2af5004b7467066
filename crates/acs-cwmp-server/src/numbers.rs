use std::collections::BTreeSet;

use acs_types::ControlTotals;

/// The `emitter_seq` of a front-end: dense from 1, with what became of each number (P10).
#[derive(Debug)]
pub(crate) struct Numbers {
    next: u64,
    /// Their record is certainly nowhere: they are given again.
    free: BTreeSet<u64>,
    /// Given, and not known to be durable.
    open: BTreeSet<u64>,
    /// Given up above an open one; and how many below, since the last control totals.
    lost: BTreeSet<u64>,
    lost_below: u64,
    /// Up to here there are control totals; the number of the last ones.
    totalled: u64,
    last_totals: u64,
}

impl Default for Numbers {
    fn default() -> Self {
        let (free, open, lost) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { next: 1, free, open, lost, lost_below: 0, totalled: 0, last_totals: 0 }
    }
}

impl Numbers {
    /// A number for a record.
    pub(crate) fn take(&mut self) -> u64 {
        let number = self.free.pop_first().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        self.open.insert(number);
        number
    }

    /// Its record is durable, or will be when the log is flushed.
    pub(crate) fn settle(&mut self, number: u64) {
        self.open.remove(&number);
        self.count_lost();
    }

    /// Its record is certainly nowhere.
    pub(crate) fn give_back(&mut self, number: u64) {
        self.open.remove(&number);
        self.free.insert(number);
    }

    /// Its record is given up, and may be somewhere all the same.
    pub(crate) fn lose(&mut self, number: u64) {
        // Below are only control totals that account for themselves: who reads the next ones sees that they are missing.
        if self.open.remove(&number) && number > self.totalled {
            self.lost.insert(number);
        }
        self.count_lost();
    }

    /// Control totals of the numbers since the last ones, with a number of their own; `None`: there is nothing new, or only
    /// those and not `of_them_alone`. They hold once the log is flushed. With `of_them_alone` where nothing was emitted since the
    /// last range, they account for themselves.
    pub(crate) fn begin_totals(&mut self, of_them_alone: bool) -> Option<(u64, ControlTotals)> {
        let number = self.take();
        let (first, last) = (self.totalled + 1, self.unsettled() - 1);
        if of_them_alone && number == first {
            return Some((number, ControlTotals { first, last: first, count: 1 }));
        }
        if last < first || !of_them_alone && first == last && first == self.last_totals {
            self.give_back(number);
            return None;
        }
        let totals = ControlTotals { first, last, count: last - first + 1 - self.lost_below };
        Some((number, totals))
    }

    /// The log is flushed.
    pub(crate) fn end_totals(&mut self, number: u64, totals: &ControlTotals) {
        let length = totals.last - totals.first + 1;
        self.lost_below -= length - totals.count;
        self.totalled = totals.last;
        self.last_totals = number;
    }

    /// The first number that may still be used for a durable record.
    fn unsettled(&self) -> u64 {
        [self.open.first(), self.free.first()].into_iter().flatten().min().copied().unwrap_or(self.next)
    }

    /// So that only few are remembered by themselves.
    fn count_lost(&mut self) {
        let unsettled = self.unsettled();
        while self.lost.first().is_some_and(|lost| *lost < unsettled) {
            self.lost.pop_first();
            self.lost_below += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What a reader of the log knows.
    #[derive(Default)]
    struct World {
        numbers: Numbers,
        open: Vec<u64>,
        /// Durable records by number; what stands twice was numbered twice.
        durable: BTreeMap<u64, u32>,
        totals: Vec<ControlTotals>,
    }

    impl World {
        fn durable(&mut self, number: u64) {
            self.numbers.settle(number);
            *self.durable.entry(number).or_default() += 1;
        }

        fn total(&mut self) {
            self.total_if(false);
        }

        fn total_if(&mut self, of_them_alone: bool) {
            let Some((number, totals)) = self.numbers.begin_totals(of_them_alone) else { return };
            self.numbers.end_totals(number, &totals);
            self.totals.push(totals);
            self.durable(number);
        }
    }

    proptest! {
        #[test]
        fn totals_equal_what_is_durable_p10(steps in prop::collection::vec((0..7u8, any::<prop::sample::Index>()), 0..200)) {
            let mut world = World::default();
            for (step, which) in steps {
                let of_open = |world: &mut World| {
                    let at = (!world.open.is_empty()).then(|| which.index(world.open.len()))?;
                    Some(world.open.swap_remove(at))
                };
                match step {
                    0 | 1 => {
                        let number = world.numbers.take();
                        world.open.push(number);
                    }
                    2 => if let Some(number) = of_open(&mut world) { world.durable(number) },
                    3 => if let Some(number) = of_open(&mut world) { world.numbers.lose(number) },
                    4 => if let Some(number) = of_open(&mut world) { world.numbers.give_back(number) },
                    _ => world.total_if(step == 6),
                }
            }
            while let Some(number) = world.open.pop() {
                world.durable(number);
            }
            // Numbers given back are used up, so that the last totals reach everything.
            while !world.numbers.free.is_empty() {
                let number = world.numbers.take();
                world.durable(number);
            }
            world.total();
            let mut next = 1;
            for totals in &world.totals {
                prop_assert_eq!(totals.first, next, "without gap or overlap");
                let held: u32 = world.durable.range(totals.first..=totals.last).map(|(_, copies)| copies).sum();
                prop_assert_eq!(totals.count, u64::from(held));
                next = totals.last + 1;
            }
            prop_assert!(world.durable.values().all(|copies| *copies == 1), "a number is used once");
        }
    }

    #[test]
    fn a_front_end_that_emitted_nothing_says_that_it_lives_p9() {
        let mut world = World::default();
        world.total_if(true);
        world.total_if(true);
        let of_itself = |n| ControlTotals { first: n, last: n, count: 1 };
        assert_eq!(world.totals, [of_itself(1), of_itself(2)], "each accounts for itself");
        let number = world.numbers.take();
        world.total_if(true);
        assert_eq!((number, world.totals.len()), (3, 2), "an open number is waited for");
        world.durable(number);
        world.total();
        assert_eq!(world.totals[2], of_itself(3), "without gap or overlap");
        let number = world.numbers.take();
        world.numbers.lose(number);
        world.total_if(true);
        assert_eq!(
            world.totals[3],
            ControlTotals { first: 4, last: 5, count: 1 },
            "the one that was lost is not counted"
        );
    }

    #[test]
    fn an_idle_front_end_does_not_account_for_its_totals_alone() {
        let mut world = World::default();
        world.total();
        assert_eq!(world.totals, [], "nothing was emitted");
        let number = world.numbers.take();
        world.durable(number);
        world.total();
        world.total();
        assert_eq!(world.totals, [ControlTotals { first: 1, last: 1, count: 1 }]);
        let number = world.numbers.take();
        world.total();
        assert_eq!(world.totals.len(), 1, "an open number is waited for");
        world.durable(number);
        world.total();
        assert_eq!(world.totals[1], ControlTotals { first: 2, last: 3, count: 2 });
    }

    #[test]
    fn totals_of_the_last_ones_alone_say_that_a_front_end_lives() {
        let mut world = World::default();
        let number = world.numbers.take();
        world.total_if(true);
        assert_eq!(world.totals, [], "a record on its way is waited for");
        world.durable(number);
        (0..3).for_each(|_| world.total_if(true));
        assert_eq!(world.totals, [1, 2, 3].map(|n| ControlTotals { first: n, last: n, count: 1 }), "P10: no gap");
    }
}
