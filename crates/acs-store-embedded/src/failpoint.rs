//! Where tests may stop, slow or kill the store. Without the feature `failpoints` nothing of it is compiled.

macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name);
    };
}

pub(crate) use failpoint;
