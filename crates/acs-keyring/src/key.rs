use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Fewest bytes of a key.
pub const KEY_MIN: usize = 32;

/// What a subkey is for. The labels are part of the sealed format and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Session cookies.
    Cookie,
    /// Digest nonces.
    Nonce,
    /// URLs of the file server.
    Url,
    /// Passwords and secret parameter values at rest.
    Secret,
    /// Sessions that one front-end leaves for another.
    Session,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 5] = [Self::Cookie, Self::Nonce, Self::Url, Self::Secret, Self::Session];

    /// Its label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Nonce => "nonce",
            Self::Url => "url",
            Self::Secret => "secret",
            Self::Session => "session",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// One key of the ring: only what is derived from the file's bytes is kept.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Key {
    #[zeroize(skip)]
    pub(crate) id: String,
    /// Names the key, and format 1, in front of each sealed thing. Two bytes, because a cookie has no room for a file
    /// name; keys that share a tag are told apart by trying both.
    pub(crate) tag: [u8; 2],
    seal: [[u8; 32]; Purpose::ALL.len()],
    mac: [[u8; 32]; Purpose::ALL.len()],
}

impl Key {
    /// Derives everything from the bytes of a key file. The bytes are uniformly random, so the extract step of HKDF
    /// (RFC 5869 section 3.3) is left out.
    pub(crate) fn derive(id: &str, material: &[u8]) -> Self {
        let expand = |label: &str| hmac_sha256(material, &[b"lastmile keyring v1 ", label.as_bytes()]);
        let tag = expand("tag");
        Self {
            id: id.to_owned(),
            tag: [tag[0], tag[1]],
            seal: Purpose::ALL.map(|p| expand(&format!("seal {}", p.as_str()))),
            mac: Purpose::ALL.map(|p| expand(&format!("mac {}", p.as_str()))),
        }
    }

    pub(crate) fn seal_key(&self, purpose: Purpose) -> &[u8; 32] {
        &self.seal[purpose.index()]
    }

    pub(crate) fn mac_key(&self, purpose: Purpose) -> &[u8; 32] {
        &self.mac[purpose.index()]
    }
}

pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
