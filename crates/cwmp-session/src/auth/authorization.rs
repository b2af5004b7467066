use super::basic::parse_basic;
use super::parameters::{Element, HEADER_BYTES_MAX, elements};
use super::{Algorithm, Credentials};

/// A parsed `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Basic (RFC 7617).
    Basic(Credentials),
    /// Digest (RFC 7616).
    Digest(Box<DigestAnswer>),
}

/// The answer to a Digest challenge, as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestAnswer {
    /// `username`.
    pub username: String,
    /// `realm`.
    pub realm: String,
    /// `nonce`.
    pub nonce: String,
    /// `uri`.
    pub uri: String,
    /// `response`: hexadecimal digits.
    pub response: String,
    /// `algorithm`; absent is MD5.
    pub algorithm: Algorithm,
    /// `nc` and `cnonce` with `qop=auth`; `None` is the form of RFC 2069.
    pub protection: Option<Protection>,
    /// `cnonce` where there is no `qop`; empty if absent.
    pub cnonce: String,
}

/// What comes with `qop=auth`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// `nc`.
    pub count: u32,
    /// `nc` as sent: it goes into the digest.
    pub count_text: String,
    /// `cnonce`.
    pub cnonce: String,
}

/// Why an `Authorization` header is none. It counts as a failed attempt, never as a crash; its text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    /// Over [`HEADER_BYTES_MAX`].
    #[error("the Authorization header has more than {HEADER_BYTES_MAX} bytes")]
    TooLong,
    /// Neither Basic nor Digest.
    #[error("the Authorization header is neither Basic nor Digest")]
    Scheme,
    /// Basic without valid base64 or without colon.
    #[error("the Basic credentials cannot be decoded")]
    Basic,
    /// A Digest parameter is not there.
    #[error("the Digest answer has no {0}")]
    Missing(&'static str),
    /// A Digest parameter is there twice.
    #[error("the Digest answer has {0} twice")]
    Twice(&'static str),
    /// A value that is not understood.
    #[error("the Digest answer has a {0} that is not supported")]
    Unsupported(&'static str),
}

/// Reads the value of an `Authorization` header.
pub fn parse_authorization(header: &str) -> Result<Authorization, AuthorizationError> {
    if header.len() > HEADER_BYTES_MAX {
        return Err(AuthorizationError::TooLong);
    }
    let header = header.trim();
    let (scheme, rest) = header.split_once(|c: char| c.is_whitespace()).unwrap_or((header, ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return parse_basic(rest).map(Authorization::Basic).ok_or(AuthorizationError::Basic);
    }
    if scheme.eq_ignore_ascii_case("digest") {
        return parse_digest(rest).map(|answer| Authorization::Digest(Box::new(answer)));
    }
    Err(AuthorizationError::Scheme)
}

fn parse_digest(text: &str) -> Result<DigestAnswer, AuthorizationError> {
    let mut fields = Fields(elements(text));
    let algorithm = fields.take("algorithm")?.map_or(Some(Algorithm::Md5), |name| Algorithm::parse(&name));
    let qop = fields.take("qop")?;
    let cnonce = fields.take("cnonce")?;
    let protection = match qop.as_deref() {
        None | Some("") => None,
        Some(qop) if qop.eq_ignore_ascii_case("auth") => {
            let cnonce = cnonce.clone().ok_or(AuthorizationError::Missing("cnonce"))?;
            Some(protection(fields.need("nc")?, cnonce)?)
        }
        Some(_) => return Err(AuthorizationError::Unsupported("qop")),
    };
    Ok(DigestAnswer {
        username: fields.need("username")?,
        realm: fields.need("realm")?,
        nonce: fields.need("nonce")?,
        uri: fields.need("uri")?,
        response: fields.need("response")?,
        algorithm: algorithm.ok_or(AuthorizationError::Unsupported("algorithm"))?,
        cnonce: if protection.is_some() { String::new() } else { cnonce.unwrap_or_default() },
        protection,
    })
}

fn protection(count_text: String, cnonce: String) -> Result<Protection, AuthorizationError> {
    let digits = (1..=8).contains(&count_text.len()) && count_text.bytes().all(|b| b.is_ascii_hexdigit());
    let count = u32::from_str_radix(&count_text, 16).ok().filter(|_| digits);
    let count = count.ok_or(AuthorizationError::Unsupported("nc"))?;
    Ok(Protection { count, count_text, cnonce })
}

struct Fields(Vec<Element>);

impl Fields {
    fn take(&mut self, wanted: &'static str) -> Result<Option<String>, AuthorizationError> {
        let mut found = self.0.iter_mut().filter_map(|element| match element {
            Element::Parameter(name, value) if name == wanted => Some(value),
            _ => None,
        });
        let first = found.next();
        if found.next().is_some() {
            return Err(AuthorizationError::Twice(wanted));
        }
        Ok(first.map(std::mem::take))
    }

    fn need(&mut self, wanted: &'static str) -> Result<String, AuthorizationError> {
        self.take(wanted)?.ok_or(AuthorizationError::Missing(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Password;

    const DIGEST: &str =
        r#"Digest username="u", realm="r", nonce="n", uri="/", response="00", qop=auth, nc=0000000a, cnonce="c""#;

    fn digest(header: &str) -> DigestAnswer {
        match parse_authorization(header) {
            Ok(Authorization::Digest(answer)) => *answer,
            other => panic!("{header}: {other:?}"),
        }
    }

    #[test]
    fn digest_answers_are_read_cwmp_052() {
        let answer = digest(DIGEST);
        assert_eq!((answer.username.as_str(), answer.uri.as_str(), answer.algorithm), ("u", "/", Algorithm::Md5));
        let protection = answer.protection.unwrap();
        assert_eq!(
            (protection.count, protection.count_text.as_str(), protection.cnonce.as_str()),
            (10, "0000000a", "c")
        );
    }

    #[test]
    fn scheme_and_names_in_any_case_and_quoting() {
        let loose =
            r#"DIGEST UserName=u realm=r nonce=n uri="" response=00 qop="AUTH" nc="0a" cnonce=c algorithm="md5-SESS""#;
        let answer = digest(loose);
        assert_eq!((answer.uri.as_str(), answer.algorithm), ("", Algorithm::Md5Sess));
        assert_eq!(answer.protection.unwrap().count, 10);
    }

    #[test]
    fn the_form_of_rfc_2069_has_no_protection_cwmp_054() {
        let answer = digest(r#"Digest username="u", realm="r", nonce="n", uri="/", response="00", opaque="o""#);
        assert_eq!(answer.protection, None);
    }

    #[test]
    fn what_is_missing_or_ambiguous_is_named_cwmp_052() {
        for field in ["username", "realm", "nonce", "uri", "response", "cnonce", "nc"] {
            let header = DIGEST.replace(&format!(" {field}="), " x=");
            assert_eq!(parse_authorization(&header), Err(AuthorizationError::Missing(field)));
        }
        let twice = format!("{DIGEST}, username=\"v\"");
        assert_eq!(parse_authorization(&twice), Err(AuthorizationError::Twice("username")));
        for (from, to, field) in [
            ("qop=auth", "qop=auth-int", "qop"),
            ("nc=0000000a", "nc=00000000a", "nc"),
            ("nc=0000000a", "nc=+1", "nc"),
            ("nc=0000000a", "nc=xyz", "nc"),
        ] {
            let header = DIGEST.replace(from, to);
            assert_eq!(parse_authorization(&header), Err(AuthorizationError::Unsupported(field)), "{header}");
        }
        let header = format!("{DIGEST}, algorithm=SHA-512-256");
        assert_eq!(parse_authorization(&header), Err(AuthorizationError::Unsupported("algorithm")));
    }

    #[test]
    fn other_schemes_and_long_headers_are_refused() {
        assert_eq!(parse_authorization(""), Err(AuthorizationError::Scheme));
        assert_eq!(parse_authorization("Bearer x"), Err(AuthorizationError::Scheme));
        let edge = format!("Basic {}", "A".repeat(HEADER_BYTES_MAX - 6));
        assert_eq!(parse_authorization(&edge), Err(AuthorizationError::Basic));
        assert_eq!(parse_authorization(&format!("{edge}A")), Err(AuthorizationError::TooLong));
    }

    #[test]
    fn basic_credentials_are_read_cwmp_042() {
        let expected = Credentials { username: "Aladdin".to_owned(), password: Password::new("open sesame") };
        let got = parse_authorization("basic   QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(got, Ok(Authorization::Basic(expected)));
    }
}
