use std::fmt;

/// An event code of an Inform (TR-069 section 3.7.1.5).
///
/// Read with [`EventCode::parse`]; `Display` gives the text to send or to store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventCode {
    /// One that the standard defines.
    Standard(Event),
    /// Vendor (`X …`, `M X_…`) or later than this table: ignored, but stored and forwarded as sent (CWMP-181).
    Other(String),
}

impl EventCode {
    /// Knows a code by its whole text or by the number before its space (CWMP-182): `14 ALERT` is `14 HEARTBEAT`.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let number = text.split(' ').next().unwrap_or(text);
        let is_numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let matches = |event: &Event| {
            let code = event.facts().code;
            code == text || is_numbered && code.split(' ').next() == Some(number)
        };
        Event::ALL.into_iter().find(matches).map_or_else(|| Self::Other(text.to_owned()), Self::Standard)
    }

    /// The standard's event, if it is one.
    pub const fn standard(&self) -> Option<Event> {
        match self {
            Self::Standard(event) => Some(*event),
            Self::Other(_) => None,
        }
    }

    /// The text, for example `0 BOOTSTRAP`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Standard(event) => event.facts().code,
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for EventCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Event> for EventCode {
    fn from(event: Event) -> Self {
        Self::Standard(event)
    }
}

/// What the standard says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventFacts {
    /// The whole code as sent.
    pub code: &'static str,
    /// Whether an Inform may have several entries of it, told apart by their CommandKey (CWMP-184).
    pub multiple: bool,
    /// The first protocol version with it.
    pub since: &'static str,
    /// Which message of the ACS makes it delivered.
    pub delivered_by: Delivery,
    /// What the CPE does when it was not delivered.
    pub undelivered: Undelivered,
}

/// The message of the ACS that ends a CPE's duty to report an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// InformResponse.
    InformResponse,
    /// KickedResponse.
    KickedResponse,
    /// TransferCompleteResponse.
    TransferCompleteResponse,
    /// RequestDownloadResponse.
    RequestDownloadResponse,
    /// AutonomousTransferCompleteResponse.
    AutonomousTransferCompleteResponse,
    /// DUStateChangeCompleteResponse.
    DuStateChangeCompleteResponse,
    /// AutonomousDUStateChangeCompleteResponse.
    AutonomousDuStateChangeCompleteResponse,
}

/// What becomes of an event whose session failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Undelivered {
    /// Kept until delivered; its creation drops every other undelivered event.
    KeptAlone,
    /// Kept until delivered, over a reboot.
    Kept,
    /// Retried until delivered or until the next reboot.
    UntilReboot,
    /// Retried until reboot, then as the CPE chooses.
    UntilRebootThenChoice,
    /// As the CPE chooses.
    Choice,
    /// Not retried.
    Dropped,
    /// Retried.
    Retried,
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $multiple:literal, $since:literal, $by:ident, $undelivered:ident;)*) => {
        /// The events of the standard.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Event {
            $($(#[$doc])* $name,)*
        }

        impl Event {
            /// Every event.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$name),*];

            /// Its row of the table.
            pub const fn facts(self) -> EventFacts {
                match self {
                    $(Self::$name => EventFacts {
                        code: $code,
                        multiple: $multiple,
                        since: $since,
                        delivered_by: Delivery::$by,
                        undelivered: Undelivered::$undelivered,
                    },)*
                }
            }
        }
    };
}

