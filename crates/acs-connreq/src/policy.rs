use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::IpNet;

/// Where connection requests may go (P25, CWMP-420). `Default` is safe: nothing that is special by standard, no
/// loopback, no cloud metadata, port 80 and 1024 and up. Private networks (RFC 1918, RFC 6598, ULA) are allowed, because
/// carriers manage devices there: name those that are yours in `own_networks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Networks of the operator: servers, pods, services, management. Nothing lifts this.
    pub own_networks: Vec<IpNet>,
    /// If not empty: only these networks, and of them what the rest of the policy allows.
    pub only: Vec<IpNet>,
    /// Only these ports.
    pub ports: Vec<RangeInclusive<u16>>,
    /// Allows loopback, `localhost` and this host's own addresses: for `lastmile dev` and simulated CPEs.
    pub allow_loopback: bool,
}

/// Which rule forbids a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denied {
    /// This machine.
    Loopback,
    /// 0.0.0.0/8 and `::`.
    Unspecified,
    /// 169.254.0.0/16, fe80::/10, fec0::/10.
    LinkLocal,
    /// 224.0.0.0/4, ff00::/8.
    Multicast,
    /// Networks for texts.
    Documentation,
    /// Reserved and broadcast addresses, tunnels.
    Reserved,
    /// Where clouds keep the credentials of a machine.
    Metadata,
    /// [`Policy::own_networks`], and addresses of this host.
    OwnNetwork,
    /// Not in [`Policy::only`].
    NotListed,
    /// Not in [`Policy::ports`].
    Port,
    /// A name without a dot, or one that only inner resolvers know.
    InnerName,
}

impl Denied {
    /// The name in logs, metrics and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Unspecified => "unspecified",
            Self::LinkLocal => "link_local",
            Self::Multicast => "multicast",
            Self::Documentation => "documentation",
            Self::Reserved => "reserved",
            Self::Metadata => "metadata",
            Self::OwnNetwork => "own_network",
            Self::NotListed => "not_listed",
            Self::Port => "port",
            Self::InnerName => "inner_name",
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Ends of names that lead inside: RFC 6762 and 8375, ICANN's private-use `internal`, Kubernetes services.
const INNER_SUFFIXES: [&str; 5] = ["local", "localdomain", "internal", "svc", "home.arpa"];

impl Default for Policy {
    fn default() -> Self {
        Self { own_networks: Vec::new(), only: Vec::new(), ports: vec![80..=80, 1024..=65535], allow_loopback: false }
    }
}

impl Policy {
    /// Whether this port may be dialled.
    pub fn check_port(&self, port: u16) -> Result<(), Denied> {
        if self.ports.iter().any(|range| range.contains(&port)) { Ok(()) } else { Err(Denied::Port) }
    }

    /// Whether this name (lower case, no dot at the end) may be resolved. Its addresses are checked after that as well.
    pub fn check_name(&self, name: &str) -> Result<(), Denied> {
        let is_or_ends =
            |suffix: &str| name.strip_suffix(suffix).is_some_and(|before| before.is_empty() || before.ends_with('.'));
        if is_or_ends("localhost") {
            return if self.allow_loopback { Ok(()) } else { Err(Denied::Loopback) };
        }
        if !name.contains('.') || INNER_SUFFIXES.into_iter().any(is_or_ends) {
            return Err(Denied::InnerName);
        }
        Ok(())
    }

