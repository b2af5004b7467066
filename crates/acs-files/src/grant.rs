use acs_keyring::{KeyRing, Purpose};
use acs_types::{DeviceId, FileId};
use cwmp_model::Timestamp;
use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

/// The right of one device to fetch one file until a moment: what a signed URL carries, sealed.
///
/// Shape of the plaintext: 4 bytes expiry (seconds since 1970, big-endian), 1 byte length of the file id, the file id, the
/// subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) file: FileId,
    /// The device id, or `~` and a hash of it if it is longer than [`SUBJECT_MAX`].
    pub(crate) subject: String,
    /// Whole seconds; good up to and including it.
    pub(crate) expires_at: u32,
}

/// Why a token gives no right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Forged,
    Expired,
}

/// Longest subject, so that a token has at most [`TOKEN_MAX`] characters.
const SUBJECT_MAX: usize = 60;
/// Length of the ids that [`FileId::of`] makes.
pub(crate) const FILE_ID_LEN: usize = 26;
/// Longest token: base64url of everything.
pub(crate) const TOKEN_MAX: usize = acs_keyring::sealed_text_len(4 + 1 + FILE_ID_LEN + SUBJECT_MAX);

const ASSOCIATED: &[u8] = b"acs-files download 1";

impl Grant {
    pub(crate) fn new(device: &DeviceId, file: &FileId, expires: Timestamp) -> Self {
        let seconds = expires.as_seconds().clamp(0, i64::from(u32::MAX));
        Self { file: file.clone(), subject: subject_of(device), expires_at: u32::try_from(seconds).unwrap_or(u32::MAX) }
    }

    /// The token; `None` if the file's id is longer than ours are.
    pub(crate) fn seal(&self, keys: &KeyRing) -> Option<String> {
        let id = self.file.as_str().as_bytes();
        let length = u8::try_from(id.len()).ok().filter(|n| usize::from(*n) <= FILE_ID_LEN)?;
        let plain = [&self.expires_at.to_be_bytes()[..], &[length], id, self.subject.as_bytes()].concat();
        Some(keys.seal_text(Purpose::Url, &plain, ASSOCIATED))
    }

    pub(crate) fn open(keys: &KeyRing, token: &str, now: Timestamp) -> Result<Self, Refusal> {
        if token.len() > TOKEN_MAX {
            return Err(Refusal::Forged);
        }
        let plain = keys.unseal_text(Purpose::Url, token, ASSOCIATED).map_err(|_| Refusal::Forged)?;
        let grant = Self::read(&plain).ok_or(Refusal::Forged)?;
        if now.as_seconds() > i64::from(grant.expires_at) { Err(Refusal::Expired) } else { Ok(grant) }
    }

    fn read(plain: &[u8]) -> Option<Self> {
        let (expires_at, rest) = plain.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first()?;
        let (file, subject) = rest.split_at_checked(usize::from(*length))?;
        Some(Self {
            file: std::str::from_utf8(file).ok()?.parse().ok()?,
            subject: String::from_utf8(subject.to_vec()).ok()?,
            expires_at: u32::from_be_bytes(*expires_at),
        })
    }
}

fn subject_of(device: &DeviceId) -> String {
    let text = device.as_str();
    if text.len() <= SUBJECT_MAX {
        return text.to_owned();
    }
    format!("~{}", BASE32_NOPAD.encode(&Sha256::digest(text)).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> KeyRing {
        KeyRing::from_key("test", &[7; 32])
    }

    fn file() -> FileId {
        FileId::of(&[1; 32], "fw.bin")
    }

    #[test]
    fn a_token_gives_back_who_what_and_until_when() {
        let device: DeviceId = "00AABB-IGD-1".parse().unwrap();
        let grant = Grant::new(&device, &file(), Timestamp::from_seconds(1_900_000_000));
        let token = grant.seal(&keys()).unwrap();
        let at = |seconds| Grant::open(&keys(), &token, Timestamp::from_seconds(seconds));
        assert_eq!(at(1_900_000_000), Ok(grant.clone()));
        assert_eq!(at(1_900_000_001), Err(Refusal::Expired));
        assert_eq!((grant.subject.as_str(), grant.file), ("00AABB-IGD-1", file()));
    }

    #[test]
    fn a_forged_token_gives_nothing() {
        let now = Timestamp::from_seconds(0);
        let grant = Grant::new(&"00AABB-1".parse().unwrap(), &file(), Timestamp::from_seconds(100));
        let token = grant.seal(&keys()).unwrap();
        let other = KeyRing::from_key("test", &[8; 32]);
        assert_eq!(Grant::open(&other, &token, now), Err(Refusal::Forged));
        let secret = keys().seal_text(Purpose::Secret, b"\0\0\0\x64\x01ad", ASSOCIATED);
        for text in
            ["", "x", "../../etc/passwd", &token[1..], &format!("{token}A"), &secret, &"A".repeat(TOKEN_MAX + 1)]
        {
            assert_eq!(Grant::open(&keys(), text, now), Err(Refusal::Forged), "{text}");
        }
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(Grant::open(&keys(), &changed, now), Err(Refusal::Forged), "{at}");
        }
    }

    #[test]
    fn long_device_ids_stay_apart_and_within_the_token() {
        let device = |last: char| format!("00AABB-{}{last}", "x".repeat(112)).parse::<DeviceId>().unwrap();
        let grant = |last| Grant::new(&device(last), &file(), Timestamp::from_seconds(1));
        assert_ne!(grant('a').subject, grant('b').subject);
        let at_limit = format!("00AABB-{}", "x".repeat(SUBJECT_MAX - 7)).parse().unwrap();
        let longest = Grant::new(&at_limit, &file(), Timestamp::from_seconds(1));
        assert_eq!(longest.seal(&keys()).unwrap().len(), TOKEN_MAX);
        assert!(grant('a').seal(&keys()).unwrap().len() <= TOKEN_MAX);
    }

    #[test]
    fn times_outside_the_format_are_its_ends() {
        let grant = |seconds| Grant::new(&"00AABB-1".parse().unwrap(), &file(), Timestamp::from_seconds(seconds));
        assert_eq!((grant(-5).expires_at, grant(i64::MAX).expires_at), (0, u32::MAX));
    }
}
