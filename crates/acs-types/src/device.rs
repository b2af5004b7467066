use std::fmt;
use std::net::IpAddr;

use cwmp_model::{DeviceIdentity, ParameterPath, Timestamp, Value};

use crate::{AuthLevel, DeviceId, ModelKey, SessionId, SessionStamp, Task, Tenant};

/// What is known of a device without its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceSummary {
    /// Its id.
    pub id: DeviceId,
    /// Whose.
    pub tenant: Tenant,
    /// The subscriber it is assigned to; empty: none.
    pub subscriber_id: String,
    /// How it names itself.
    pub identity: DeviceIdentity,
    /// The root object of its data model: `InternetGatewayDevice.` or `Device.`; empty: not known yet.
    pub root: ParameterPath,
    /// DeviceInfo.SoftwareVersion.
    pub software_version: String,
    /// DeviceInfo.HardwareVersion.
    pub hardware_version: String,
    /// DeviceInfo.ProvisioningCode.
    pub provisioning_code: String,
    /// ManagementServer.ConnectionRequestURL.
    pub connection_request_url: String,
    /// The ParameterKey it last reported.
    pub parameter_key: String,
    /// `1.0` … `1.4`.
    pub cwmp_version: String,
    /// Where its last session came from.
    pub remote: Option<IpAddr>,
    /// How it proved who it is in its last session.
    pub auth: AuthLevel,
    /// First Inform.
    pub first_seen: Timestamp,
    /// Last Inform.
    pub last_inform: Timestamp,
    /// Event codes of the last Inform.
    pub last_events: Vec<String>,
    /// Last `1 BOOT`.
    pub last_boot: Option<Timestamp>,
    /// Last `0 BOOTSTRAP`.
    pub last_bootstrap: Option<Timestamp>,
    /// Its last session.
    pub last_session: SessionId,
    /// That session's stamp.
    pub last_stamp: SessionStamp,
    /// When the whole tree was last read.
    pub discovered_at: Option<Timestamp>,
}

impl DeviceSummary {
    /// The model it belongs to.
    pub fn model(&self) -> ModelKey {
        ModelKey {
            manufacturer: self.identity.manufacturer.clone(),
            oui: self.identity.oui.clone(),
            product_class: self.identity.product_class.clone(),
            software_version: self.software_version.clone(),
        }
    }
}

/// News about a device; `None` leaves a field as it is. Of two patches the one with the larger stamp wins, field by field.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SummaryPatch {
    /// The session it comes from.
    pub stamp: SessionStamp,
    /// For a device not stored yet: its identity. A patch without it never creates a device.
    pub identity: Option<DeviceIdentity>,
    /// See [`DeviceSummary::tenant`].
    pub tenant: Option<Tenant>,
    /// See [`DeviceSummary::subscriber_id`].
    pub subscriber_id: Option<String>,
    /// See [`DeviceSummary::root`].
    pub root: Option<ParameterPath>,
    /// See [`DeviceSummary::software_version`].
    pub software_version: Option<String>,
    /// See [`DeviceSummary::hardware_version`].
    pub hardware_version: Option<String>,
    /// See [`DeviceSummary::provisioning_code`].
    pub provisioning_code: Option<String>,
    /// See [`DeviceSummary::connection_request_url`].
    pub connection_request_url: Option<String>,
    /// See [`DeviceSummary::parameter_key`].
    pub parameter_key: Option<String>,
    /// The last Inform: all of it or nothing.
    pub presence: Option<Presence>,
    /// See [`DeviceSummary::discovered_at`].
    pub discovered_at: Option<Timestamp>,
}

/// What an Inform says about where a device is.
#[derive(Debug, Clone, PartialEq)]
pub struct Presence {
    /// When it came.
    pub at: Timestamp,
    /// Its session.
    pub session: SessionId,
    /// Its event codes.
    pub events: Vec<String>,
    /// `1.0` … `1.4`.
    pub cwmp_version: String,
    /// Source address.
    pub remote: Option<IpAddr>,
    /// How the device proved who it is.
    pub auth: AuthLevel,
    /// It had `1 BOOT`.
    pub boot: bool,
    /// It had `0 BOOTSTRAP`.
    pub bootstrap: bool,
}

/// The session that may write: a newer one takes it over at once (`design.md` §5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The session.
    pub session: SessionId,
    /// Its stamp.
    pub stamp: SessionStamp,
}

/// All that `Begin` needs of a device, read at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Partition {
    /// `None`: the device is not known.
    pub summary: Option<DeviceSummary>,
    /// Who may write.
    pub holder: Option<Holder>,
    /// The tasks that are not final, by priority and creation.
    pub tasks: Vec<Task>,
}

/// One object instance of a device's tree with its parameters: the unit of storage.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectRecord {
    /// Its path, ending in `.`.
    pub path: ParameterPath,
    /// Writable as GetParameterNames said; `None`: not told.
    pub writable: Option<bool>,
    /// When its names were last read; `None`: only values were.
    pub named_at: Option<Timestamp>,
    /// Its parameters by leaf name.
    pub parameters: Vec<ParameterRecord>,
}

/// One parameter of an object.
#[derive(Clone, PartialEq)]
pub struct ParameterRecord {
    /// The leaf name.
    pub name: String,
    /// Writable as GetParameterNames said; `None`: not told.
    pub writable: Option<bool>,
    /// Its value; `None`: only the name is known. Of a secret one the text is sealed at rest and shown to nobody.
    pub value: Option<Value>,
    /// When the value was read.
    pub value_at: Timestamp,
    /// Whether the value is a secret (CWMP-533).
    pub secret: bool,
}

/// Without the text of a secret (P26).
impl fmt::Debug for ParameterRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.value.as_ref().filter(|_| self.secret).map(|value| Value::new(value.kind, "(hidden)"));
        f.debug_struct("ParameterRecord")
            .field("name", &self.name)
            .field("writable", &self.writable)
            .field("value", &hidden.as_ref().or(self.value.as_ref()))
            .field("value_at", &self.value_at)
            .field("secret", &self.secret)
            .finish()
    }
}

/// An Inform that was refused: listed, bounded (P24).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedInform {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub remote: Option<IpAddr>,
    /// Who it said it was.
    pub identity: DeviceIdentity,
    /// The user name it sent; empty: none.
    pub username: String,
    /// Why.
    pub reason: RefusedReason,
}

/// Why an Inform was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusedReason {
    /// No such user.
    UnknownUser,
    /// The password is wrong.
    WrongPassword,
    /// The credential belongs to another device (CWMP-058).
    OtherDevice,
    /// Basic over plain HTTP (CWMP-043).
    BasicWithoutTls,
    /// Too many failures from there (CWMP-062).
    RateLimited,
}

impl RefusedReason {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::UnknownUser, Self::WrongPassword, Self::OtherDevice, Self::BasicWithoutTls, Self::RateLimited];

    /// The name in records, metrics and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::OtherDevice => "other_device",
            Self::BasicWithoutTls => "basic_without_tls",
            Self::RateLimited => "rate_limited",
        }
    }

    /// From the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_secret_is_not_in_its_debug_text_p26() {
        let parameter = |secret| ParameterRecord {
            name: "ConnectionRequestPassword".into(),
            writable: None,
            value: Some(Value::string("canary-secret")),
            value_at: Timestamp::default(),
            secret,
        };
        let shown = format!("{:?}", parameter(true));
        assert!(shown.contains("ConnectionRequestPassword") && !shown.contains("canary-secret"), "P26: {shown}");
        assert!(format!("{:?}", parameter(false)).contains("canary-secret"), "others are shown");
    }
}
