use std::fmt;
use std::time::Duration;

use cwmp_model::Timestamp;
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How long a nonce serves.
pub const NONCE_LIFE: Duration = Duration::from_secs(60);

/// How far the clock of the front-end that made a nonce may be ahead (CWMP-537).
const AHEAD_MAX: Duration = Duration::from_secs(600);
const TIME_BYTES: usize = 4;
const RANDOM_BYTES: usize = 8;
const MAC_BYTES: usize = 12;
const SIGNED_BYTES: usize = TIME_BYTES + RANDOM_BYTES;
const NONCE_BYTES: usize = SIGNED_BYTES + MAC_BYTES;

/// A key that signs nonces, shared by all front-ends (CWMP-048). `Debug` does not show it.
#[derive(Clone)]
pub struct NonceKey([u8; 32]);

/// What a nonce turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonce {
    /// One of ours, in its life.
    Fresh(CheckedNonce),
    /// One of ours, too old: answer with `stale=true` (CWMP-052).
    Stale,
    /// Not one of ours.
    Forged,
}

/// A nonce with a valid signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckedNonce {
    /// What makes it unlike others; its time comes first.
    pub(super) signed: [u8; SIGNED_BYTES],
}

impl NonceKey {
    /// Wraps 32 random bytes.
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// A nonce: base64url of 4 bytes time, 8 bytes `random`, 12 bytes of an HMAC-SHA256 over both; 32 characters, because
    /// longer ones overflow in some devices.
    pub fn issue(&self, now: Timestamp, random: [u8; RANDOM_BYTES]) -> String {
        let mut nonce = [0; NONCE_BYTES];
        nonce[..TIME_BYTES].copy_from_slice(&seconds(now).to_be_bytes());
        nonce[TIME_BYTES..SIGNED_BYTES].copy_from_slice(&random);
        let mac = self.mac(&nonce[..SIGNED_BYTES]);
        nonce[SIGNED_BYTES..].copy_from_slice(&mac);
        BASE64URL_NOPAD.encode(&nonce)
    }

    /// Checks a nonce that came back, against every key of the ring.
    pub fn check(keys: &[Self], nonce: &str, now: Timestamp) -> Nonce {
        let Some(bytes) = decode(nonce) else { return Nonce::Forged };
        let (signed, mac) = bytes.split_at(SIGNED_BYTES);
        if !keys.iter().any(|key| key.mac(signed).ct_eq(mac).into()) {
            return Nonce::Forged;
        }
        let mut checked = CheckedNonce { signed: [0; SIGNED_BYTES] };
        checked.signed.copy_from_slice(signed);
        if checked.serves(now) { Nonce::Fresh(checked) } else { Nonce::Stale }
    }

    fn mac(&self, signed: &[u8]) -> [u8; MAC_BYTES] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(signed);
        let full = mac.finalize().into_bytes();
        let mut short = [0; MAC_BYTES];
        short.copy_from_slice(&full[..MAC_BYTES]);
        short
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(hidden)")
    }
}

impl CheckedNonce {
    /// When it was made, in seconds since 1970.
    pub(super) fn issued_at(&self) -> u32 {
        let mut time = [0; TIME_BYTES];
        time.copy_from_slice(&self.signed[..TIME_BYTES]);
        u32::from_be_bytes(time)
    }

    fn serves(&self, now: Timestamp) -> bool {
        let issued = Timestamp::from_seconds(i64::from(self.issued_at()));
        // The time inside has whole seconds: a nonce serves for its life and the rest of a second.
        let age = Timestamp::from_seconds(i64::from(seconds(now))).since(issued);
        age <= NONCE_LIFE && issued.since(now) <= AHEAD_MAX
    }
}

/// Good until the year 2106.
fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.as_seconds().max(0)).unwrap_or(u32::MAX)
}

fn decode(nonce: &str) -> Option<[u8; NONCE_BYTES]> {
    BASE64URL_NOPAD.decode(nonce.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn key(byte: u8) -> NonceKey {
        NonceKey::new([byte; 32])
    }

    fn is_fresh(nonce: Nonce) -> bool {
        matches!(nonce, Nonce::Fresh(_))
    }

    #[test]
    fn any_holder_of_the_key_can_check_cwmp_048() {
        let nonce = key(1).issue(NOW, [7; 8]);
        assert_eq!(nonce.len(), 32, "longer ones overflow in some devices");
        assert!(is_fresh(NonceKey::check(&[key(9), key(1)], &nonce, NOW)));
        assert_eq!(NonceKey::check(&[key(9)], &nonce, NOW), Nonce::Forged);
        assert_eq!(NonceKey::check(&[], &nonce, NOW), Nonce::Forged);
    }

    #[test]
    fn a_nonce_serves_for_its_life_cwmp_052() {
        let nonce = key(1).issue(NOW, [7; 8]);
        let at = |seconds: i64| NonceKey::check(&[key(1)], &nonce, Timestamp::from_seconds(1_800_000_000 + seconds));
        assert!(is_fresh(at(60)));
        assert_eq!(at(61), Nonce::Stale);
        // CWMP-537: another front-end's clock may be behind.
        assert!(is_fresh(at(-600)));
        assert_eq!(at(-601), Nonce::Stale);
    }

    #[test]
    fn a_changed_nonce_is_forged_cwmp_052() {
        let nonce = key(1).issue(NOW, [7; 8]);
        for at in 0..nonce.len() {
            let mut bytes = nonce.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(NonceKey::check(&[key(1)], &changed, NOW), Nonce::Forged, "{changed}");
        }
        for other in ["", "AAAA", "\u{e9}", &format!("{nonce}AAAA")] {
            assert_eq!(NonceKey::check(&[key(1)], other, NOW), Nonce::Forged);
        }
    }

    #[test]
    fn the_key_is_not_shown_p26() {
        assert_eq!(format!("{:?}", key(1)), "NonceKey(hidden)");
    }
}
