//! Every method of every service: what it is called with, and whether it may be made again.

use std::time::Duration;

use super::limits::Deadlines;

/// How a method is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method {
    /// Its name, for people.
    pub(super) name: &'static str,
    /// Whether the same call twice is as once. If not, it is made again only where it certainly never left this process:
    /// whether an unanswered one was carried out only the service knows.
    pub(super) idempotent: bool,
    /// How long it may take, repeats included.
    pub(super) deadline: fn(&Deadlines) -> Duration,
}

macro_rules! methods {
    ($($constant:ident = $name:literal, $repeat:ident, $deadline:ident;)*) => {
        $(pub(super) const $constant: Method =
            Method { name: $name, idempotent: methods!(@$repeat), deadline: |deadlines| deadlines.$deadline };)*
    };
    (@idempotent) => { true };
    (@once) => { false };
}

methods! {
    // Provisioning
    VERIFIER = "Provisioning.Verifier", idempotent, session;
    BEGIN = "Provisioning.Begin", idempotent, session;
    NEXT = "Provisioning.Next", once, turn;
    END = "Provisioning.End", once, turn;
    APPEND = "Provisioning.Append", idempotent, records;
    OBSERVE = "Provisioning.Observe", idempotent, records;
    ENQUEUE = "Provisioning.Enqueue", idempotent, wake;
    CANCEL = "Provisioning.Cancel", once, request;
    RETRY = "Provisioning.Retry", once, request;
    WATCH = "Provisioning.Watch", idempotent, request;
    WAKE_DEVICE = "Provisioning.Wake", once, wake;
    // ConnectionRequests
    WAKE = "ConnectionRequests.Wake", once, wake;
    // FileServer
    STORE = "FileServer.Store", once, upload;
    REMOVE = "FileServer.Remove", once, request;
    SIGN = "FileServer.Sign", idempotent, request;
}
