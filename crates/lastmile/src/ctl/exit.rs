//! How `lastmile ctl` ends. The exit codes are for ever: scripts depend on them.

use std::process::ExitCode;

/// What `lastmile ctl --help` says about them.
pub(super) const AFTER_HELP: &str = "\
DEVICE is a device id, a serial number, or a part of an id that only one device has.
Names may leave out the root object: `DeviceInfo.` is completed with the device's own root.

Exit codes:
  0  done
  1  not done: the task failed, was quarantined, needs an operator, its outcome is unknown, or the server said no
  2  the command line is wrong
  3  not found, or more than one thing has that name
  4  the token is missing, unknown, or may not do this
  5  no server answers, or it cannot at the moment
  6  still waiting when --wait ended; the task goes on";

/// Why a command was not done, told to people and, by its exit code, to programs.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The operation was not done.
    #[error("{0}")]
    NotDone(String),
    /// The command line is wrong in a way that clap cannot see.
    #[error("{0}")]
    Usage(String),
    /// There is no such thing, or more than one.
    #[error("{0}")]
    NotFound(String),
    /// The server does not let this token do it.
    #[error("{0}")]
    Refused(String),
    /// No connection came about.
    #[error("{0}")]
    Unreachable(String),
    /// The server did not answer, or said that it cannot now.
    #[error("{0}")]
    Server(String),
    /// The task goes on, but `--wait` is over.
    #[error("{0}")]
    Waiting(String),
    /// Who reads our output has seen enough, as `head` does.
    #[error("the output was closed")]
    OutputClosed,
}

impl Failure {
    /// The exit code.
    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::NotDone(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Refused(_) => 4,
            Self::Unreachable(_) | Self::Server(_) => 5,
            Self::Waiting(_) => 6,
        }
    }

    /// Whether the same call may succeed a moment later.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Server(_))
    }
}

/// Tells how it ended.
pub(super) fn finish(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::OutputClosed) {
                eprintln!("error: {failure}");
            }
            ExitCode::from(failure.code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_told_in_the_help() {
        let text = String::new;
        for failure in [
            Failure::NotDone(text()),
            Failure::Usage(text()),
            Failure::NotFound(text()),
            Failure::Refused(text()),
            Failure::Unreachable(text()),
            Failure::Server(text()),
            Failure::Waiting(text()),
            Failure::OutputClosed,
        ] {
            assert!(AFTER_HELP.contains(&format!("\n  {}  ", failure.code())), "{failure:?}");
        }
    }

    #[test]
    fn codes_are_for_ever() {
        let text = String::new;
        assert_eq!(Failure::NotDone(text()).code(), 1);
        assert_eq!(Failure::Usage(text()).code(), 2);
        assert_eq!(Failure::NotFound(text()).code(), 3);
        assert_eq!(Failure::Refused(text()).code(), 4);
        assert_eq!(Failure::Server(text()).code(), 5);
        assert_eq!(Failure::Unreachable(text()).code(), 5);
        assert_eq!(Failure::Waiting(text()).code(), 6);
    }
}
