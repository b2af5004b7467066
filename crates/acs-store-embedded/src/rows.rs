//! The stored form of the few rows that are no record of `acs-proto`.

use acs_proto::records::{Record, SecretSeal};
use acs_store::rules::SummaryRow;
use acs_store::{Error, Result};
use acs_types::{DeviceId, DeviceSummary, SessionStamp};

use crate::decode;
use crate::keys::Key;

/// The first byte of a summary row.
const SUMMARY_V1: u8 = 1;
/// The bit of the identity's stamp: the device is known.
const KNOWN: u16 = 1;

/// A summary with its stamps: version; which stamps there are, one bit each; the largest of them; for each how much it is
/// smaller, as a varint (mostly 0, so a byte); then the `DeviceSummary`.
pub(crate) fn summary_to_bytes(row: &SummaryRow, seal: &dyn SecretSeal) -> Vec<u8> {
    let (summary, stamps) = row.parts();
    let record = summary.to_bytes(seal);
    let mut bytes = Vec::with_capacity(16 + 2 * stamps.len() + record.len());
    bytes.push(SUMMARY_V1);
    let bits = stamps.iter().enumerate().fold(0_u16, |bits, (i, stamp)| bits | u16::from(stamp.is_some()) << i);
    bytes.extend_from_slice(&bits.to_be_bytes());
    let largest = stamps.iter().flatten().max().map_or(0, |stamp| stamp.as_micros());
    bytes.extend_from_slice(&largest.to_be_bytes());
    for stamp in stamps.iter().flatten() {
        prost::encoding::encode_varint(largest.wrapping_sub(stamp.as_micros()) as u64, &mut bytes);
    }
    bytes.extend_from_slice(&record);
    bytes
}

/// Whether the device of a stored summary row is known.
pub(crate) fn is_known(bytes: &[u8]) -> bool {
    matches!(bytes, [SUMMARY_V1, high, low, ..] if u16::from_be_bytes([*high, *low]) & KNOWN != 0)
}

/// From [`summary_to_bytes`].
pub(crate) fn summary_from_bytes(bytes: &[u8], seal: &dyn SecretSeal) -> Result<SummaryRow> {
    let (stamps, record) = stamps(bytes).ok_or_else(|| Error::Corrupt("a summary row has no valid stamps".into()))?;
    Ok(SummaryRow::from_parts(decode(record, seal)?, stamps))
}

/// The summary alone, if the device is known.
pub(crate) fn known_summary(bytes: &[u8], seal: &dyn SecretSeal) -> Result<Option<DeviceSummary>> {
    if !is_known(bytes) {
        return Ok(None);
    }
    Ok(summary_from_bytes(bytes, seal)?.into_known())
}

type Stamps = [Option<SessionStamp>; SummaryRow::STAMPS];

