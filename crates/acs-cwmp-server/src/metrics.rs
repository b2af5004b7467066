//! The metrics of a front-end, with their meaning: `lastmile_cwmp_…`. No device, address or user name is a label.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use acs_telemetry::latency_histogram;
use acs_telemetry::prometheus_client::metrics::counter::Counter;
use acs_telemetry::prometheus_client::metrics::family::Family;
use acs_telemetry::prometheus_client::metrics::gauge::Gauge;
use acs_telemetry::prometheus_client::metrics::histogram::Histogram;
use acs_telemetry::prometheus_client::registry::Registry;
use acs_types::{RefusedReason, SessionOutcome};

/// Models that are counted apart in `model_remarks`; remarks of further ones go to manufacturer and model `other`.
pub const MODELS_MAX: usize = 200;
/// Characters kept of a manufacturer or model in a label.
const LABEL_CHARS_MAX: usize = 64;

type ByName = Family<[(&'static str, &'static str); 1], Counter>;

/// Why a connection or a request was turned away for lack of room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Connections,
    ConnectionsPerSource,
}

/// Manufacturer, product class, remark.
type ByModel = Family<[(&'static str, String); 3], Counter>;

/// All metrics of a front-end.
#[derive(Debug)]
pub struct Metrics {
    connections: Gauge,
    connections_opened: Counter,
    connections_refused: ByName,
    connections_expired: ByName,
    handshakes_failed: ByName,
    responses: Family<[(&'static str, u32); 1], Counter>,
    post_seconds: Histogram,
    rejected: ByName,
    challenges: Counter,
    informs: Counter,
    informs_shed: ByName,
    informs_refused: ByName,
    receipts: ByName,
    receipt_seconds: Histogram,
    records_lost: Counter,
    sessions: Gauge,
    sessions_ended: ByName,
    resumed: Counter,
    moved: Counter,
    not_laid_down: Counter,
    remarks: ByName,
    model_remarks: ByModel,
    models: Mutex<HashSet<(String, String)>>,
    provisioning_failed: ByName,
    stale_verifiers: Counter,
    panics: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            connections: Gauge::default(),
            connections_opened: Counter::default(),
            connections_refused: ByName::default(),
            connections_expired: ByName::default(),
            handshakes_failed: ByName::default(),
            responses: Family::default(),
            post_seconds: latency_histogram(),
            rejected: ByName::default(),
            challenges: Counter::default(),
            informs: Counter::default(),
            informs_shed: ByName::default(),
            informs_refused: ByName::default(),
            receipts: ByName::default(),
            receipt_seconds: latency_histogram(),
            records_lost: Counter::default(),
            sessions: Gauge::default(),
            sessions_ended: ByName::default(),
            resumed: Counter::default(),
            moved: Counter::default(),
            not_laid_down: Counter::default(),
            remarks: ByName::default(),
            model_remarks: ByModel::default(),
            models: Mutex::default(),
            provisioning_failed: ByName::default(),
            stale_verifiers: Counter::default(),
            panics: Counter::default(),
        }
    }
}

impl Metrics {
    /// Metrics that `registry` shows: once in the life of a process.
    pub fn registered(metrics: &acs_telemetry::Metrics) -> Self {
        let new = Self::default();
        metrics.register("cwmp", |registry| new.add_to(registry));
        new
    }

    fn add_to(&self, r: &mut Registry) {
        r.register("connections", "Open connections of CPEs", self.connections.clone());
        r.register("connections_opened", "Connections accepted", self.connections_opened.clone());
        r.register("connections_refused", "Connections over a limit, by limit", self.connections_refused.clone());
        r.register("connections_expired", "Connections closed by a deadline", self.connections_expired.clone());
        r.register("tls_handshakes_failed", "TLS handshakes without success", self.handshakes_failed.clone());
        r.register("responses", "HTTP responses by status", self.responses.clone());
        r.register("post_seconds", "From a POST's header to its response", self.post_seconds.clone());
        r.register("posts_rejected", "POSTs that no session could take, by reason", self.rejected.clone());
        r.register("challenges", "401 responses without a failed login", self.challenges.clone());
        r.register("informs", "Informs answered with InformResponse", self.informs.clone());
        r.register("informs_shed", "Informs answered with 503, by reason", self.informs_shed.clone());
        r.register("informs_refused", "Failed logins, by reason", self.informs_refused.clone());
        r.register("receipts", "Records made durable before an answer, by place", self.receipts.clone());
        r.register("receipt_seconds", "Time until such a record was durable", self.receipt_seconds.clone());
        r.register("event_records_lost", "Unawaited records that found no place", self.records_lost.clone());
        r.register("sessions", "Live sessions", self.sessions.clone());
        r.register("sessions_ended", "Sessions by outcome", self.sessions_ended.clone());
        r.register(
            "sessions_resumed",
            "Sessions that another front-end began, gone on with here",
            self.resumed.clone(),
        );
        r.register("sessions_moved", "Sessions that went on at another front-end, or may have", self.moved.clone());
        r.register(
            "sessions_not_laid_down",
            "Replies sent without the session cache knowing of them",
            self.not_laid_down.clone(),
        );
        r.register("remarks", "Messages accepted only by leniency, by remark", self.remarks.clone());
        r.register("model_remarks", "The same by model, for the first models seen", self.model_remarks.clone());
        r.register("provisioning_failed", "Calls to provisioning without success", self.provisioning_failed.clone());
        r.register("stale_verifiers", "Logins checked by an old verifier", self.stale_verifiers.clone());
        r.register("panics", "Sessions dropped because of a bug", self.panics.clone());
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.inc();
        self.connections_opened.inc();
    }

    pub(crate) fn connection_ended(&self) {
        self.connections.dec();
    }

    pub(crate) fn connection_refused(&self, refusal: Refusal) {
        let limit = match refusal {
            Refusal::Connections => "connections",
            Refusal::ConnectionsPerSource => "connections_per_source",
        };
        self.connections_refused.get_or_create(&[("limit", limit)]).inc();
    }

    pub(crate) fn connection_expired(&self, deadline: &'static str) {
        self.connections_expired.get_or_create(&[("deadline", deadline)]).inc();
    }

    pub(crate) fn handshake_failed(&self, why: &'static str) {
        self.handshakes_failed.get_or_create(&[("reason", why)]).inc();
    }

    pub(crate) fn responded(&self, status: u16, after: Duration) {
        self.responses.get_or_create(&[("status", status.into())]).inc();
        self.post_seconds.observe(after.as_secs_f64());
    }

    pub(crate) fn rejected(&self, reason: &'static str) {
        self.rejected.get_or_create(&[("reason", reason)]).inc();
    }

    pub(crate) fn challenged(&self) {
        self.challenges.inc();
    }

    pub(crate) fn inform_answered(&self) {
        self.informs.inc();
    }

    pub(crate) fn inform_shed(&self, reason: &'static str) {
        self.informs_shed.get_or_create(&[("reason", reason)]).inc();
    }

    pub(crate) fn login_failed(&self, reason: RefusedReason) {
        self.informs_refused.get_or_create(&[("reason", reason.as_str())]).inc();
    }

    pub(crate) fn receipt(&self, place: &'static str, after: Duration) {
        self.receipts.get_or_create(&[("place", place)]).inc();
        self.receipt_seconds.observe(after.as_secs_f64());
    }

    pub(crate) fn record_lost(&self) {
        self.records_lost.inc();
    }

    pub(crate) fn session_began(&self) {
        self.sessions.inc();
    }

    pub(crate) fn session_ended(&self, outcome: SessionOutcome) {
        self.sessions.dec();
        self.sessions_ended.get_or_create(&[("outcome", outcome.as_str())]).inc();
    }

    pub(crate) fn session_resumed(&self) {
        self.resumed.inc();
    }

    pub(crate) fn session_moved(&self) {
        self.sessions.dec();
        self.moved.inc();
    }

    pub(crate) fn session_not_laid_down(&self) {
        self.not_laid_down.inc();
    }

    pub(crate) fn provisioning_failed(&self, call: &'static str) {
        self.provisioning_failed.get_or_create(&[("call", call)]).inc();
    }

    pub(crate) fn stale_verifier(&self) {
        self.stale_verifiers.inc();
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    /// Something was accepted only by leniency (CWMP-535).
    pub(crate) fn remark(&self, remark: &'static str, manufacturer: &str, product_class: &str) {
        self.remarks.get_or_create(&[("remark", remark)]).inc();
        let (manufacturer, product_class) = self.model(manufacturer, product_class);
        let labels = [("manufacturer", manufacturer), ("product_class", product_class), ("remark", remark.to_owned())];
        self.model_remarks.get_or_create(&labels).inc();
    }

    fn model(&self, manufacturer: &str, product_class: &str) -> (String, String) {
        let shorten = |text: &str| text.chars().take(LABEL_CHARS_MAX).collect::<String>();
        let model = (shorten(manufacturer), shorten(product_class));
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        if models.contains(&model) {
            return model;
        }
        if models.len() < MODELS_MAX {
            models.insert(model.clone());
            return model;
        }
        ("other".to_owned(), "other".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cwmp_535_remarks_are_counted_per_model_and_models_are_bounded_p19() {
        let all = acs_telemetry::Metrics::default();
        let metrics = Metrics::registered(&all);
        for n in 0..MODELS_MAX + 5 {
            metrics.remark("id_missing", "Acme", &format!("m{n}"));
        }
        let text = all.exposition();
        assert!(text.contains(r#"lastmile_cwmp_remarks_total{remark="id_missing"} 205"#), "{text}");
        assert!(text.contains(r#"{manufacturer="Acme",product_class="m199",remark="id_missing"} 1"#), "{text}");
        assert!(text.contains(r#"{manufacturer="other",product_class="other",remark="id_missing"} 5"#), "{text}");
        assert!(!text.contains("m200"), "the limit is {MODELS_MAX}");
    }
}
