//! The metrics of the file server, `lastmile_files_…`. Names and labels are for ever.

use acs_telemetry::Metrics;
use acs_telemetry::prometheus_client::metrics::counter::Counter;
use acs_telemetry::prometheus_client::metrics::family::Family;
use acs_telemetry::prometheus_client::metrics::gauge::Gauge;

/// What became of a download; the label `outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The whole file went out.
    Complete,
    /// The range asked for went out.
    Partial,
    /// The connection ended before.
    Aborted,
    /// 304, and every answer to HEAD.
    NoBody,
    /// 416.
    Unsatisfiable,
    /// The token is not ours.
    Forged,
    /// The token's time is over.
    Expired,
    /// The file was removed.
    Gone,
    /// Over budget.
    Busy,
    /// The store or the disk failed.
    Failed,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Aborted => "aborted",
            Self::NoBody => "no_body",
            Self::Unsatisfiable => "unsatisfiable",
            Self::Forged => "forged",
            Self::Expired => "expired",
            Self::Gone => "gone",
            Self::Busy => "busy",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct FilesMetrics {
    /// `lastmile_files_downloads_total{outcome}`: requests for files.
    downloads: Family<[(&'static str, &'static str); 1], Counter>,
    /// `lastmile_files_sent_bytes_total`: bytes of files handed to connections.
    pub(crate) sent_bytes: Counter,
    /// `lastmile_files_transfers`: transfers now; its limit is `max_transfers`.
    pub(crate) transfers: Gauge,
    /// `lastmile_files_stored_total`: files that came in whole.
    pub(crate) stored: Counter,
    /// `lastmile_files_stored_bytes_total`: their bytes.
    pub(crate) stored_bytes: Counter,
    /// `lastmile_files_swept_total`: files without a record that were removed at start.
    pub(crate) swept: Counter,
}

impl FilesMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let this = Self {
            downloads: Family::default(),
            sent_bytes: Counter::default(),
            transfers: Gauge::default(),
            stored: Counter::default(),
            stored_bytes: Counter::default(),
            swept: Counter::default(),
        };
        metrics.register("files", |registry| {
            registry.register("downloads", "Requests for files, by outcome", this.downloads.clone());
            registry.register("sent_bytes", "Bytes of files handed to connections", this.sent_bytes.clone());
            registry.register("transfers", "Transfers now", this.transfers.clone());
            registry.register("stored", "Files that came in whole", this.stored.clone());
            registry.register("stored_bytes", "Bytes of files that came in whole", this.stored_bytes.clone());
            registry.register("swept", "Files without a record, removed at start", this.swept.clone());
        });
        this
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        self.downloads.get_or_create(&[("outcome", outcome.as_str())]).inc();
    }
}
