//! The session cookie: it alone tells any front-end which session a POST belongs to, and how far to trust it.
//!
//! Format 1, before sealing: format (1 byte), session id (16), stamp (8), expiry in seconds since 1970 (4), TLS and
//! authentication level (1), version and namespace (1), hash of the source address (8), device id (1 + 1–92). All numbers
//! are big-endian. The device id is packed by its 66 symbols, 21 of them in 16 bytes: the longest one, 120 bytes of text, would
//! else not fit into a cookie of 256, and a hash in its place could not be turned back into a device by a front-end that
//! has nothing but the cookie.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use acs_keyring::{KeyRing, Purpose};
use acs_types::{AuthLevel, DeviceId, SessionId, SessionStamp};
use cwmp_codec::{CwmpNamespace, CwmpVersion};
use cwmp_model::Timestamp;
use http::HeaderMap;
use http::header::COOKIE;
use sha2::{Digest, Sha256};

use crate::HttpLimits;

/// The name of the cookie.
pub const COOKIE_NAME: &str = "lastmile";
/// Bytes of name, `=` and value at most (`design.md` §4.3; CWMP-020 allows 512 for all cookies together).
pub const COOKIE_BYTES: usize = 256;
/// How long a cookie is good: the longest life of a session.
pub const COOKIE_LIFE: Duration = Duration::from_secs(30 * 60);

const FORMAT: u8 = 1;
const FIXED_BYTES: usize = 1 + 16 + 8 + 4 + 1 + 1 + 8;
const TLS_BIT: u8 = 0x80;
const AUTH_LEVELS: [AuthLevel; 4] = [AuthLevel::Open, AuthLevel::Shared, AuthLevel::Device, AuthLevel::Certificate];

/// What a cookie says, after it was opened: the front-end that sealed it answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CookieFacts {
    /// The session.
    pub(crate) session: SessionId,
    /// Its place among the device's sessions; also when it began.
    pub(crate) stamp: SessionStamp,
    /// The device.
    pub(crate) device: DeviceId,
    /// How the device proved who it is.
    pub(crate) auth: AuthLevel,
    /// Whether the session is over TLS: its cookie is good for nothing without.
    pub(crate) tls: bool,
    /// The version agreed on.
    pub(crate) version: CwmpVersion,
    /// The namespace agreed on.
    pub(crate) namespace: CwmpNamespace,
    /// Of the address that the Inform came from, see [`address_hash`].
    pub(crate) source: [u8; 8],
}

/// Seals and opens cookies.
#[derive(Debug)]
pub(crate) struct Cookies {
    keys: Arc<KeyRing>,
}

impl Cookies {
    pub(crate) fn new(keys: Arc<KeyRing>) -> Self {
        Self { keys }
    }

    /// The value of `Set-Cookie`: set once, with the InformResponse (CWMP-019, CWMP-021).
    pub(crate) fn set_cookie(&self, facts: &CookieFacts, now: Timestamp) -> String {
        let value = self.keys.seal_text(Purpose::Cookie, &pack(facts, now), b"");
        let secure = if facts.tls { "; Secure" } else { "" };
        format!("{COOKIE_NAME}={value}; Path=/{secure}")
    }

    /// The newest session that a request's cookies open. What does not open, or is too old, counts as no cookie.
    pub(crate) fn read(&self, headers: &HeaderMap, now: Timestamp) -> Option<CookieFacts> {
        candidates(headers)
            .take(HttpLimits::COOKIES)
            .filter_map(|value| unpack(&self.keys.unseal_text(Purpose::Cookie, value, b"").ok()?, now))
            .max_by_key(|facts| facts.stamp)
    }
}

/// Binds a cookie to the address that its Inform came from. The hash is no secret; it is sealed with the rest.
pub(crate) fn address_hash(address: IpAddr) -> [u8; 8] {
    let mut hash = Sha256::new();
    match address.to_canonical() {
        IpAddr::V4(v4) => hash.update(v4.octets()),
        IpAddr::V6(v6) => hash.update(v6.octets()),
    }
    let hash = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    first
}

/// Every value that our cookie may have in a request, in whatever form it came back (CWMP-022): with its attributes, in
/// front of them or behind, `$Version` style, joined by commas, quoted, in several headers. No form puts `;` or `,` inside
/// a value of ours, so cutting at both is safe.
fn candidates(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split([';', ','])).filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case(COOKIE_NAME).then_some(value)
    })
}

