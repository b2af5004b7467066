use data_encoding::{BASE64, BASE64_NOPAD};

use super::credentials::equal;
use super::parameters::quoted;
use super::{Credentials, Password, Verifier, ha1};

/// The value of a `WWW-Authenticate` header that asks for Basic (CWMP-041).
pub fn basic_challenge(realm: &str) -> String {
    format!("Basic realm={}", quoted(realm))
}

/// The value of an `Authorization` header with Basic credentials.
pub fn basic_authorization(credentials: &Credentials) -> String {
    let pair = format!("{}:{}", credentials.username, credentials.password.expose());
    format!("Basic {}", BASE64.encode(pair.as_bytes()))
}

/// Whether `presented` holds the secret; its user name is the caller's to look at. `realm` is the one that a stored hash was
/// made for.
pub fn verify_basic(presented: &Credentials, verifier: &Verifier, realm: &str) -> bool {
    match verifier {
        Verifier::Password(password) => presented.password == *password,
        Verifier::Ha1 { algorithm, digits } => equal(&ha1(*algorithm, presented, realm), digits.expose()),
    }
}

/// `user:password` in base64, UTF-8 or Latin-1, with or without padding.
pub(super) fn parse_basic(text: &str) -> Option<Credentials> {
    let bytes = BASE64_NOPAD.decode(text.trim().trim_end_matches('=').as_bytes()).ok()?;
    let pair = match String::from_utf8(bytes) {
        Ok(pair) => pair,
        Err(error) => error.into_bytes().into_iter().map(char::from).collect(),
    };
    let (username, password) = pair.split_once(':')?;
    Some(Credentials { username: username.to_owned(), password: Password::new(password) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Algorithm;

    fn credentials(username: &str, password: &str) -> Credentials {
        Credentials { username: username.to_owned(), password: Password::new(password) }
    }

    #[test]
    fn what_is_written_is_read_back_cwmp_042() {
        for (username, password) in [("user", "a:b"), ("", ""), ("\u{fc}", "\u{20ac}")] {
            let header = basic_authorization(&credentials(username, password));
            assert_eq!(parse_basic(header.strip_prefix("Basic ").unwrap()), Some(credentials(username, password)));
        }
    }

    #[test]
    fn latin_1_and_missing_padding_are_read() {
        assert_eq!(parse_basic("/Dpw"), Some(credentials("\u{fc}", "p")));
        assert_eq!(parse_basic("YTpiYw"), Some(credentials("a", "bc")));
        assert_eq!(parse_basic("YWJj"), None);
        assert_eq!(parse_basic("!"), None);
    }

    #[test]
    fn password_and_stored_hash_decide_alike() {
        let right = credentials("user", "secret");
        let digits = Password::new(ha1(Algorithm::Md5, &right, "acs"));
        for verifier in
            [Verifier::Password(Password::new("secret")), Verifier::Ha1 { algorithm: Algorithm::Md5, digits }]
        {
            assert!(verify_basic(&right, &verifier, "acs"));
            assert!(!verify_basic(&credentials("user", "wrong"), &verifier, "acs"));
        }
    }

    #[test]
    fn the_challenge_names_the_realm_cwmp_041() {
        assert_eq!(basic_challenge("a\"b"), "Basic realm=\"a\\\"b\"");
    }
}
