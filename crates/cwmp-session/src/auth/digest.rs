use data_encoding::HEXLOWER;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::{Credentials, Protection, Verifier};

/// The digest algorithms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// What an absent `algorithm` means (CWMP-050).
    #[default]
    Md5,
    /// MD5 with a session key.
    Md5Sess,
    /// RFC 7616 (CWMP-051).
    Sha256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Md5, Self::Md5Sess, Self::Sha256];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
        }
    }

    /// From its name in any case; `None` for others.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether both hash with the same function, so that one H(user:realm:password) serves both.
    pub(super) fn same_hash(self, other: Self) -> bool {
        matches!(self, Self::Sha256) == matches!(other, Self::Sha256)
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 | Self::Md5Sess => HEXLOWER.encode(&Md5::digest(text)),
            Self::Sha256 => HEXLOWER.encode(&Sha256::digest(text)),
        }
    }
}

/// H(user:realm:password) in lower-case hexadecimal digits: what may be stored in place of a password. It is as good as the
/// password for this realm and hash, so it is a secret.
pub fn ha1(algorithm: Algorithm, credentials: &Credentials, realm: &str) -> String {
    algorithm.hash(&format!("{}:{realm}:{}", credentials.username, credentials.password.expose()))
}

/// What a digest is computed over besides the secret.
pub(super) struct Scope<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) username: &'a str,
    pub(super) realm: &'a str,
    pub(super) nonce: &'a str,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) protection: Option<&'a Protection>,
    /// For MD5-sess where there is no `qop`.
    pub(super) cnonce: &'a str,
}

/// The `response` of RFC 7616 section 3.4.1, or of RFC 2069 without `qop`. `None` if the verifier is for another hash.
pub(super) fn response(scope: &Scope<'_>, verifier: &Verifier) -> Option<String> {
    let Scope { algorithm, username, realm, nonce, method, uri, .. } = *scope;
    let secret = match verifier {
        Verifier::Password(password) => {
            let credentials = Credentials { username: username.to_owned(), password: password.clone() };
            ha1(algorithm, &credentials, realm)
        }
        Verifier::Ha1 { algorithm: made_for, digits } if made_for.same_hash(algorithm) => digits.expose().to_owned(),
        Verifier::Ha1 { .. } => return None,
    };
    let cnonce = scope.protection.map_or(scope.cnonce, |protection| &protection.cnonce);
    let key = match algorithm {
        Algorithm::Md5Sess => algorithm.hash(&format!("{secret}:{nonce}:{cnonce}")),
        Algorithm::Md5 | Algorithm::Sha256 => secret,
    };
    let request = algorithm.hash(&format!("{method}:{uri}"));
    Some(algorithm.hash(&match scope.protection {
        Some(Protection { count_text, cnonce, .. }) => format!("{key}:{nonce}:{count_text}:{cnonce}:auth:{request}"),
        None => format!("{key}:{nonce}:{request}"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Password;

    fn scope<'a>(algorithm: Algorithm, protection: Option<&'a Protection>) -> Scope<'a> {
        Scope {
            algorithm,
            username: "Mufasa",
            realm: "testrealm@host.com",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            method: "GET",
            uri: "/dir/index.html",
            protection,
            cnonce: "0a4f113b",
        }
    }

    fn password(text: &str) -> Verifier {
        Verifier::Password(Password::new(text))
    }

    #[test]
    fn rfc_2617_example_cwmp_050() {
        let protection = Protection { count: 1, count_text: "00000001".to_owned(), cnonce: "0a4f113b".to_owned() };
        let got = response(&scope(Algorithm::Md5, Some(&protection)), &password("Circle Of Life"));
        assert_eq!(got.as_deref(), Some("6629fae49393a05397450978507c4ef1"));
    }

    #[test]
    fn rfc_7616_examples_cwmp_050_cwmp_051() {
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".to_owned();
        let protection = Protection { count: 1, count_text: "00000001".to_owned(), cnonce };
        let expected = [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        for (algorithm, digits) in expected {
            let scope = Scope {
                realm: "http-auth@example.org",
                nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                ..scope(algorithm, Some(&protection))
            };
            assert_eq!(response(&scope, &password("Circle of Life")).as_deref(), Some(digits), "{algorithm:?}");
        }
    }

    #[test]
    fn rfc_2069_form_cwmp_054() {
        // RFC 2069 section 2.4 with the value of its errata.
        let got = response(&scope(Algorithm::Md5, None), &password("CircleOfLife"));
        assert_eq!(got.as_deref(), Some("1949323746fe6a43ef61f9606e7febea"));
    }

    #[test]
    fn a_stored_hash_serves_as_the_password_does() {
        let credentials = Credentials { username: "Mufasa".to_owned(), password: Password::new("Circle Of Life") };
        let protection = Protection { count: 1, count_text: "00000001".to_owned(), cnonce: "0a4f113b".to_owned() };
        for algorithm in Algorithm::ALL {
            let scope = scope(algorithm, Some(&protection));
            let stored = Password::new(ha1(algorithm, &credentials, scope.realm));
            let by_hash = response(&scope, &Verifier::Ha1 { algorithm, digits: stored.clone() });
            assert_eq!(by_hash, response(&scope, &password("Circle Of Life")), "{algorithm:?}");
            let other = if algorithm == Algorithm::Sha256 { Algorithm::Md5 } else { Algorithm::Sha256 };
            assert_eq!(response(&scope, &Verifier::Ha1 { algorithm: other, digits: stored }), None);
        }
    }
}
