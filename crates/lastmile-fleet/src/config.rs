use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use cwmp_model::DeviceIdentity;
use cwmp_session::auth::{Password, UserName};
use sha2::{Digest as _, Sha256};

use crate::Gateway;

/// Devices of one fleet.
pub const DEVICES_MAX: usize = 1_000_000;

/// What a fleet is made of. `..FleetConfig::new(url)` gives the usual rest.
#[derive(Debug, Clone)]
pub struct FleetConfig {
    /// The ACS, `http` or `https`: the factory value of ManagementServer.URL.
    pub acs_url: String,
    /// How many devices: 1 to [`DEVICES_MAX`].
    pub devices: usize,
    /// Which gateways they are.
    pub model: ModelMix,
    /// Serial numbers and everything else that differs from device to device follow from it.
    pub seed: u64,
    /// When the devices come up.
    pub first_contact: FirstContact,
    /// PeriodicInformInterval from the factory in whole seconds; zero turns periodic Informs off.
    pub periodic: Duration,
    /// What the devices know for the ACS: the factory values of ManagementServer.Username and Password.
    pub credentials: DeviceCredentials,
    /// Send Basic credentials before being asked (CWMP-042).
    pub basic_unasked: bool,
    /// Whom to trust on `https`.
    pub trust: Trust,
    /// Whether cookies are kept and returned.
    pub cookies: bool,
    /// How long a TCP connection serves.
    pub connections: ConnectionUse,
    /// Send bodies chunked in place of with a Content-Length.
    pub chunked: bool,
    /// How long a device tries to reach the ACS again when it lost the connection between two messages of a session.
    pub reconnect_within: Duration,
    /// Where connection requests are taken; port 0 is any free one.
    pub listen: SocketAddr,
    /// Take connection requests without authentication as long as the ACS has set no ConnectionRequestUsername; else
    /// refuse them.
    pub open_until_configured: bool,
    /// How long a reboot, a factory reset and a firmware change take.
    pub boot_time: Duration,
    /// What follows a failed session.
    pub retry: RetryRule,
    /// Whether Retry-After of a 503 is honoured in place of the retry rule.
    pub honour_retry_after: bool,
    /// A folder that keeps what the devices became, one file each, so that a restarted fleet is the same devices. The files
    /// hold their passwords.
    pub state: Option<PathBuf>,
    /// The ledger file; new lines are appended.
    pub ledger: Option<PathBuf>,
    /// Ledger lines that are kept in memory; more are only in the file.
    pub ledger_lines_max: usize,
}

impl FleetConfig {
    /// One TR-098 gateway after the other with a TR-181 one, in service at once, with their own Digest or Basic credentials
    /// when asked, periodic every 300 s, on a free port of the loopback address.
    pub fn new(acs_url: impl Into<String>) -> Self {
        Self {
            acs_url: acs_url.into(),
            devices: 1,
            model: ModelMix::Both,
            seed: 1,
            first_contact: FirstContact::Within(Duration::ZERO),
            periodic: Duration::from_secs(300),
            credentials: DeviceCredentials::None,
            basic_unasked: false,
            trust: Trust::Nobody,
            cookies: true,
            connections: ConnectionUse::Session,
            chunked: false,
            reconnect_within: Duration::from_secs(5),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            open_until_configured: true,
            boot_time: Duration::from_secs(2),
            retry: RetryRule::Table,
            honour_retry_after: true,
            state: None,
            ledger: None,
            ledger_lines_max: 1_000_000,
        }
    }

    /// Which gateway the device is.
    pub fn gateway(&self, index: usize) -> Gateway {
        match self.model {
            ModelMix::Tr098 => Gateway::Tr098,
            ModelMix::Tr181 => Gateway::Tr181,
            ModelMix::Ont => Gateway::Ont,
            ModelMix::Both if index.is_multiple_of(2) => Gateway::Tr098,
            ModelMix::Both => Gateway::Tr181,
        }
    }