fn stamps(bytes: &[u8]) -> Option<(Stamps, &[u8])> {
    let (head, mut rest) = bytes.split_at_checked(11)?;
    if head[0] != SUMMARY_V1 {
        return None;
    }
    let bits = u16::from_be_bytes(head[1..3].try_into().ok()?);
    let largest = i64::from_be_bytes(head[3..].try_into().ok()?);
    let mut stamps = [None; SummaryRow::STAMPS];
    for (i, stamp) in stamps.iter_mut().enumerate() {
        if bits & (1 << i) != 0 {
            let less = prost::encoding::decode_varint(&mut rest).ok()?;
            *stamp = Some(SessionStamp::from_micros(largest.wrapping_sub(less as i64)));
        }
    }
    Some((stamps, rest))
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskPlace {
    pub(crate) is_final: bool,
    pub(crate) created_at: i64,
    pub(crate) device: DeviceId,
}

impl TaskPlace {
    /// Final or not (1, 0), creation, device.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.is_final)];
        bytes.extend_from_slice(&self.created_at.to_be_bytes());
        bytes.extend_from_slice(self.device.as_str().as_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let parse = || {
            let (head, device) = bytes.split_at_checked(9)?;
            let created_at = i64::from_be_bytes(head[1..].try_into().ok()?);
            Some(Self { is_final: head[0] == 1, created_at, device: device_id(device)? })
        };
        parse().ok_or_else(|| Error::Corrupt("the place of a task cannot be read".into()))
    }
}

/// Where a session stands: its stamp and its device.
pub(crate) fn session_place(stamp: SessionStamp, device: &DeviceId) -> Vec<u8> {
    let mut bytes = stamp.as_micros().to_be_bytes().to_vec();
    bytes.extend_from_slice(device.as_str().as_bytes());
    bytes
}

/// From [`session_place`].
pub(crate) fn session_place_from(bytes: &[u8]) -> Result<(SessionStamp, DeviceId)> {
    let parse = || {
        let (stamp, device) = bytes.split_at_checked(8)?;
        Some((SessionStamp::from_micros(i64::from_be_bytes(stamp.try_into().ok()?)), device_id(device)?))
    };
    parse().ok_or_else(|| Error::Corrupt("the place of a session cannot be read".into()))
}

/// A number as a row of its own.
pub(crate) fn number(bytes: &[u8]) -> Result<u64> {
    let bytes = bytes.try_into().map_err(|_| Error::Corrupt("a number row does not have 8 bytes".into()))?;
    Ok(u64::from_be_bytes(bytes))
}

pub(crate) fn device_id(bytes: &[u8]) -> Option<DeviceId> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// The rest of a key after a prefix, as the place of a page: hexadecimal.
pub(crate) fn place_text(key: &[u8], prefix: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&key[prefix.len().min(key.len())..])
}

/// The key a page goes on after.
pub(crate) fn place_key(text: &str, prefix: &[u8]) -> Result<Key> {
    const BYTES_MAX: usize = 1024;
    let bad =
        || Error::Invalid(format!("`{}` is no place in this list; use the `next` of a page", text.escape_default()));
    if text.len() > BYTES_MAX {
        return Err(Error::Invalid("the place in the list is too long; use the `next` of a page".into()));
    }
    let rest = data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(|_| bad())?;
    let mut key: Key = prefix.to_vec();
    key.extend_from_slice(&rest);
    Ok(key)
}

#[cfg(test)]
mod tests {
    use acs_proto::records::Unsealed;
    use acs_store::contract::sample::{device, first_patch, stamp};
    use acs_types::SummaryPatch;

    use super::*;

    #[test]
    fn a_summary_row_is_read_back() {
        let mut row = SummaryRow::new(device(1));
        assert!(!is_known(&summary_to_bytes(&row, &Unsealed)));
        row.apply(&SummaryPatch {
            stamp: SessionStamp::from_micros(i64::MIN),
            software_version: Some("1".into()),
            ..Default::default()
        });
        row.apply(&SummaryPatch { stamp: stamp(i64::MAX), parameter_key: Some("k".into()), ..Default::default() });
        row.apply(&first_patch(1, 10));
        let bytes = summary_to_bytes(&row, &Unsealed);
        assert!(is_known(&bytes));
        assert_eq!(summary_from_bytes(&bytes, &Unsealed).unwrap(), row);
        for cut in 0..bytes.len() {
            // A cut record may still be a valid shorter one; what matters is that nothing panics.
            let _ = summary_from_bytes(&bytes[..cut], &Unsealed);
        }
        assert!(matches!(summary_from_bytes(&[9; 40], &Unsealed), Err(Error::Corrupt(_))), "another version");
    }

    #[test]
    fn places_are_read_back() {
        let place = TaskPlace { is_final: true, created_at: -7, device: device(1) };
        assert_eq!(TaskPlace::from_bytes(&place.to_bytes()).unwrap(), place);
        assert!(matches!(TaskPlace::from_bytes(b"short"), Err(Error::Corrupt(_))));
        let session = session_place(stamp(-3), &device(2));
        assert_eq!(session_place_from(&session).unwrap(), (stamp(-3), device(2)));
        assert_eq!(place_key(&place_text(b"prefix-rest", b"prefix"), b"prefix").unwrap(), b"prefix-rest");
        assert!(matches!(place_key(&"00".repeat(513), b""), Err(Error::Invalid(_))));
        assert!(place_key(&"00".repeat(512), b"").is_ok());
    }
}
