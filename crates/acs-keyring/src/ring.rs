use std::fmt;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;

use crate::folder::{self, FolderError};
use crate::key::{Key, Purpose, hmac_sha256};

/// Bytes that [`KeyRing::seal`] adds: key tag (2), nonce (16), authentication tag (16).
pub const SEAL_OVERHEAD: usize = TAG_LEN + NONCE_LEN + AEAD_TAG_LEN;
/// Bytes of a MAC.
pub const MAC_LEN: usize = 32;
/// Fewest bytes of a shortened MAC that [`KeyRing::verify`] takes: the 96 bits of a Digest nonce.
pub const MAC_MIN: usize = 12;

const TAG_LEN: usize = 2;
/// 128 random bits, the part of XChaCha20's nonce that chooses the message key (HChaCha20); its other 8 bytes are zero. A
/// collision is expected after 2^64 messages, and a cookie saves 11 characters.
const NONCE_LEN: usize = 16;
const AEAD_TAG_LEN: usize = 16;

/// Length of the text form of a sealed plaintext of `plaintext` bytes. 158 bytes fit into 256 characters.
pub const fn sealed_text_len(plaintext: usize) -> usize {
    ((plaintext + SEAL_OVERHEAD) * 4).div_ceil(3)
}

/// Why a sealed thing does not open: no key of the ring fits, or it was changed, or it is for something else. Which of
/// them is not told, to the peer least of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value opens with no key of the ring: it was changed, is for another use, or its key was removed")]
pub struct Unsealable;

/// The keys of a deployment, the active one first. Cheap to share in an `Arc`; read once at start.
pub struct KeyRing {
    keys: Vec<Key>,
}

impl KeyRing {
    /// Reads the ring from its folder; see [`folder`] for the rules.
    pub fn open(folder: &Path) -> Result<Self, FolderError> {
        Ok(Self { keys: folder::read(folder)? })
    }

    /// Reads the ring, and makes folder and first key if there is none (`lastmile dev`). A folder with unusable keys is an
    /// error, never replaced.
    pub fn open_or_create(folder: &Path) -> Result<Self, FolderError> {
        folder::create_first(folder)?;
        Self::open(folder)
    }

    /// A ring of the one key `material` without a file: for tests and tools. The caller answers for its strength.
    pub fn from_key(id: &str, material: &[u8; 32]) -> Self {
        Self { keys: vec![Key::derive(id, material)] }
    }

    /// The id of the key that seals.
    pub fn active(&self) -> &str {
        &self.first().id
    }

