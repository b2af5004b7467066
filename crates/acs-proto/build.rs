//! Compiles `/proto` into Rust with protox: no protoc binary is needed.

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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={PROTO_ROOT}");
    let descriptors = protox::compile(PROTO_FILES, [PROTO_ROOT])?;
    tonic_prost_build::configure().bytes(".lastmile.v1.StorePart").compile_fds(descriptors)?;
    Ok(())
}