    /// Whether this address may be dialled. An IPv6 form that carries an IPv4 address is judged by both.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Denied> {
        let address = address.to_canonical();
        let inner = match address {
            IpAddr::V6(v6) => embedded_v4(v6).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        for each in std::iter::once(address).chain(inner) {
            if self.own_networks.iter().any(|net| net.contains(&each)) {
                return Err(Denied::OwnNetwork);
            }
            match special(each) {
                Some(Denied::Loopback) if self.allow_loopback => {}
                Some(denied) => return Err(denied),
                None => {}
            }
        }
        if !self.only.is_empty() && !self.only.iter().any(|net| net.contains(&address)) {
            return Err(Denied::NotListed);
        }
        Ok(())
    }
}

/// What an address is special for, by the IANA special-purpose registries and the clouds' manuals.
fn special(address: IpAddr) -> Option<Denied> {
    match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Denied> {
    Some(match address.octets() {
        // AWS, Azure, Google, OpenStack and others; Alibaba; Azure's host; Oracle.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => Denied::Metadata,
        [0, ..] => Denied::Unspecified,
        [127, ..] => Denied::Loopback,
        [169, 254, ..] => Denied::LinkLocal,
        [224..=239, ..] => Denied::Multicast,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Denied::Documentation,
        [240..=255, ..] | [192, 0, 0, _] | [192, 88, 99, _] => Denied::Reserved,
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<Denied> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Denied::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Denied::Loopback,
        // AWS; Google.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254] => Denied::Metadata,
        [0xfe80..=0xfeff, ..] => Denied::LinkLocal,
        [0xff00..=0xffff, ..] => Denied::Multicast,
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Denied::Documentation,
        // Teredo, other protocol assignments, discard-only, local NAT64: nothing a CPE is reached by.
        [0x2001, 0..=0x01ff, ..] | [0x0100, 0, 0, ..] | [0x0064, 0xff9b, 1, ..] => Denied::Reserved,
        _ => return None,
    })
}

/// The IPv4 address inside an IPv6 address: mapped, compatible and translated (`::a.b.c.d`, `::ffff:0:a.b.c.d`), NAT64
/// (RFC 6052), 6to4 (RFC 3056), ISATAP (RFC 5214).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x0064, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..]
        | [_, _, _, _, 0 | 0x0200, 0x5efe, high, low] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(policy: &Policy, address: &str) -> Option<Denied> {
        policy.check_address(address.parse().expect(address)).err()
    }

    // P25
    #[test]
    fn special_addresses_are_denied_in_each_family() {
        let cases = [
            ("127.0.0.1", Denied::Loopback),
            ("127.255.255.254", Denied::Loopback),
            ("::1", Denied::Loopback),
            ("0.0.0.0", Denied::Unspecified),
            ("0.1.2.3", Denied::Unspecified),
            ("::", Denied::Unspecified),
            ("169.254.0.1", Denied::LinkLocal),
            ("fe80::1", Denied::LinkLocal),
            ("fec0::1", Denied::LinkLocal),
            ("224.0.0.1", Denied::Multicast),
            ("ff02::1", Denied::Multicast),
            ("192.0.2.1", Denied::Documentation),
            ("198.51.100.1", Denied::Documentation),
            ("203.0.113.255", Denied::Documentation),
            ("2001:db8::1", Denied::Documentation),
            ("3fff:fff::1", Denied::Documentation),
            ("240.0.0.1", Denied::Reserved),
            ("255.255.255.255", Denied::Reserved),
            ("192.88.99.1", Denied::Reserved),
            ("2001::1", Denied::Reserved),
            ("100::1", Denied::Reserved),
            ("64:ff9b:1::a00:1", Denied::Reserved),
            ("169.254.169.254", Denied::Metadata),
            ("100.100.100.200", Denied::Metadata),
            ("168.63.129.16", Denied::Metadata),
            ("192.0.0.192", Denied::Metadata),
            ("fd00:ec2::254", Denied::Metadata),
            ("fd20:ce::254", Denied::Metadata),
        ];
        for (address, denied) in cases {
            assert_eq!(verdict(&Policy::default(), address), Some(denied), "{address}");
        }
    }

    // P25
    #[test]
    fn an_ipv4_address_is_seen_in_each_ipv6_form() {
        for form in [
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "2002:7f00:1::",
            "2a00::5efe:127.0.0.1",
        ] {
            assert_eq!(verdict(&Policy::default(), form), Some(Denied::Loopback), "{form}");
        }
        for form in ["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"] {
            assert_eq!(verdict(&Policy::default(), form), Some(Denied::Metadata), "{form}");
        }
        let own = Policy { own_networks: vec!["10.0.0.0/8".parse().unwrap()], ..Policy::default() };
        for form in ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "2002:a01:203::9"] {
            assert_eq!(verdict(&own, form), Some(Denied::OwnNetwork), "{form}");
            assert_eq!(verdict(&Policy::default(), form), None, "{form}");
        }
    }

    #[test]
    fn where_cpes_live_is_allowed() {
        for address in
            ["8.8.8.8", "10.0.0.1", "192.168.1.1", "100.64.0.1", "172.16.5.5", "198.18.0.1", "2a00:1450::1", "fd12::1"]
        {
            assert_eq!(verdict(&Policy::default(), address), None, "{address}");
        }
    }

    #[test]
    fn own_networks_beat_everything_and_only_restricts() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let policy = Policy {
            own_networks: vec![net("10.9.0.0/16"), net("127.0.0.2/32")],
            only: vec![net("10.0.0.0/8"), net("127.0.0.0/8"), net("169.254.0.0/16")],
            allow_loopback: true,
            ..Policy::default()
        };
        assert_eq!(verdict(&policy, "10.1.0.1"), None);
        assert_eq!(verdict(&policy, "127.0.0.1"), None);
        assert_eq!(verdict(&policy, "10.9.0.1"), Some(Denied::OwnNetwork));
        assert_eq!(verdict(&policy, "127.0.0.2"), Some(Denied::OwnNetwork));
        assert_eq!(verdict(&policy, "11.0.0.1"), Some(Denied::NotListed));
        assert_eq!(verdict(&policy, "169.254.169.254"), Some(Denied::Metadata), "`only` lifts nothing");
    }

    #[test]
    fn inner_names_are_denied() {
        let policy = Policy::default();
        for name in ["localhost", "a.localhost"] {
            assert_eq!(policy.check_name(name), Err(Denied::Loopback), "{name}");
            assert_eq!(Policy { allow_loopback: true, ..Policy::default() }.check_name(name), Ok(()), "{name}");
        }
        for name in [
            "metadata",
            "metadata.google.internal",
            "redis",
            "api.lastmile.svc.cluster.local",
            "api.lastmile.svc",
            "printer.local",
        ] {
            assert_eq!(policy.check_name(name), Err(Denied::InnerName), "{name}");
        }
        for name in ["cpe.example.net", "notlocalhost.example", "mylocal.example"] {
            assert_eq!(policy.check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn ports_of_other_services_are_denied() {
        let policy = Policy::default();
        for port in [80, 1024, 7547, 58000, 65535] {
            assert_eq!(policy.check_port(port), Ok(()), "{port}");
        }
        for port in [0, 22, 25, 79, 81, 443, 1023] {
            assert_eq!(policy.check_port(port), Err(Denied::Port), "{port}");
        }
    }
}