    /// The ids of all keys, the active one first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|k| k.id.as_str())
    }

    /// Encrypts and authenticates `plaintext`, and authenticates `associated` with it (XChaCha20-Poly1305, random nonce).
    /// Shape: key tag, nonce, ciphertext; [`SEAL_OVERHEAD`] bytes longer than the plaintext.
    pub fn seal(&self, purpose: Purpose, plaintext: &[u8], associated: &[u8]) -> Vec<u8> {
        let key = self.first();
        let nonce: [u8; NONCE_LEN] = rand::random();
        let ciphertext = XChaCha20Poly1305::new(key.seal_key(purpose).into())
            .encrypt(&wide(nonce), Payload { msg: plaintext, aad: associated })
            .expect("a plaintext in memory is shorter than the cipher's limit of 256 GiB");
        let mut sealed = Vec::with_capacity(TAG_LEN + NONCE_LEN + ciphertext.len());
        sealed.extend_from_slice(&key.tag);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        sealed
    }

    /// Opens what [`seal`](Self::seal) sealed for the same purpose and associated data, by any key of the ring.
    pub fn unseal(&self, purpose: Purpose, sealed: &[u8], associated: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (tag, rest) = sealed.split_first_chunk::<TAG_LEN>().ok_or(Unsealable)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unsealable)?;
        self.keys
            .iter()
            .filter(|key| key.tag == *tag)
            .find_map(|key| {
                let cipher = XChaCha20Poly1305::new(key.seal_key(purpose).into());
                cipher.decrypt(&wide(*nonce), Payload { msg: ciphertext, aad: associated }).ok()
            })
            .ok_or(Unsealable)
    }

    /// [`seal`](Self::seal) as text of letters, digits, `-` and `_` (base64url without padding, RFC 4648 section 5).
    pub fn seal_text(&self, purpose: Purpose, plaintext: &[u8], associated: &[u8]) -> String {
        BASE64URL_NOPAD.encode(&self.seal(purpose, plaintext, associated))
    }

    /// Opens the text form.
    pub fn unseal_text(&self, purpose: Purpose, sealed: &str, associated: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let sealed = BASE64URL_NOPAD.decode(sealed.as_bytes()).map_err(|_| Unsealable)?;
        self.unseal(purpose, &sealed, associated)
    }

    /// HMAC-SHA256 of `data` with the active key. It may be shortened to its first bytes, [`MAC_MIN`] at least.
    pub fn mac(&self, purpose: Purpose, data: &[u8]) -> [u8; MAC_LEN] {
        hmac_sha256(self.first().mac_key(purpose), &[data])
    }

    /// Whether `mac` (whole, or its first bytes) is the MAC of `data` by any key of the ring. Takes the same time wherever
    /// the first difference is.
    pub fn verify(&self, purpose: Purpose, data: &[u8], mac: &[u8]) -> bool {
        if !(MAC_MIN..=MAC_LEN).contains(&mac.len()) {
            return false;
        }
        let fits = |key: &[u8; 32]| bool::from(hmac_sha256(key, &[data])[..mac.len()].ct_eq(mac));
        self.keys_for(purpose).fold(false, |found, key| fits(key) | found)
    }

    /// The active MAC subkey of a purpose, for a caller that builds its own MAC.
    pub fn subkey(&self, purpose: Purpose) -> &[u8; 32] {
        self.first().mac_key(purpose)
    }

    /// The MAC subkeys of a purpose, the active one first: for checking things that carry no key id.
    pub fn keys_for(&self, purpose: Purpose) -> impl Iterator<Item = &[u8; 32]> {
        self.keys.iter().map(move |key| key.mac_key(purpose))
    }

    fn first(&self) -> &Key {
        self.keys.first().expect("a ring is only built with a key")
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

fn wide(nonce: [u8; NONCE_LEN]) -> XNonce {
    let mut wide = [0; 24];
    wide[..NONCE_LEN].copy_from_slice(&nonce);
    wide.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ring(keys: &[u8]) -> KeyRing {
        KeyRing { keys: keys.iter().map(|k| Key::derive(&format!("k{k}"), &[*k; 32])).collect() }
    }

    #[test]
    fn old_keys_open_and_the_first_seals() {
        let old = ring(&[1]);
        let sealed = old.seal(Purpose::Cookie, b"session", b"");
        let rotated = ring(&[2, 1]);
        assert_eq!(rotated.unseal(Purpose::Cookie, &sealed, b"").unwrap(), b"session");
        assert_eq!(old.unseal(Purpose::Cookie, &rotated.seal(Purpose::Cookie, b"new", b""), b""), Err(Unsealable));
        assert!(rotated.verify(Purpose::Nonce, b"data", &old.mac(Purpose::Nonce, b"data")));
        assert!(!old.verify(Purpose::Nonce, b"data", &rotated.mac(Purpose::Nonce, b"data")));
        assert_eq!(rotated.keys_for(Purpose::Nonce).nth(1), Some(old.subkey(Purpose::Nonce)));
    }

    #[test]
    fn keys_with_the_same_tag_are_told_apart() {
        let mut both = ring(&[2, 1]);
        both.keys[0].tag = both.keys[1].tag;
        let sealed = ring(&[1]).seal(Purpose::Url, b"x", b"");
        assert_eq!(both.unseal(Purpose::Url, &sealed, b"").unwrap(), b"x");
    }

    #[test]
    fn another_purpose_or_other_associated_data_does_not_open() {
        let ring = ring(&[1]);
        for sealed_for in Purpose::ALL {
            let sealed = ring.seal(sealed_for, b"text", b"device 1");
            let mac = ring.mac(sealed_for, b"text");
            for opened_for in Purpose::ALL {
                let same = sealed_for == opened_for;
                assert_eq!(
                    ring.unseal(opened_for, &sealed, b"device 1").is_ok(),
                    same,
                    "{sealed_for:?} {opened_for:?}"
                );
                assert_eq!(ring.verify(opened_for, b"text", &mac), same, "{sealed_for:?} {opened_for:?}");
            }
            assert_eq!(ring.unseal(sealed_for, &sealed, b"device 2"), Err(Unsealable));
        }
    }

    #[test]
    fn a_mac_may_be_shortened_to_96_bits_and_no_further() {
        let ring = ring(&[1]);
        let mac = ring.mac(Purpose::Nonce, b"data");
        assert!(ring.verify(Purpose::Nonce, b"data", &mac[..MAC_MIN]));
        assert!(!ring.verify(Purpose::Nonce, b"data", &mac[..MAC_MIN - 1]));
        assert!(!ring.verify(Purpose::Nonce, b"data", b""));
        assert!(!ring.verify(Purpose::Nonce, b"data", &[&mac[..], &[0]].concat()));
    }

    // design.md §4.3: a cookie has at most 256 characters.
    #[test]
    fn a_cookie_of_158_bytes_has_256_characters() {
        let text = ring(&[1]).seal_text(Purpose::Cookie, &[0; 158], b"");
        assert_eq!(text.len(), 256);
        assert_eq!(sealed_text_len(158), 256);
        assert!(sealed_text_len(159) > 256);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{text}");
    }

    #[test]
    fn a_plaintext_seals_differently_each_time() {
        let ring = ring(&[1]);
        assert_ne!(ring.seal(Purpose::Secret, b"same", b""), ring.seal(Purpose::Secret, b"same", b""));
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        // P26
        assert_eq!(format!("{:?}", ring(&[65])), r#"["k65"]"#);
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(plain in prop::collection::vec(any::<u8>(), 0..300), aad in prop::collection::vec(any::<u8>(), 0..40)) {
            let ring = ring(&[9]);
            let text = ring.seal_text(Purpose::Secret, &plain, &aad);
            prop_assert_eq!(text.len(), sealed_text_len(plain.len()));
            prop_assert_eq!(ring.unseal_text(Purpose::Secret, &text, &aad).unwrap(), plain);
        }

        #[test]
        fn a_flipped_bit_does_not_open(plain in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), bit in 0..8) {
            let ring = ring(&[9]);
            let mut sealed = ring.seal(Purpose::Cookie, &plain, b"a");
            let at = at.index(sealed.len());
            sealed[at] ^= 1u8 << bit;
            prop_assert_eq!(ring.unseal(Purpose::Cookie, &sealed, b"a"), Err(Unsealable));
        }

        // P20
        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), text in ".{0,80}") {
            let ring = ring(&[9]);
            prop_assert!(ring.unseal(Purpose::Cookie, &bytes, b"").is_err());
            prop_assert!(ring.unseal_text(Purpose::Cookie, &text, b"").is_err());
        }
    }
}
