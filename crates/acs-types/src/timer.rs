use crate::DeviceId;
use cwmp_model::Timestamp;

/// A deadline, written before what it guards. A timer is a hint: the row it points at decides (`design.md` §5.8).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timer {
    /// When it is due.
    pub due: Timestamp,
    /// The device it concerns.
    pub device: DeviceId,
    /// What is to be looked at.
    pub kind: TimerKind,
    /// The task or session it concerns, as text.
    pub reference: String,
}

/// What a timer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerKind {
    /// An attempt whose answer should have come: its outcome is unknown now (P3).
    AttemptDeadline,
    /// A task whose evidence should have come.
    EvidenceDeadline,
    /// A task that nobody wants any more.
    TaskExpiry,
    /// A device with wanted-now work and no session: wake it again.
    Wake,
}

impl TimerKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::AttemptDeadline, Self::EvidenceDeadline, Self::TaskExpiry, Self::Wake];

    /// The stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AttemptDeadline => "attempt_deadline",
            Self::EvidenceDeadline => "evidence_deadline",
            Self::TaskExpiry => "task_expiry",
            Self::Wake => "wake",
        }
    }

    /// From the stored name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == name)
    }
}
