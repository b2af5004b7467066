use acs_types::EventType;

/// The topics of a log that has topics (`design.md` §7). Names are for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// What CPEs sent: accepted Informs and TransferCompletes, refused Informs.
    Inform,
    /// Changes of devices.
    Device,
    /// Transitions of tasks.
    Task,
    /// Ends of sessions, and control totals of who emits records.
    Session,
    /// What people and programs changed.
    Audit,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 5] = [Self::Inform, Self::Device, Self::Task, Self::Session, Self::Audit];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inform => "acs.inform.v1",
            Self::Device => "acs.device.v1",
            Self::Task => "acs.task.v1",
            Self::Session => "acs.session.v1",
            Self::Audit => "acs.audit.v1",
        }
    }

    /// From the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.as_str() == name)
    }

    /// Where records of this type go.
    pub const fn of(event_type: EventType) -> Self {
        match event_type {
            EventType::Inform | EventType::TransferComplete | EventType::InformRefused => Self::Inform,
            EventType::DeviceChange => Self::Device,
            EventType::TaskTransition => Self::Task,
            EventType::SessionEnded | EventType::ControlTotals => Self::Session,
            EventType::Audit => Self::Audit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_every_type_has_a_topic() {
        for topic in Topic::ALL {
            assert_eq!(Topic::parse(topic.as_str()), Some(topic));
        }
        assert_eq!(Topic::parse("acs.other.v1"), None);
        let used: std::collections::BTreeSet<_> = EventType::ALL.map(Topic::of).into_iter().collect();
        assert_eq!(used.into_iter().collect::<Vec<_>>(), Topic::ALL);
    }
}
