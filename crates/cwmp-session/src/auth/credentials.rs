use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Algorithm;

/// A password. `Debug` does not show it; comparing takes the same time for all of one length.
#[derive(Clone, Default)]
pub struct Password(String);

impl Password {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for computing with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        equal(&self.0, &other.0)
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// A user name and its password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// User name, as sent.
    pub username: String,
    /// Password.
    pub password: Password,
}

/// What the ACS knows of a secret. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Verifier {
    /// The password itself.
    Password(Password),
    /// H(user:realm:password) in lower-case hexadecimal digits, good for one hash and realm only; see [`ha1`](super::ha1).
    Ha1 {
        /// The algorithm it was made for; MD5 serves MD5-sess, too.
        algorithm: Algorithm,
        /// The digits.
        digits: Password,
    },
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Verifier::Password(hidden)",
            Self::Ha1 { .. } => "Verifier::Ha1(hidden)",
        })
    }
}

/// Compares by hashes, so that neither content nor length shows in the time it takes (CWMP-062).
pub(super) fn equal(left: &str, right: &str) -> bool {
    Sha256::digest(left).as_slice().ct_eq(Sha256::digest(right).as_slice()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_p26_cwmp_062() {
        let password = Password::new("canary");
        let credentials = Credentials { username: "user".to_owned(), password: password.clone() };
        let ha1 = Verifier::Ha1 { algorithm: Algorithm::Md5, digits: password.clone() };
        let shown = format!("{password:?} {credentials:?} {ha1:?} {:?}", Verifier::Password(password.clone()));
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn passwords_are_compared_whole_cwmp_062() {
        assert_eq!(Password::new("abc"), Password::new("abc"));
        assert_ne!(Password::new("abc"), Password::new("abcd"));
        assert_ne!(Password::new(""), Password::new("a"));
    }
}
