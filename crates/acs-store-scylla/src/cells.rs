//! The cells of a summary. Of two values with one timestamp CQL keeps the greater by its bytes, so composite values are
//! written so that their bytes stand in the order of the values; then every backend decides alike. For ever.

use std::net::IpAddr;

use acs_store::{Error, Result};
use acs_types::{AuthLevel, Presence, SessionId, SessionStamp};
use cwmp_model::{DeviceIdentity, Timestamp};

/// The first byte of a composite cell.
const V1: u8 = 1;
/// Ends a text; a zero byte within one is followed by [`ZERO`], which is greater.
const END: [u8; 2] = [0, 1];
const ZERO: [u8; 2] = [0, 0xFF];

pub(crate) fn identity_to_cell(identity: &DeviceIdentity) -> Vec<u8> {
    let mut cell = vec![V1];
    for text in [&identity.manufacturer, &identity.oui, &identity.product_class, &identity.serial_number] {
        push_text(&mut cell, text);
    }
    cell
}

pub(crate) fn identity_from_cell(cell: &[u8]) -> Result<DeviceIdentity> {
    let read = || {
        let mut cell = Reader::new(cell)?;
        Some(DeviceIdentity {
            manufacturer: cell.text()?,
            oui: cell.text()?,
            product_class: cell.text()?,
            serial_number: cell.text()?,
        })
    };
    read().ok_or_else(|| Error::Corrupt("the identity of a device cannot be read".into()))
}

/// A presence without its marks of boot and bootstrap, which are cells of their own; and the stamp it was written with.
pub(crate) fn presence_to_cell(presence: &Presence, stamp: SessionStamp) -> Vec<u8> {
    let mut cell = vec![V1];
    push_number(&mut cell, presence.at.as_micros());
    cell.extend_from_slice(presence.session.as_bytes());
    for event in &presence.events {
        cell.push(1);
        push_text(&mut cell, event);
    }
    cell.push(0);
    push_text(&mut cell, &presence.cwmp_version);
    match presence.remote {
        None => cell.push(0),
        Some(IpAddr::V4(address)) => {
            cell.push(4);
            cell.extend_from_slice(&address.octets());
        }
        Some(IpAddr::V6(address)) => {
            cell.push(6);
            cell.extend_from_slice(&address.octets());
        }
    }
    cell.push(auth_number(presence.auth));
    push_number(&mut cell, stamp.as_micros());
    cell
}

pub(crate) fn presence_from_cell(cell: &[u8]) -> Result<(Presence, SessionStamp)> {
    let read = || {
        let mut cell = Reader::new(cell)?;
        let at = Timestamp::from_micros(cell.number()?);
        let session = SessionId::from_bytes(cell.array()?);
        let mut events = Vec::new();
        while cell.byte()? == 1 {
            events.push(cell.text()?);
        }
        let cwmp_version = cell.text()?;
        let remote = match cell.byte()? {
            4 => Some(IpAddr::from(cell.array::<4>()?)),
            6 => Some(IpAddr::from(cell.array::<16>()?)),
            _ => None,
        };
        let number = cell.byte()?;
        let auth = AuthLevel::ALL.into_iter().find(|level| auth_number(*level) == number)?;
        let presence = Presence { at, session, events, cwmp_version, remote, auth, boot: false, bootstrap: false };
        Some((presence, SessionStamp::from_micros(cell.number()?)))
    };
    read().ok_or_else(|| Error::Corrupt("the last Inform of a device cannot be read".into()))
}

const fn auth_number(level: AuthLevel) -> u8 {
    match level {
        AuthLevel::Open => 1,
        AuthLevel::Shared => 2,
        AuthLevel::Device => 3,
        AuthLevel::Certificate => 4,
    }
}

fn push_text(cell: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            0 => cell.extend_from_slice(&ZERO),
            byte => cell.push(byte),
        }
    }
    cell.extend_from_slice(&END);
}

