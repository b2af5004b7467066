use async_trait::async_trait;

use crate::{Error, Result};

/// Bytes of a nonce at most: those of the front-ends have 32.
pub const NONCE_BYTES_MAX: usize = 64;

/// The (nonce, nc) pairs that Digest answers used, for all front-ends together: none serves twice (`design.md` §4.5).
///
/// It stands behind the window that each front-end has for itself. Losing it opens a replay at *another* front-end until
/// the nonces have expired, and nothing else: a front-end that gets no answer here decides by its own window (P14).
#[async_trait]
pub trait ReplayWindow: Send + Sync {
    /// Uses a pair; whether it is its first use. Of several callers at once exactly one is told `true`. `nc` is the count
    /// of the answer, 0 where it has none.
    ///
    /// A pair is remembered for as long as any front-end may accept its nonce.
    ///
    /// # Errors
    /// `Invalid` for a nonce that is none: 1 to [`NONCE_BYTES_MAX`] letters, digits, `-`, `_`.
    async fn first_use(&self, nonce: &str, nc: u32) -> Result<bool>;
}

/// Whether a text has the form of a nonce; every backend asks before it keeps one.
///
/// # Errors
/// `Invalid`, without the text: it may be anything.
pub fn check_nonce(nonce: &str) -> Result<()> {
    let is_text = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=NONCE_BYTES_MAX).contains(&nonce.len()) && nonce.bytes().all(is_text) {
        return Ok(());
    }
    Err(Error::Invalid(format!("a nonce has 1 to {NONCE_BYTES_MAX} letters, digits, `-` or `_`")))
}