fn pack(facts: &CookieFacts, now: Timestamp) -> Vec<u8> {
    let mut plain = Vec::with_capacity(FIXED_BYTES + 93);
    plain.push(FORMAT);
    plain.extend_from_slice(facts.session.as_bytes());
    plain.extend_from_slice(&facts.stamp.as_micros().to_be_bytes());
    let expires = u32::try_from(now.plus(COOKIE_LIFE).as_seconds()).unwrap_or(u32::MAX);
    plain.extend_from_slice(&expires.to_be_bytes());
    let auth = AUTH_LEVELS.iter().position(|a| *a == facts.auth).unwrap_or(0);
    plain.push(if facts.tls { TLS_BIT } else { 0 } | small(auth));
    let version = CwmpVersion::ALL.iter().position(|v| *v == facts.version).unwrap_or(0);
    let namespace = CwmpNamespace::ALL.iter().position(|n| *n == facts.namespace).unwrap_or(0);
    plain.push(small(version) << 4 | small(namespace));
    plain.extend_from_slice(&facts.source);
    pack_device(facts.device.as_str(), &mut plain);
    plain
}

/// An index into one of the short tables above.
fn small(index: usize) -> u8 {
    u8::try_from(index & 0x0F).unwrap_or(0)
}

fn unpack(plain: &[u8], now: Timestamp) -> Option<CookieFacts> {
    let (&format, rest) = plain.split_first()?;
    let (session, rest) = rest.split_first_chunk::<16>()?;
    let (stamp, rest) = rest.split_first_chunk::<8>()?;
    let (expires, rest) = rest.split_first_chunk::<4>()?;
    let (&[level, agreed], rest) = rest.split_first_chunk::<2>()?;
    let (source, device) = rest.split_first_chunk::<8>()?;
    if format != FORMAT || now.as_seconds() >= i64::from(u32::from_be_bytes(*expires)) {
        return None;
    }
    Some(CookieFacts {
        session: SessionId::from_bytes(*session),
        stamp: SessionStamp::from_micros(i64::from_be_bytes(*stamp)),
        device: unpack_device(device)?,
        auth: *AUTH_LEVELS.get(usize::from(level & !TLS_BIT))?,
        tls: level & TLS_BIT != 0,
        version: *CwmpVersion::ALL.get(usize::from(agreed >> 4))?,
        namespace: *CwmpNamespace::ALL.get(usize::from(agreed & 0x0F))?,
        source: *source,
    })
}

/// The symbols of a device id, see [`DeviceId::as_str`].
const SYMBOLS: &[u8; 66] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-%~";
/// As many as 16 bytes can hold: 66^21 < 2^127.
const GROUP: usize = 21;

/// The length, then groups of symbols as big-endian numbers.
fn pack_device(text: &str, plain: &mut Vec<u8>) {
    plain.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    for group in text.as_bytes().chunks(GROUP) {
        let number = group.iter().fold(0_u128, |number, symbol| {
            let digit = SYMBOLS.iter().position(|s| s == symbol).unwrap_or(0);
            number * SYMBOLS.len() as u128 + digit as u128
        });
        plain.extend_from_slice(&number.to_be_bytes()[16 - group_bytes(group.len())..]);
    }
}

fn unpack_device(packed: &[u8]) -> Option<DeviceId> {
    let (&length, mut packed) = packed.split_first()?;
    let mut text = vec![0; length.into()];
    for group in text.chunks_mut(GROUP) {
        let (bytes, rest) = packed.split_at_checked(group_bytes(group.len()))?;
        packed = rest;
        let mut number = bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        for symbol in group.iter_mut().rev() {
            *symbol = SYMBOLS[usize::try_from(number % SYMBOLS.len() as u128).ok()?];
            number /= SYMBOLS.len() as u128;
        }
    }
    String::from_utf8(text).ok()?.parse().ok()
}

