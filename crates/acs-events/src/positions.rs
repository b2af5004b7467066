use std::collections::BTreeMap;
use std::fmt;

use crate::{LogPosition, LoggedEvent, Topic};

/// A part of the log with an order of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// `None`: the log does not keep its topics apart.
    pub topic: Option<Topic>,
    /// From 0. Records of one device have the same number in every topic.
    pub number: u32,
}

impl Partition {
    /// The only partition of a log that is one sequence.
    pub const WHOLE: Self = Self { topic: None, number: 0 };

    /// A partition of a topic.
    pub const fn of(topic: Topic, number: u32) -> Self {
        Self { topic: Some(topic), number }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.topic {
            Some(topic) => write!(f, "{}-{}", topic.as_str(), self.number),
            None => write!(f, "log-{}", self.number),
        }
    }
}

/// A place in each partition of a log: everything up to there.
///
/// As text: the places in the order of the partitions, joined by dots. For a log that is one sequence that is one number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(BTreeMap<Partition, LogPosition>);

impl Positions {
    /// Bytes of a text that is looked at: 20 digits for each of 800 partitions.
    pub const TEXT_MAX: usize = 16 << 10;

    /// Before the first record of each of these partitions.
    pub fn zero(partitions: impl IntoIterator<Item = Partition>) -> Self {
        partitions.into_iter().map(|partition| (partition, 0)).collect()
    }

    /// The place in `partition`; 0 where none is known.
    pub fn get(&self, partition: Partition) -> LogPosition {
        self.0.get(&partition).copied().unwrap_or(0)
    }

    /// Sets the place in `partition`.
    pub fn set(&mut self, partition: Partition, position: LogPosition) {
        self.0.insert(partition, position);
    }

    /// Everything up to this event.
    pub fn advance(&mut self, event: &LoggedEvent) {
        self.set(event.partition, event.position);
    }

    /// The places in the order of the partitions.
    pub fn iter(&self) -> impl Iterator<Item = (Partition, LogPosition)> {
        self.0.iter().map(|(partition, position)| (*partition, *position))
    }

    /// Whether this is at or behind `other` in every partition of `other`.
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|(partition, position)| self.get(partition) >= position)
    }

    /// How many places of the partitions of `end` stand between this and `end`.
    pub fn left_to(&self, end: &Self) -> u64 {
        end.iter().fold(0, |sum, (partition, end)| sum.saturating_add(end.saturating_sub(self.get(partition))))
    }

    /// The sum of all places: how many records were ever before this.
    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, position| sum.saturating_add(*position))
    }

    /// The text form, for a log with the partitions of `like`. `None`: it is not one, or of a log with others.
    pub fn parse(text: &str, like: &Self) -> Option<Self> {
        if text.len() > Self::TEXT_MAX || text.split('.').count() != like.0.len() {
            return None;
        }
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        like.0.keys().zip(text.split('.')).map(|(partition, text)| Some((*partition, digits(text)?))).collect()
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, position) in self.0.values().enumerate() {
            let dot = if i == 0 { "" } else { "." };
            write!(f, "{dot}{position}")?;
        }
        Ok(())
    }
}

impl FromIterator<(Partition, LogPosition)> for Positions {
    fn from_iter<I: IntoIterator<Item = (Partition, LogPosition)>>(places: I) -> Self {
        Self(places.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_whole_log_is_one_number() {
        let like = Positions::zero([Partition::WHOLE]);
        let parsed = Positions::parse("42", &like).unwrap();
        assert_eq!((parsed.get(Partition::WHOLE), parsed.to_string()), (42, "42".into()));
        for wrong in ["", "x", "-1", "+1", "1.2", "18446744073709551616"] {
            assert_eq!(Positions::parse(wrong, &like), None, "{wrong}");
        }
    }

    #[test]
    fn the_text_names_every_partition_in_order() {
        let partitions = || [Topic::Session, Topic::Inform].into_iter().map(|topic| Partition::of(topic, 1));
        let mut positions = Positions::zero(partitions());
        positions.set(Partition::of(Topic::Session, 1), 9);
        assert_eq!(positions.to_string(), "0.9", "acs.inform.v1 comes before acs.session.v1");
        assert_eq!(Positions::parse("0.9", &positions), Some(positions.clone()));
        assert_eq!(positions.total(), 9);
        assert!(positions.covers(&Positions::zero(partitions())) && !Positions::zero(partitions()).covers(&positions));
        let mut end = positions.clone();
        end.set(Partition::of(Topic::Inform, 1), 4);
        end.set(Partition::of(Topic::Session, 1), 7);
        assert_eq!(
            (positions.left_to(&end), end.left_to(&positions)),
            (4, 2),
            "what is beyond does not make up for it"
        );
    }

    #[test]
    fn p19_a_text_has_a_limit() {
        let number = "00000000000000000000";
        let text = vec![number; 780].join(".");
        let like = Positions::zero((0..780).map(|n| Partition::of(Topic::Inform, n)));
        assert!(text.len() <= Positions::TEXT_MAX && Positions::parse(&text, &like).is_some());
        let text = vec![number; 781].join(".");
        let like = Positions::zero((0..781).map(|n| Partition::of(Topic::Inform, n)));
        assert!(text.len() > Positions::TEXT_MAX && Positions::parse(&text, &like).is_none());
    }
}