/// Big-endian with its sign turned, so that negative numbers come first.
fn push_number(cell: &mut Vec<u8>, number: i64) {
    cell.extend_from_slice(&(number ^ i64::MIN).to_be_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn new(cell: &'a [u8]) -> Option<Self> {
        match cell {
            [V1, rest @ ..] => Some(Self(rest)),
            _ => None,
        }
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Option<i64> {
        self.array().map(|bytes| i64::from_be_bytes(bytes) ^ i64::MIN)
    }

    fn text(&mut self) -> Option<String> {
        let mut text = Vec::new();
        loop {
            match self.byte()? {
                0 if self.byte()? == END[1] => return String::from_utf8(text).ok(),
                byte => text.push(byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use acs_store::contract::sample;
    use data_encoding::HEXLOWER;

    use super::*;

    fn presences() -> Vec<Presence> {
        let base = sample::presence(10);
        let mut all = vec![base.clone()];
        for at in [i64::MIN, -1, 11, i64::MAX] {
            all.push(Presence { at: sample::at(at), ..base.clone() });
        }
        for events in [
            vec![],
            vec!["2".to_owned()],
            vec!["2 PERIODIC\0".to_owned()],
            vec!["2 PERIODIC".to_owned(), String::new()],
        ] {
            all.push(Presence { events, ..base.clone() });
        }
        for remote in [None, Some([192, 0, 2, 2].into()), Some([0_u16; 8].into())] {
            all.push(Presence { remote, ..base.clone() });
        }
        all.extend(AuthLevel::ALL.map(|auth| Presence { auth, ..base.clone() }));
        all
    }

    #[test]
    fn cells_are_read_back() {
        for presence in presences() {
            let (read, stamp) = presence_from_cell(&presence_to_cell(&presence, sample::stamp(-7))).unwrap();
            assert_eq!((read, stamp), (presence, sample::stamp(-7)));
        }
        for text in ["", "\0", "a\0b", "ä"] {
            let identity = DeviceIdentity { manufacturer: text.into(), ..sample::identity(1) };
            assert_eq!(identity_from_cell(&identity_to_cell(&identity)).unwrap(), identity);
        }
    }

    #[test]
    fn p9_bytes_stand_in_the_order_of_the_values() {
        let order = |p: &Presence| (p.at, p.session, p.events.clone(), p.cwmp_version.clone(), p.remote, p.auth);
        let cell = |p: &Presence| presence_to_cell(p, sample::stamp(1));
        for a in &presences() {
            for b in &presences() {
                assert_eq!(cell(a).cmp(&cell(b)), order(a).cmp(&order(b)), "{a:?} {b:?}");
            }
        }
        let identities = ["", "\0", "\0\0", "\u{1}", "a", "a\0", "ab", "b"]
            .map(|text| DeviceIdentity { manufacturer: text.into(), ..sample::identity(1) });
        for pair in identities.windows(2) {
            assert!(identity_to_cell(&pair[0]) < identity_to_cell(&pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn damaged_cells_are_errors() {
        let cell = presence_to_cell(&sample::presence(10), sample::stamp(1));
        for cut in 0..cell.len() {
            assert!(matches!(presence_from_cell(&cell[..cut]), Err(Error::Corrupt(_))), "{cut}");
        }
        assert!(matches!(identity_from_cell(&[2, 0, 1]), Err(Error::Corrupt(_))), "another version");
    }

    #[test]
    fn cells_are_the_same_for_ever() {
        let identity = HEXLOWER.encode(&identity_to_cell(&sample::identity(1)));
        let presence = HEXLOWER.encode(&presence_to_cell(&sample::presence(10), sample::stamp(10)));
        expect_test::expect![[r#"
            0141636d650001303041414242000149474400013030303030310001
            01800000000000000a0000000000000000000000000000000a013220504552494f444943000100312e30000104c000020103800000000000000a
        "#]].assert_eq(&format!("{identity}\n{presence}\n"));
    }
}