events! {
    /// First contact with this ACS: factory-new, after factory reset, or the ACS URL changed.
    Bootstrap = "0 BOOTSTRAP", false, "1.0", InformResponse, KeptAlone;
    /// Power-up or reset for any reason.
    Boot = "1 BOOT", false, "1.0", InformResponse, UntilReboot;
    /// PeriodicInformInterval elapsed.
    Periodic = "2 PERIODIC", false, "1.0", InformResponse, Kept;
    /// A ScheduleInform delay elapsed.
    Scheduled = "3 SCHEDULED", false, "1.0", InformResponse, Kept;
    /// A parameter with notification changed, not by the ACS.
    ValueChange = "4 VALUE CHANGE", false, "1.0", InformResponse, UntilRebootThenChoice;
    /// Web identity flow.
    Kicked = "5 KICKED", false, "1.0", KickedResponse, Choice;
    /// A valid connection request came from the ACS.
    ConnectionRequest = "6 CONNECTION REQUEST", false, "1.0", InformResponse, Dropped;
    /// A transfer that the ACS asked for ended.
    TransferComplete = "7 TRANSFER COMPLETE", false, "1.0", TransferCompleteResponse, Kept;
    /// Diagnostics that the ACS asked for ended.
    DiagnosticsComplete = "8 DIAGNOSTICS COMPLETE", false, "1.0", InformResponse, UntilReboot;
    /// The session carries a RequestDownload.
    RequestDownload = "9 REQUEST DOWNLOAD", false, "1.0", RequestDownloadResponse, Choice;
    /// A transfer that the ACS did not ask for ended.
    AutonomousTransferComplete = "10 AUTONOMOUS TRANSFER COMPLETE", false, "1.1", AutonomousTransferCompleteResponse, Kept;
    /// A ChangeDUState request ended.
    DuStateChangeComplete = "11 DU STATE CHANGE COMPLETE", false, "1.2", DuStateChangeCompleteResponse, Kept;
    /// A deployment unit changed state without the ACS asking.
    AutonomousDuStateChangeComplete =
        "12 AUTONOMOUS DU STATE CHANGE COMPLETE", false, "1.2", AutonomousDuStateChangeCompleteResponse, Kept;
    /// Woke from standby.
    Wakeup = "13 WAKEUP", false, "1.4", InformResponse, Retried;
    /// HeartbeatPolicy interval elapsed (Amendment 6); the only event of its Inform.
    Heartbeat = "14 HEARTBEAT", false, "1.4", InformResponse, Retried;
    /// Rebooted because of a Reboot; its CommandKey.
    MReboot = "M Reboot", true, "1.0", InformResponse, Kept;
    /// A ScheduleInform delay elapsed; its CommandKey.
    MScheduleInform = "M ScheduleInform", true, "1.0", InformResponse, Kept;
    /// A Download ended; its CommandKey.
    MDownload = "M Download", true, "1.0", TransferCompleteResponse, Kept;
    /// A ScheduleDownload ended; its CommandKey.
    MScheduleDownload = "M ScheduleDownload", true, "1.2", TransferCompleteResponse, Kept;
    /// An Upload ended; its CommandKey.
    MUpload = "M Upload", true, "1.0", TransferCompleteResponse, Kept;
    /// A ChangeDUState ended; its CommandKey.
    MChangeDuState = "M ChangeDUState", true, "1.2", DuStateChangeCompleteResponse, Kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_codes_and_numbers_are_known_cwmp_182() {
        for event in Event::ALL {
            assert_eq!(EventCode::parse(event.facts().code), EventCode::Standard(event));
            assert_eq!(EventCode::from(event).to_string(), event.facts().code);
        }
        for (text, event) in [
            ("1", Event::Boot),
            ("1 boot", Event::Boot),
            ("10 AUTONOMOUS", Event::AutonomousTransferComplete),
            ("14 ALERT", Event::Heartbeat),
            (" 2 PERIODIC\n", Event::Periodic),
        ] {
            assert_eq!(EventCode::parse(text), EventCode::Standard(event), "{text:?}");
        }
    }

    #[test]
    fn unknown_codes_are_kept_cwmp_181() {
        for text in ["X 0012AB Alarm", "M X_ACME_Flash", "15 LATER", "M", "m reboot", "", "BOOT", "01 BOOT"] {
            let code = EventCode::parse(text);
            assert_eq!((code.as_str(), code.standard()), (text, None));
        }
    }

    #[test]
    fn multiple_events_are_those_of_methods_cwmp_184() {
        for event in Event::ALL {
            assert_eq!(event.facts().multiple, event.facts().code.starts_with("M "), "{event:?}");
        }
        assert_eq!(Event::MUpload.facts().delivered_by, Delivery::TransferCompleteResponse);
        assert_eq!(Event::Bootstrap.facts().undelivered, Undelivered::KeptAlone);
    }
}
