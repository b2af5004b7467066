//! `cargo xtask lint`: what is checked without running the product.

use crate::{process, tidy};

pub(crate) fn run() -> anyhow::Result<()> {
    process::cargo(&["fmt", "--all", "--check"])?;
    tidy::run()?;
    process::cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--locked", "--", "-D", "warnings"])?;
    deny()?;
    println!("lint: all clean");
    Ok(())
}

/// Licences, bans and sources. The advisory database is not consulted: it needs a network that CI may not have.
fn deny() -> anyhow::Result<()> {
    if !process::answers("cargo-deny", "--version") {
        println!("`cargo deny` is missing: installing it (some minutes)");
        process::cargo(&["install", "cargo-deny", "--locked"])?;
    }
    process::cargo(&["deny", "--log-level", "error", "check", "licenses", "bans", "sources"])
}