/// Bytes for so many symbols: log2(66) is just under 6.045 bits.
const fn group_bytes(symbols: usize) -> usize {
    (symbols * 6045).div_ceil(8000)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn cookies() -> Cookies {
        Cookies::new(Arc::new(KeyRing::from_key("k", &[7; 32])))
    }

    fn facts(device: &str) -> CookieFacts {
        CookieFacts {
            session: SessionId::from_bytes([9; 16]),
            stamp: SessionStamp::from_micros(NOW.as_micros()),
            device: device.parse().unwrap(),
            auth: AuthLevel::Device,
            tls: true,
            version: CwmpVersion::V1_4,
            namespace: CwmpNamespace::Invented1_4,
            source: address_hash("192.0.2.7".parse().unwrap()),
        }
    }

    fn value(set_cookie: &str) -> &str {
        set_cookie.strip_prefix("lastmile=").unwrap().split(';').next().unwrap()
    }

    fn request(headers: &[&str]) -> HeaderMap {
        headers.iter().map(|text| (COOKIE, HeaderValue::from_str(text).unwrap())).collect()
    }

    #[test]
    fn cwmp_020_the_longest_device_id_fits_and_comes_back_whole() {
        for length in 3..=120 {
            let device: String = "00AABB-%~_zZ9".chars().cycle().take(length).collect();
            let facts = facts(&format!("-{}", &device[1..]));
            let cookie = cookies().set_cookie(&facts, NOW);
            let value = value(&cookie);
            assert!(COOKIE_NAME.len() + 1 + value.len() <= COOKIE_BYTES, "{length}: {}", value.len());
            assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "CWMP-020");
            assert_eq!(cookies().read(&request(&[&format!("{COOKIE_NAME}={value}")]), NOW), Some(facts));
        }
    }

    #[test]
    fn cwmp_021_attributes() {
        let mut facts = facts("00AABB-1");
        let cookie = cookies().set_cookie(&facts, NOW);
        assert!(cookie.ends_with("; Path=/; Secure"), "CWMP-021: {cookie}");
        facts.tls = false;
        let cookie = cookies().set_cookie(&facts, NOW);
        assert!(cookie.ends_with("; Path=/"), "CWMP-021: {cookie}");
        assert!(!cookie.contains("Domain") && !cookie.contains("Expires"), "CWMP-021: {cookie}");
    }

    #[test]
    fn cwmp_022_every_form_in_which_cookies_come_back() {
        let facts = facts("00AABB-1");
        let cookie = cookies().set_cookie(&facts, NOW);
        let v = value(&cookie);
        for headers in [
            vec![format!("lastmile={v}")],
            vec![format!("lastmile={v}; Path=/; HttpOnly")],
            vec![format!("Path=/; lastmile={v}")],
            vec![format!("$Version=\"1\"; lastmile=\"{v}\"; $Path=\"/\"")],
            vec![format!("$Version=1;lastmile={v};$Path=/")],
            vec![format!("other=1, lastmile={v}")],
            vec![format!("lastmile={v}, other=1; Path=/")],
            vec!["other=1".to_owned(), format!("lastmile={v}")],
            vec![format!("LastMile = {v} ")],
            vec![format!("lastmile=stale; lastmile={v}")],
        ] {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            assert_eq!(cookies().read(&request(&headers), NOW).as_ref(), Some(&facts), "CWMP-022: {headers:?}");
        }
    }

    #[test]
    fn a_cookie_dies_after_30_minutes_and_the_newest_counts() {
        let old = facts("00AABB-1");
        let new = CookieFacts { stamp: SessionStamp::from_micros(NOW.as_micros() + 1), ..facts("00AABB-1") };
        let text = |f: &CookieFacts| format!("lastmile={}", value(&cookies().set_cookie(f, NOW)));
        let both = request(&[&format!("{}; {}", text(&new), text(&old))]);
        assert_eq!(cookies().read(&both, NOW), Some(new));
        let last = NOW.plus(COOKIE_LIFE).minus(Duration::from_secs(1));
        assert!(cookies().read(&both, last).is_some());
        assert_eq!(cookies().read(&both, NOW.plus(COOKIE_LIFE)), None);
    }

    #[test]
    fn a_changed_or_foreign_cookie_is_none() {
        // X19
        let cookie = cookies().set_cookie(&facts("00AABB-1"), NOW);
        let v = value(&cookie);
        let mut changed = v.to_owned();
        let last = changed.pop().unwrap();
        changed.push(if last == 'A' { 'B' } else { 'A' });
        let foreign = Cookies::new(Arc::new(KeyRing::from_key("k", &[8; 32])));
        for text in [format!("lastmile={changed}"), "lastmile=".to_owned(), "lastmile=;=,;".to_owned(), "x".to_owned()]
        {
            assert_eq!(cookies().read(&request(&[&text]), NOW), None, "{text}");
        }
        assert_eq!(foreign.read(&request(&[&format!("lastmile={v}")]), NOW), None);
    }

    #[test]
    fn at_most_four_cookies_are_tried() {
        let cookie = cookies().set_cookie(&facts("00AABB-1"), NOW);
        let v = value(&cookie);
        let with = |stale: usize| format!("{}lastmile={v}", "lastmile=x; ".repeat(stale));
        assert!(cookies().read(&request(&[&with(HttpLimits::COOKIES - 1)]), NOW).is_some());
        assert!(cookies().read(&request(&[&with(HttpLimits::COOKIES)]), NOW).is_none());
    }

    #[test]
    fn mapped_addresses_are_the_same_source() {
        let (v4, mapped) = ("192.0.2.7".parse().unwrap(), "::ffff:192.0.2.7".parse().unwrap());
        assert_eq!(address_hash(v4), address_hash(mapped));
        assert_ne!(address_hash(v4), address_hash("192.0.2.8".parse().unwrap()));
    }
}
