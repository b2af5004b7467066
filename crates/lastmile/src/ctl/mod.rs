//! `lastmile ctl`: asks and steers a running server by its REST API.

mod endpoints;

pub(crate) use endpoints::Endpoints;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {}

pub(crate) fn run(_options: Options) -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
