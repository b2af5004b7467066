//! Where tests kill the store. Without the feature `failpoints` nothing of it is compiled.

/// Ends the process as a kill would, if a test asks for it (action `return`).
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        if fail::eval($name, |_| ()).is_some() {
            std::process::abort();
        }
    };
}

pub(crate) use failpoint;
