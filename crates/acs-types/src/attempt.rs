use cwmp_model::Timestamp;

use crate::{AttemptId, SessionId};

/// One transmission of a task that changes the device: written before its first byte (P2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// 1, 2, …
    pub number: u32,
    /// The ParameterKey or CommandKey it carries.
    pub id: AttemptId,
    /// The session it belongs to.
    pub session: SessionId,
    /// Why it is made.
    pub reason: AttemptReason,
    /// The method's name.
    pub method: String,
    /// When its intent was written.
    pub started_at: Timestamp,
    /// When its outcome counts as unknown if nothing was heard (P3).
    pub deadline: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// How it ended; `None`: not known yet.
    pub outcome: Option<AttemptOutcome>,
    /// The last ParameterKey the device reported before it; reported again it proves that nothing was applied.
    pub key_before: String,
    /// AddObject: the instances before it, so that the new one is found (`design.md` §5.7).
    pub instances_before: Vec<u32>,
}

/// Why an attempt was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptReason {
    /// The first one.
    First,
    /// The one before went unanswered, and this method may repeat.
    Unanswered,
    /// The one before is proved not to have been applied.
    NotApplied,
    /// A person asked for it.
    Operator,
    /// A smaller request after a fault.
    Split,
}

impl AttemptReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::First, Self::Unanswered, Self::NotApplied, Self::Operator, Self::Split];

    /// The name in records and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Unanswered => "unanswered",
            Self::NotApplied => "not_applied",
            Self::Operator => "operator",
            Self::Split => "split",
        }
    }

    /// From the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == name)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// The CPE answered with a response.
    Answered,
    /// The CPE answered with this fault code.
    Fault(u32),
    /// No answer came.
    Unanswered,
    /// Later evidence says it was applied.
    ProvedApplied,
    /// Later evidence says it was not applied.
    ProvedNotApplied,
}
