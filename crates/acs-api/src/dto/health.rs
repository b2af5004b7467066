use acs_telemetry::{BuildInfo, CheckState, Impact, Report};
use serde::Serialize;
use utoipa::ToSchema;

/// How the process is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthDto {
    /// It need not be restarted.
    live: bool,
    /// It should get traffic.
    ready: bool,
    /// Something fails.
    degraded: bool,
    /// It is about to end.
    draining: bool,
    checks: Vec<CheckDto>,
}

impl From<Report> for HealthDto {
    fn from(report: Report) -> Self {
        let checks = report.checks.into_iter().map(|(name, impact, state)| CheckDto {
            name,
            impact: match impact {
                Impact::Fatal => "fatal",
                Impact::NotReady => "not_ready",
                Impact::Degraded => "degraded",
            },
            passing: state == CheckState::Passing,
            detail: match state {
                CheckState::Passing => None,
                CheckState::Failing(why) => Some(why),
            },
        });
        Self {
            live: report.live,
            ready: report.ready,
            degraded: report.degraded,
            draining: report.draining,
            checks: checks.collect(),
        }
    }
}

/// How one thing is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Check)]
struct CheckDto {
    #[schema(example = "store")]
    name: &'static str,
    /// What its failing means: `fatal`, `not_ready`, `degraded`.
    impact: &'static str,
    passing: bool,
    /// Why it fails.
    detail: Option<String>,
}

/// What runs here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Version)]
pub(crate) struct VersionDto {
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The source revision, if the build knows it.
    revision: Option<&'static str>,
}

impl From<BuildInfo> for VersionDto {
    fn from(build: BuildInfo) -> Self {
        Self { version: build.version, revision: build.revision }
    }
}
