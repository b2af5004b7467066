//! Closed lists of names: the domain's enum against the message's.

use acs_types::{
    Applied, AttemptReason, AuthLevel, Evidence, Obligation, RefusedReason, Scope, SessionOutcome, SessionPhase,
    TaskKind, TimerKind, Wanted,
};
use cwmp_codec::CwmpVersion;
use cwmp_model::ValueType;

use super::RecordError;

/// A domain enum with a number in messages. 0 is never one of them.
pub(crate) trait Enumerated: Sized {
    /// Its number.
    fn number(self) -> i32;

    /// From its number: 0 is a missing field, others that are not known are of a newer version.
    fn from_number(number: i32, field: &'static str) -> Result<Self, RecordError>;
}

macro_rules! enumerated {
    ($name:ident { $($variant:ident),* $(,)? }) => {
        impl $crate::records::Enumerated for $name {
            fn number(self) -> i32 {
                match self {
                    $(Self::$variant => $crate::v1::$name::$variant as i32,)*
                }
            }

            fn from_number(number: i32, field: &'static str) -> Result<Self, $crate::records::RecordError> {
                match $crate::v1::$name::try_from(number) {
                    $(Ok($crate::v1::$name::$variant) => Ok(Self::$variant),)*
                    Ok($crate::v1::$name::Unspecified) => Err($crate::records::RecordError::Missing { field }),
                    Err(_) => Err($crate::records::RecordError::UnknownValue { field, number }),
                }
            }
        }
    };
}
pub(crate) use enumerated;

enumerated!(ValueType { String, Int, UnsignedInt, Long, UnsignedLong, Boolean, DateTime, Base64, HexBinary });
enumerated!(Wanted { Now, NextSession });
enumerated!(Obligation { FirstContact, Boot });
enumerated!(Evidence { TransferComplete, Reboot, Bootstrap });
enumerated!(Applied { Now, AfterReboot });
enumerated!(AttemptReason { First, Unanswered, NotApplied, Operator, Split });
enumerated!(TaskKind {
    GetValues,
    SetValues,
    GetNames,
    Refresh,
    AddObject,
    DeleteObject,
    Download,
    Reboot,
    FactoryReset,
    Discover,
    SetCredentials
});
enumerated!(AuthLevel { Open, Shared, Device, Certificate });
enumerated!(RefusedReason { UnknownUser, WrongPassword, OtherDevice, BasicWithoutTls, RateLimited });
enumerated!(SessionOutcome {
    Completed,
    TimedOut,
    Superseded,
    ProtocolError,
    LimitExceeded,
    ServerError,
    Drained,
    Lost
});
enumerated!(SessionPhase { Initiation, Authentication, Identification, Tasks, Closing });
enumerated!(Scope { Read, Write, Files, Admin });
enumerated!(TimerKind { AttemptDeadline, EvidenceDeadline, TaskExpiry, Wake });

/// Its variants have underscores, which the generated names have not.
impl Enumerated for CwmpVersion {
    fn number(self) -> i32 {
        let version = match self {
            Self::V1_0 => crate::v1::CwmpVersion::V10,
            Self::V1_1 => crate::v1::CwmpVersion::V11,
            Self::V1_2 => crate::v1::CwmpVersion::V12,
            Self::V1_3 => crate::v1::CwmpVersion::V13,
            Self::V1_4 => crate::v1::CwmpVersion::V14,
        };
        version as i32
    }

    fn from_number(number: i32, field: &'static str) -> Result<Self, RecordError> {
        match crate::v1::CwmpVersion::try_from(number) {
            Ok(crate::v1::CwmpVersion::V10) => Ok(Self::V1_0),
            Ok(crate::v1::CwmpVersion::V11) => Ok(Self::V1_1),
            Ok(crate::v1::CwmpVersion::V12) => Ok(Self::V1_2),
            Ok(crate::v1::CwmpVersion::V13) => Ok(Self::V1_3),
            Ok(crate::v1::CwmpVersion::V14) => Ok(Self::V1_4),
            Ok(crate::v1::CwmpVersion::Unspecified) => Err(RecordError::Missing { field }),
            Err(_) => Err(RecordError::UnknownValue { field, number }),
        }
    }
}
