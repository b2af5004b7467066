//! One file per role, and what they share: `assembly` (with `dev`, too), `running` (the roles that are processes of their
//! own).

#[cfg(feature = "distributed")]
mod api;
pub(crate) mod assembly;
#[cfg(feature = "distributed")]
mod connreq;
#[cfg(feature = "distributed")]
mod cwmp;
pub(crate) mod dev;
#[cfg(feature = "distributed")]
mod files;
#[cfg(feature = "distributed")]
mod health_listener;
#[cfg(feature = "distributed")]
mod ingest;
#[cfg(feature = "distributed")]
mod migrate;
#[cfg(feature = "distributed")]
mod network;
#[cfg(feature = "distributed")]
mod outbox;
#[cfg(feature = "distributed")]
mod provisioning;
#[cfg(feature = "distributed")]
mod rebuild;
#[cfg(feature = "distributed")]
mod running;

use crate::settings::Settings;

/// A part of the product that runs as a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    Cwmp,
    Provisioning,
    Ingest,
    Connreq,
    Files,
    Api,
    Migrate,
}

/// Why a role did not run, or did not end well.
#[cfg_attr(not(feature = "distributed"), expect(dead_code, reason = "a role that is not built in does not fail"))]
pub(crate) enum Failure {
    /// What it was told is wrong.
    Usage(String),
    /// What happened.
    Failed(anyhow::Error),
}

/// Runs a role until it is asked to end.
#[cfg(feature = "distributed")]
pub(crate) fn run(role: Role, settings: Settings) -> Result<(), Failure> {
    match role {
        Role::Cwmp => begin(settings, cwmp::Config::read, cwmp::serve),
        Role::Provisioning => begin(settings, provisioning::Config::read, provisioning::serve),
        Role::Ingest => begin(settings, ingest::Config::read, ingest::serve),
        Role::Connreq => begin(settings, connreq::Config::read, connreq::serve),
        Role::Files => begin(settings, files::Config::read, files::serve),
        Role::Api => begin(settings, api::Config::read, api::serve),
        Role::Migrate => begin(settings, migrate::Config::read, migrate::serve),
    }
}

/// Makes anew what ingest wrote, and ends.
#[cfg(feature = "distributed")]
pub(crate) fn rebuild(settings: Settings) -> Result<(), Failure> {
    begin(settings, rebuild::Config::read, rebuild::run)
}

#[cfg(feature = "distributed")]
fn begin<C, F>(
    settings: Settings,
    read: impl FnOnce(&mut Settings) -> C,
    serve: impl FnOnce(C) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = anyhow::Result<()>>,
{
    use crate::config;
    let both = |s: &mut Settings| (config::sections::log(s), read(s));
    let (log, config) = config::read(settings, both).map_err(|problems| Failure::Usage(problems.to_string()))?;
    // Several libraries bring a provider: none of them may choose.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let run = || -> anyhow::Result<()> {
        acs_telemetry::logging::init(&log)?;
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))
    };
    run().map_err(Failure::Failed)
}

/// Whether a role could run with these settings, as far as they alone tell.
#[cfg(feature = "distributed")]
pub(crate) fn check(role: Role, settings: Settings) -> Result<(), Failure> {
    use crate::config::read;
    let checked = match role {
        Role::Cwmp => read(settings, cwmp::Config::read).map(drop),
        Role::Provisioning => read(settings, provisioning::Config::read).map(drop),
        Role::Ingest => read(settings, ingest::Config::read).map(drop),
        Role::Connreq => read(settings, connreq::Config::read).map(drop),
        Role::Files => read(settings, files::Config::read).map(drop),
        Role::Api => read(settings, api::Config::read).map(drop),
        Role::Migrate => read(settings, migrate::Config::read).map(drop),
    };
    checked.map_err(|problems| Failure::Usage(problems.to_string()))
}

/// This build cannot tell.
#[cfg(not(feature = "distributed"))]
pub(crate) fn check(role: Role, settings: Settings) -> Result<(), Failure> {
    run(role, settings)
}

/// This build cannot either.
#[cfg(not(feature = "distributed"))]
pub(crate) fn rebuild(settings: Settings) -> Result<(), Failure> {
    run(Role::Ingest, settings)
}

/// This build has no adapters for Kafka, CQL and Redis.
#[cfg(not(feature = "distributed"))]
pub(crate) fn run(role: Role, _settings: Settings) -> Result<(), Failure> {
    let name = format!("{role:?}").to_lowercase();
    Err(Failure::Usage(format!(
        "this build has no role `{name}`: it needs the feature `distributed`, which brings the adapters for Kafka, the CQL \
         store and Redis; build it with `cargo build --release -p lastmile --features distributed`, or run everything in one \
         process with `lastmile dev`"
    )))
}
