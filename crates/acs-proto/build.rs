//! Compiles `/proto` into Rust with protox: no protoc binary is needed.

use prost::Message as _;

const PROTO_ROOT: &str = "../../proto";
const PROTO_FILES: [&str; 7] = [
    "lastmile/v1/cwmp.proto",
    "lastmile/v1/records.proto",
    "lastmile/v1/events.proto",
    "lastmile/v1/errors.proto",
    "lastmile/v1/connection_requests.proto",
    "lastmile/v1/files.proto",
    "lastmile/v1/provisioning.proto",
];

/// Messages that hold a secret in the clear: they get a `Debug` that hides it, in `src/hidden.rs`.
const SECRET_MESSAGES: [&str; 10] = [
    ".lastmile.v1.CpeCredential",
    ".lastmile.v1.CpeVerifier",
    ".lastmile.v1.Download",
    ".lastmile.v1.DownloadUrl",
    ".lastmile.v1.GetParameterValuesResponse",
    ".lastmile.v1.HandedSession",
    ".lastmile.v1.ParameterRecord",
    ".lastmile.v1.SetParameterValues",
    ".lastmile.v1.SetValue",
    ".lastmile.v1.WakeRequest",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={PROTO_ROOT}");
    let descriptors = protox::compile(PROTO_FILES, [PROTO_ROOT])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("lastmile.v1.binpb"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".lastmile.v1.StorePart")
        .skip_debug(SECRET_MESSAGES)
        .compile_fds(descriptors)?;
    Ok(())
}
