//! `cargo xtask test`: the one test command.

use crate::process;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only the tests of this package.
    #[arg(short, long)]
    package: Option<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    process::need_package("xmllint", "--version", "libxml2-utils")?;
    let scope = options.package.as_ref().map_or_else(|| vec!["--workspace"], |name| vec!["--package", name]);
    let mut arguments = vec!["test", "--locked", "--no-fail-fast"];
    arguments.extend(scope);
    process::cargo(&arguments)
}
