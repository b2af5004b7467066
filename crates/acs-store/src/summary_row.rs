use acs_types::{AuthLevel, DeviceId, DeviceSummary, Presence, SessionId, SessionStamp, SummaryPatch, Tenant};
use cwmp_model::{DeviceIdentity, ParameterPath, Timestamp};

/// A device's summary with the stamp of each field: what a backend without stamps of its own stores.
///
/// The outcome of a set of patches does not depend on their order: of two values the one with the larger stamp stays, of
/// equal stamps the greater value (a CQL store decides the same by its cell timestamps).
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryRow {
    summary: DeviceSummary,
    stamps: [Option<SessionStamp>; SummaryRow::STAMPS],
}

/// The groups of fields that are written together. Their numbers are stored: never change or reuse one.
#[derive(Debug, Clone, Copy)]
enum Group {
    Identity = 0,
    Tenant = 1,
    SubscriberId = 2,
    Root = 3,
    SoftwareVersion = 4,
    HardwareVersion = 5,
    ProvisioningCode = 6,
    ConnectionRequestUrl = 7,
    ParameterKey = 8,
    Presence = 9,
    Boot = 10,
    Bootstrap = 11,
    DiscoveredAt = 12,
}

impl SummaryRow {
    /// How many stamps a row has.
    pub const STAMPS: usize = 13;

    /// A row on which nothing was written yet.
    pub fn new(device: DeviceId) -> Self {
        let summary = DeviceSummary {
            id: device,
            tenant: Tenant::default(),
            subscriber_id: String::new(),
            identity: DeviceIdentity::default(),
            root: ParameterPath::root(),
            software_version: String::new(),
            hardware_version: String::new(),
            provisioning_code: String::new(),
            connection_request_url: String::new(),
            parameter_key: String::new(),
            cwmp_version: String::new(),
            remote: None,
            auth: AuthLevel::Open,
            first_seen: Timestamp::default(),
            last_inform: Timestamp::default(),
            last_events: Vec::new(),
            last_boot: None,
            last_bootstrap: None,
            last_session: SessionId::from_bytes([0; 16]),
            last_stamp: SessionStamp::default(),
            discovered_at: None,
        };
        Self { summary, stamps: [None; Self::STAMPS] }
    }

    /// From what was stored: see [`SummaryRow::parts`].
    pub fn from_parts(summary: DeviceSummary, stamps: [Option<SessionStamp>; Self::STAMPS]) -> Self {
        Self { summary, stamps }
    }

    /// What is to be stored: the fields (defaults where nothing was written) and the stamp of each group.
    pub fn parts(&self) -> (&DeviceSummary, &[Option<SessionStamp>; Self::STAMPS]) {
        (&self.summary, &self.stamps)
    }

    /// Whether the device is known: some patch had its identity.
    pub fn is_known(&self) -> bool {
        self.stamps[Group::Identity as usize].is_some()
    }

    /// The summary, if the device is known.
    pub fn known(&self) -> Option<&DeviceSummary> {
        self.is_known().then_some(&self.summary)
    }

    /// The summary, if the device is known.
    pub fn into_known(self) -> Option<DeviceSummary> {
        self.is_known().then_some(self.summary)
    }

    /// Writes a patch; whether anything changed.
    pub fn apply(&mut self, patch: &SummaryPatch) -> bool {
        let Self { summary, stamps } = self;
        let mut row = Writer { stamps, stamp: patch.stamp, changed: false };
        row.write(Group::Identity, &mut summary.identity, patch.identity.as_ref());
        row.write(Group::Tenant, &mut summary.tenant, patch.tenant.as_ref());
        row.write(Group::SubscriberId, &mut summary.subscriber_id, patch.subscriber_id.as_ref());
        row.write(Group::Root, &mut summary.root, patch.root.as_ref());
        row.write(Group::SoftwareVersion, &mut summary.software_version, patch.software_version.as_ref());
        row.write(Group::HardwareVersion, &mut summary.hardware_version, patch.hardware_version.as_ref());
        row.write(Group::ProvisioningCode, &mut summary.provisioning_code, patch.provisioning_code.as_ref());
        row.write(
            Group::ConnectionRequestUrl,
            &mut summary.connection_request_url,
            patch.connection_request_url.as_ref(),
        );
        row.write(Group::ParameterKey, &mut summary.parameter_key, patch.parameter_key.as_ref());
        row.write_optional(Group::DiscoveredAt, &mut summary.discovered_at, patch.discovered_at);
        if let Some(presence) = &patch.presence {
            row.write_optional(Group::Boot, &mut summary.last_boot, presence.boot.then_some(presence.at));
            row.write_optional(
                Group::Bootstrap,
                &mut summary.last_bootstrap,
                presence.bootstrap.then_some(presence.at),
            );
            row.write_presence(summary, presence);
        }
        row.changed
    }
}

/// One patch on its way into a row.
struct Writer<'a> {
    stamps: &'a mut [Option<SessionStamp>; SummaryRow::STAMPS],
    stamp: SessionStamp,
    changed: bool,
}

impl Writer<'_> {
    /// Whether this patch writes the group; `greater`: whether its value is greater than the one stored.
    fn wins(&mut self, group: Group, greater: impl FnOnce() -> bool) -> bool {
        let stored = &mut self.stamps[group as usize];
        let wins = match *stored {
            None => true,
            Some(stamp) => self.stamp > stamp || (self.stamp == stamp && greater()),
        };
        if wins {
            *stored = Some(self.stamp);
            self.changed = true;
        }
        wins
    }

    fn write<T: Ord + Clone>(&mut self, group: Group, field: &mut T, new: Option<&T>) {
        let Some(new) = new else { return };
        if self.wins(group, || new > &*field) {
            field.clone_from(new);
        }
    }

    fn write_optional(&mut self, group: Group, field: &mut Option<Timestamp>, new: Option<Timestamp>) {
        if new.is_some() && self.wins(group, || new > *field) {
            *field = new;
        }
    }

    fn write_presence(&mut self, summary: &mut DeviceSummary, new: &Presence) {
        let first = self.stamps[Group::Presence as usize].is_none();
        if first || new.at < summary.first_seen {
            summary.first_seen = new.at;
            self.changed = true;
        }
        let greater = {
            let old = (
                summary.last_inform,
                summary.last_session,
                &summary.last_events,
                &summary.cwmp_version,
                summary.remote,
                summary.auth,
            );
            let new = (new.at, new.session, &new.events, &new.cwmp_version, new.remote, new.auth);
            move || new > old
        };
        if !self.wins(Group::Presence, greater) {
            return;
        }
        summary.last_inform = new.at;
        summary.last_session = new.session;
        summary.last_stamp = self.stamp;
        summary.last_events.clone_from(&new.events);
        summary.cwmp_version.clone_from(&new.cwmp_version);
        summary.remote = new.remote;
        summary.auth = new.auth;
    }
}
