//! What others rely on for ever: the byte form of records, the proto files, and that a remote service is as a local one.

#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod properties;
mod remote;
mod samples;
mod schema;
mod strategies;
mod test_seal;
mod values;

/// Set to 1 to write samples and schema entries that are not there yet. What is there is never changed.
const UPDATE: &str = "UPDATE_SAMPLES";

fn updates() -> bool {
    std::env::var(UPDATE).is_ok_and(|value| value == "1")
}

fn testdata() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/v1")
}
