//! What an Inform says, in the form that planning and ingest share.

use std::net::IpAddr;

use acs_types::{AuthLevel, InformRecord, Presence, SessionId, SessionStamp, SummaryPatch, Tenant};
use cwmp_model::{DeviceIdentity, Event, EventCode, ParameterPath, ParameterValue, Root, Timestamp};

use crate::evidence::Arrival;
use crate::news::SummaryNews;

/// An Inform and its session.
#[derive(Debug, Clone, PartialEq)]
pub struct InformFacts<'a> {
    /// Its session.
    pub session: SessionId,
    /// That session's stamp.
    pub stamp: SessionStamp,
    /// Whose device.
    pub tenant: &'a Tenant,
    /// When it came.
    pub at: Timestamp,
    /// How the device names itself.
    pub identity: &'a DeviceIdentity,
    /// Event code and CommandKey of each entry.
    pub events: Vec<(&'a str, &'a str)>,
    /// ParameterList.
    pub parameters: &'a [ParameterValue],
    /// `1.0` … `1.4`.
    pub cwmp_version: &'a str,
    /// Source address.
    pub remote: Option<IpAddr>,
    /// How the device proved who it is.
    pub auth: AuthLevel,
}

impl<'a> InformFacts<'a> {
    /// From a record of the event log.
    pub fn of_record(
        record: &'a InformRecord,
        session: SessionId,
        stamp: SessionStamp,
        tenant: &'a Tenant,
        at: Timestamp,
    ) -> Self {
        Self {
            session,
            stamp,
            tenant,
            at,
            identity: &record.identity,
            events: record.events.iter().map(|e| (&*e.code, &*e.command_key)).collect(),
            parameters: &record.parameters,
            cwmp_version: &record.cwmp_version,
            remote: record.remote,
            auth: record.auth,
        }
    }

    /// Whether it has this event.
    pub fn has(&self, event: Event) -> bool {
        self.events.iter().any(|(code, _)| EventCode::parse(code).standard() == Some(event))
    }

    /// The root object it tells (CWMP-371).
    pub fn root(&self) -> Option<ParameterPath> {
        let root = Root::from_inform(self.parameters.iter().map(|p| &p.name))?;
        ParameterPath::from_device(root.as_str()).ok()
    }

    /// The values that the summary shows.
    pub fn summary_values(&self) -> SummaryNews {
        let mut news = SummaryNews::default();
        for parameter in self.parameters {
            news.value(parameter);
        }
        news
    }

    /// The ParameterKey it reports.
    pub fn parameter_key(&self) -> Option<String> {
        self.summary_values().parameter_key
    }

    /// What it says of the device's summary.
    pub fn summary_patch(&self) -> SummaryPatch {
        let news = self.summary_values();
        SummaryPatch {
            stamp: self.stamp,
            identity: Some(self.identity.clone()),
            tenant: Some(self.tenant.clone()),
            subscriber_id: None,
            root: self.root(),
            software_version: news.software_version,
            hardware_version: news.hardware_version,
            provisioning_code: news.provisioning_code,
            connection_request_url: news.connection_request_url,
            parameter_key: news.parameter_key,
            presence: Some(Presence {
                at: self.at,
                session: self.session,
                events: self.events.iter().map(|(code, _)| (*code).to_owned()).collect(),
                cwmp_version: self.cwmp_version.to_owned(),
                remote: self.remote,
                auth: self.auth,
                boot: self.has(Event::Boot),
                bootstrap: self.has(Event::Bootstrap),
            }),
            discovered_at: None,
        }
    }

    /// What of it is evidence for tasks; `current`: see [`Arrival::current`].
    pub fn arrival(&self, current: bool) -> Arrival {
        let is_reboot = |code: &str| EventCode::parse(code).standard() == Some(Event::MReboot);
        Arrival {
            session: self.session,
            at: self.at,
            parameter_key: self.parameter_key(),
            bootstrap: self.has(Event::Bootstrap),
            reboot_keys: self.events.iter().filter(|(c, _)| is_reboot(c)).map(|(_, key)| (*key).to_owned()).collect(),
            current,
        }
    }

    /// Whether it has an event that may oblige us or be evidence, beyond saying that the device is there.
    pub fn obliges(&self) -> bool {
        self.events.iter().any(|(code, _)| {
            !matches!(
                EventCode::parse(code).standard(),
                Some(
                    Event::Periodic
                        | Event::Scheduled
                        | Event::ValueChange
                        | Event::ConnectionRequest
                        | Event::Wakeup
                        | Event::Heartbeat
                )
            )
        })
    }
}
