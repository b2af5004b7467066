//! Writes the OpenAPI document of the API to `crates/acs-api/openapi.json`.

fn main() -> std::io::Result<()> {
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"), acs_api::openapi_json())
}