    /// How the device names itself; known before the fleet starts, so that an ACS can be told.
    pub fn identity(&self, index: usize) -> DeviceIdentity {
        DeviceIdentity {
            manufacturer: "Lastmile".to_owned(),
            oui: "00005E".to_owned(),
            product_class: self.gateway(index).product_class().to_owned(),
            serial_number: format!("S{:04X}N{index:06}", self.seed & 0xFFFF_FFFF),
        }
    }

    /// User name and password of the device for the ACS.
    pub fn login(&self, index: usize) -> Option<(String, Password)> {
        match &self.credentials {
            DeviceCredentials::None => None,
            DeviceCredentials::Shared { username, password } => Some((username.clone(), password.clone())),
            DeviceCredentials::Own { password } => Some((user_name(&self.identity(index)), password.clone())),
            DeviceCredentials::Derived { secret } => {
                let text = format!("{}:{}", secret.expose(), self.identity(index).serial_number);
                Some((user_name(&self.identity(index)), Password::new(digits(&text))))
            }
        }
    }

    /// A number that differs from device to device, for spreading and for the path of its connection-request URL.
    pub(crate) fn device_number(&self, index: usize, what: &str) -> u64 {
        let hash = Sha256::digest(format!("{} {index} {what}", self.seed));
        u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
    }
}

/// Which gateways the devices of a fleet are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelMix {
    /// All TR-098.
    Tr098,
    /// All TR-181.
    Tr181,
    /// All ONTs.
    Ont,
    /// Gateways of TR-098 and TR-181 in turn.
    Both,
}

/// When the devices come up for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstContact {
    /// Spread over this time.
    Within(Duration),
    /// Each with its first trigger.
    Triggered,
}

/// What the devices know for the ACS.
#[derive(Debug, Clone)]
pub enum DeviceCredentials {
    /// Nothing.
    None,
    /// The same for all.
    Shared {
        /// User name.
        username: String,
        /// Password.
        password: Password,
    },
    /// `<OUI>-<ProductClass>-<SerialNumber>` (CWMP-055) and one password.
    Own {
        /// The password.
        password: Password,
    },
    /// The same user names, and 32 hexadecimal digits of SHA-256 over `<secret>:<SerialNumber>`.
    Derived {
        /// The secret.
        secret: Password,
    },
}

/// Whom the devices trust on `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// No `https` at all.
    Nobody,
    /// The roots in this PEM file.
    Roots(PathBuf),
    /// Anybody: only for trying out.
    Anybody,
}

/// How long a TCP connection serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionUse {
    /// One session, as long as the ACS keeps it open.
    Session,
    /// One POST.
    Post,
}

/// What follows a failed session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryRule {
    /// A wait by the table of CWMP-175, with the intervals of the data model.
    Table,
    /// This wait.
    After(Duration),
    /// Nothing until the next event.
    Never,
}

fn user_name(identity: &DeviceIdentity) -> String {
    let name = UserName {
        oui: identity.oui.clone(),
        product_class: identity.product_class.clone(),
        serial_number: identity.serial_number.clone(),
    };
    name.encode()
}

fn digits(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text)[..16])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn devices_differ_and_are_the_same_again_for_the_same_seed() {
        let config = FleetConfig { devices: 100, ..FleetConfig::new("http://acs") };
        let serials: HashSet<String> = (0..100).map(|i| config.identity(i).serial_number).collect();
        assert_eq!(serials.len(), 100);
        assert_eq!(config.identity(7), config.clone().identity(7));
        let other = FleetConfig { seed: 2, ..config.clone() };
        assert!(!serials.contains(&other.identity(7).serial_number));
        assert_ne!(config.device_number(1, "path"), config.device_number(2, "path"));
    }

    #[test]
    fn own_user_names_name_the_device_cwmp_055() {
        let secret = Password::new("s");
        let config =
            FleetConfig { credentials: DeviceCredentials::Derived { secret }, ..FleetConfig::new("http://acs") };
        let (name, password) = config.login(3).unwrap();
        assert!(UserName::parse(&name).unwrap().names(&config.identity(3)));
        assert_ne!(password, config.login(4).unwrap().1);
    }
}
