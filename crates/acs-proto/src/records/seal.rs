/// Hides secrets in the byte form of records.
pub trait SecretSeal: Send + Sync {
    /// `plain` in a form that only [`SecretSeal::open`] with the same keys can read. Never called with an empty text.
    fn seal(&self, plain: &str) -> Vec<u8>;

    /// The text behind `sealed`; `None` if no key fits or the bytes were changed.
    fn open(&self, sealed: &[u8]) -> Option<String>;
}

/// Seals nothing: for gRPC, where mutual TLS hides what is moved and nothing is stored, and for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unsealed;

impl SecretSeal for Unsealed {
    fn seal(&self, plain: &str) -> Vec<u8> {
        plain.as_bytes().to_vec()
    }

    fn open(&self, sealed: &[u8]) -> Option<String> {
        String::from_utf8(sealed.to_vec()).ok()
    }
}
