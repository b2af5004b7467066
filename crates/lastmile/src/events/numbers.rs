//! The numbers of an emitter that are there.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A set of numbers, kept as ranges: those of an emitter are dense.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    /// Adds one.
    pub(super) fn insert(&mut self, number: u64) {
        let before = self.0.range(..=number).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| number <= last) {
            return;
        }
        let first = match before {
            Some((first, last)) if last.checked_add(1) == Some(number) => first,
            _ => number,
        };
        let after = number.checked_add(1).and_then(|next| self.0.remove(&next));
        self.0.insert(first, after.unwrap_or(number));
    }

    /// The lowest one; 0 if there is none.
    pub(super) fn lowest(&self) -> u64 {
        self.0.keys().next().copied().unwrap_or(0)
    }

    /// The highest one; 0 if there is none.
    pub(super) fn highest(&self) -> u64 {
        self.0.values().next_back().copied().unwrap_or(0)
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// What is not there of a range, as `[first, last]`.
    pub(super) fn gaps(&self, range: RangeInclusive<u64>) -> Vec<[u64; 2]> {
        let (mut gaps, mut next, last) = (Vec::new(), *range.start(), *range.end());
        let begin = self.0.range(..=next).next_back().map_or(next, |(first, _)| *first);
        for (&from, &to) in self.0.range(begin..) {
            if from > last || next > last {
                break;
            }
            if from > next {
                gaps.push([next, from - 1]);
            }
            if to >= last {
                return gaps;
            }
            next = next.max(to + 1);
        }
        if next <= last {
            gaps.push([next, last]);
        }
        gaps
    }
}

/// How many numbers some ranges have.
pub(super) fn count(ranges: &[[u64; 2]]) -> u64 {
    ranges.iter().fold(0, |sum: u64, [first, last]| sum.saturating_add((last - first).saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn ranges_say_what_a_plain_set_says() {
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..300 {
            let (mut numbers, mut plain) = (Numbers::default(), BTreeSet::new());
            for _ in 0..random.random_range(0..40) {
                let number = random.random_range(1..30_u64);
                numbers.insert(number);
                plain.insert(number);
            }
            let (first, last) = (random.random_range(1..30), random.random_range(0..32));
            let missing: Vec<u64> = (first..=last).filter(|n| !plain.contains(n)).collect();
            let gaps = numbers.gaps(first..=last);
            let told: Vec<u64> = gaps.iter().flat_map(|[first, last]| *first..=*last).collect();
            assert_eq!(told, missing, "{first}..={last} of {plain:?}");
            assert_eq!(count(&gaps), missing.len() as u64);
            assert!(gaps.windows(2).all(|pair| pair[0][1] + 1 < pair[1][0]), "ranges are as long as they can be");
            let ends = (plain.first().copied().unwrap_or(0), plain.last().copied().unwrap_or(0));
            assert_eq!((numbers.len(), numbers.lowest(), numbers.highest()), (plain.len() as u64, ends.0, ends.1));
        }
    }

    #[test]
    fn the_highest_number_is_no_end_of_the_world() {
        let mut numbers = Numbers::default();
        [u64::MAX, u64::MAX - 2].into_iter().for_each(|number| numbers.insert(number));
        assert_eq!(numbers.gaps(u64::MAX - 3..=u64::MAX), [[u64::MAX - 3; 2], [u64::MAX - 1; 2]]);
        assert_eq!(count(&Numbers::default().gaps(0..=u64::MAX)), u64::MAX);
    }
}
