//! Running other programs, from the root of the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use cargo_metadata::MetadataCommand;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_owned()
}

/// A folder of this name in the build folder; made if it is missing.
pub(crate) fn build_folder(name: &str) -> anyhow::Result<PathBuf> {
    let manifest = root().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().context("the build folder")?;
    let folder = metadata.target_directory.join(name).into_std_path_buf();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Runs cargo with `arguments` and shows what it prints.
pub(crate) fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    run(env!("CARGO"), arguments)
}

/// The same with variables added to the environment.
pub(crate) fn cargo_with(arguments: &[&str], variables: &[(&str, String)]) -> anyhow::Result<()> {
    run_with(env!("CARGO"), arguments, variables)
}

/// Runs a program, shown first, and fails if it does.
pub(crate) fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    run_with(program, arguments, &[])
}

fn run_with(program: &str, arguments: &[&str], variables: &[(&str, String)]) -> anyhow::Result<()> {
    let name = Path::new(program).file_name().map_or_else(|| program.into(), |n| n.to_string_lossy());
    println!("$ {name} {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .current_dir(root())
        .status()
        .with_context(|| format!("`{program}` could not be started"))?;
    if !status.success() {
        bail!("`{name} {}` failed ({status})", arguments.join(" "));
    }
    Ok(())
}

/// Whether a program answers to `argument`.
pub(crate) fn answers(program: &str, argument: &str) -> bool {
    succeeds(program, &[argument])
}

/// Whether a program can be run with these arguments; what it says is not shown.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Makes sure that a tool from Debian's packages is there.
pub(crate) fn need_package(program: &str, argument: &str, package: &str) -> anyhow::Result<()> {
    if answers(program, argument) {
        return Ok(());
    }
    install(package, &format!("`{program}`"))?;
    if !answers(program, argument) {
        bail!("`{program}` is still missing after installing {package}");
    }
    Ok(())
}

/// Installs one of Debian's packages because `what` is missing.
pub(crate) fn install(package: &str, what: &str) -> anyhow::Result<()> {
    if !answers("apt-get", "--version") {
        bail!("{what} is missing; install it (Debian: apt-get install {package}) and run this again");
    }
    println!("{what} is missing: installing the Debian package {package}");
    run("apt-get", &["update", "-qq"])?;
    run("apt-get", &["install", "-y", "-qq", package])
}
