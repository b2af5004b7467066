use super::digest::{Scope, response};
use super::parameters::{Element, elements, quoted};
use super::{Algorithm, Credentials, Protection, Verifier};

/// A Digest challenge: one that the ACS makes, or one that it got from a CPE.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// `realm`.
    pub realm: String,
    /// `nonce`.
    pub nonce: String,
    /// `algorithm`; absent is MD5.
    pub algorithm: Algorithm,
    /// Whether `algorithm` is named in the header; the answer repeats it then.
    pub algorithm_named: bool,
    /// `qop` offers `auth`.
    pub qop_auth: bool,
    /// `opaque`, to be sent back.
    pub opaque: Option<String>,
    /// `stale`: only the nonce was wrong.
    pub stale: bool,
}

impl Challenge {
    /// The challenge of the ACS: `qop="auth"` and a named algorithm (CWMP-050), without `opaque`.
    pub fn new(realm: &str, nonce: &str, algorithm: Algorithm, stale: bool) -> Self {
        Self {
            realm: realm.to_owned(),
            nonce: nonce.to_owned(),
            algorithm,
            algorithm_named: true,
            qop_auth: true,
            opaque: None,
            stale,
        }
    }

    /// The value of its `WWW-Authenticate` header.
    pub fn to_header(&self) -> String {
        let mut header = format!("Digest realm={}, nonce={}", quoted(&self.realm), quoted(&self.nonce));
        if self.qop_auth {
            header.push_str(", qop=\"auth\"");
        }
        if self.algorithm_named {
            header.push_str(", algorithm=");
            header.push_str(self.algorithm.as_str());
        }
        if let Some(opaque) = &self.opaque {
            header.push_str(", opaque=");
            header.push_str(&quoted(opaque));
        }
        if self.stale {
            header.push_str(", stale=true");
        }
        header
    }
}

/// A challenge of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferedChallenge {
    /// Digest.
    Digest(Challenge),
    /// Basic.
    Basic {
        /// Its realm; empty if it names none.
        realm: String,
    },
}

/// The challenges of one `WWW-Authenticate` header that can be answered, in its order: Basic, and Digest with a known
/// algorithm and with `qop` either absent or offering `auth`. Commas may be missing.
pub fn parse_challenges(header: &str) -> Vec<OfferedChallenge> {
    let mut offered = Vec::new();
    let mut scheme = String::new();
    let mut parameters = Vec::new();
    for element in elements(header) {
        match element {
            Element::Parameter(name, value) => parameters.push((name, value)),
            Element::Scheme(next) => {
                offered.extend(offer(&scheme, &parameters));
                parameters.clear();
                scheme = next;
            }
        }
    }
    offered.extend(offer(&scheme, &parameters));
    offered
}

fn offer(scheme: &str, parameters: &[(String, String)]) -> Option<OfferedChallenge> {
    let value = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let realm = value("realm").unwrap_or_default();
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(OfferedChallenge::Basic { realm });
    }
    if !scheme.eq_ignore_ascii_case("digest") {
        return None;
    }
    let algorithm = value("algorithm");
    let qop = value("qop").filter(|qop| !qop.trim().is_empty());
    let qop_auth = qop.as_deref().is_some_and(offers_auth);
    if qop.is_some() && !qop_auth {
        return None;
    }
    Some(OfferedChallenge::Digest(Challenge {
        realm,
        nonce: value("nonce")?,
        algorithm_named: algorithm.is_some(),
        algorithm: algorithm.map_or(Some(Algorithm::Md5), |name| Algorithm::parse(&name))?,
        qop_auth,
        opaque: value("opaque"),
        stale: value("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
    }))
}

fn offers_auth(qop: &str) -> bool {
    qop.split([',', ' ']).any(|token| token.trim().eq_ignore_ascii_case("auth"))
}

/// The request that an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestRequest<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// What goes into the digest and the `uri` parameter: the request target, as a rule.
    pub uri: &'a str,
    /// Random text of the client.
    pub cnonce: &'a str,
    /// How many requests with this nonce, this one included.
    pub count: u32,
}

/// The value of the `Authorization` header that answers `challenge`. `qop`, `nc` and `cnonce` are left out where the
/// challenge offers no `qop`; `opaque` and `algorithm` come back as they were (CWMP-411).
pub fn respond(challenge: &Challenge, credentials: &Credentials, request: &DigestRequest<'_>) -> String {
    let Challenge { realm, nonce, algorithm, .. } = challenge;
    let protection = challenge.qop_auth.then(|| Protection {
        count: request.count,
        count_text: format!("{:08x}", request.count),
        cnonce: request.cnonce.to_owned(),
    });
    let scope = Scope {
        algorithm: *algorithm,
        username: &credentials.username,
        realm,
        nonce,
        method: request.method,
        uri: request.uri,
        protection: protection.as_ref(),
        cnonce: request.cnonce,
    };
    // A password serves every hash, so there is always a response.
    let digits = response(&scope, &Verifier::Password(credentials.password.clone())).unwrap_or_default();
    let mut header = format!(
        "Digest username={}, realm={}, nonce={}, uri={}, response=\"{digits}\"",
        quoted(&credentials.username),
        quoted(realm),
        quoted(nonce),
        quoted(request.uri),
    );
    if challenge.algorithm_named {
        header.push_str(", algorithm=");
        header.push_str(algorithm.as_str());
    }
    match &protection {
        Some(Protection { count_text, cnonce, .. }) => {
            header.push_str(&format!(", qop=auth, nc={count_text}, cnonce={}", quoted(cnonce)));
        }
        // The session key is made with it, so the server needs it.
        None if *algorithm == Algorithm::Md5Sess => header.push_str(&format!(", cnonce={}", quoted(request.cnonce))),
        None => {}
    }
    if let Some(opaque) = &challenge.opaque {
        header.push_str(", opaque=");
        header.push_str(&quoted(opaque));
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Password;

    fn credentials() -> Credentials {
        Credentials { username: "Mufasa".to_owned(), password: Password::new("Circle Of Life") }
    }

    const REQUEST: DigestRequest<'_> =
        DigestRequest { method: "GET", uri: "/dir/index.html", cnonce: "0a4f113b", count: 1 };

    #[test]
    fn what_the_acs_offers_is_read_back_cwmp_050() {
        for (algorithm, stale) in [(Algorithm::Md5, false), (Algorithm::Sha256, true)] {
            let challenge = Challenge::new("acs \"1\"", "abc", algorithm, stale);
            assert_eq!(parse_challenges(&challenge.to_header()), [OfferedChallenge::Digest(challenge)]);
        }
        let header = Challenge::new("acs", "n", Algorithm::Md5, true).to_header();
        assert_eq!(header, r#"Digest realm="acs", nonce="n", qop="auth", algorithm=MD5, stale=true"#);
    }

    #[test]
    fn challenges_without_commas_are_read_cwmp_411() {
        let header = r#"Digest realm="cpe" nonce="n" qop="auth-int,auth" opaque="o" algorithm="MD5-sess""#;
        let [OfferedChallenge::Digest(challenge)] = &parse_challenges(header)[..] else { panic!("{header}") };
        assert_eq!((challenge.algorithm, challenge.qop_auth), (Algorithm::Md5Sess, true));
        assert_eq!(challenge.opaque.as_deref(), Some("o"));
    }

    #[test]
    fn several_challenges_in_one_header_are_told_apart() {
        let header =
            r#"Basic realm="b", Digest realm="d", nonce="1", algorithm=SHA-512-256, Digest realm="d", nonce="2""#;
        let realms: Vec<_> = parse_challenges(header)
            .into_iter()
            .map(|offered| match offered {
                OfferedChallenge::Basic { realm } => realm,
                OfferedChallenge::Digest(challenge) => challenge.nonce,
            })
            .collect();
        assert_eq!(realms, ["b", "2"]);
        assert_eq!(parse_challenges("Negotiate abc=="), []);
        assert_eq!(parse_challenges("Digest realm=x, nonce=y, qop=auth-int"), []);
    }

    #[test]
    fn the_answer_repeats_opaque_and_algorithm_cwmp_411() {
        let challenge = Challenge {
            realm: "testrealm@host.com".to_owned(),
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093".to_owned(),
            qop_auth: true,
            opaque: Some("5ccc069c403ebaf9f0171e9517f40e41".to_owned()),
            ..Challenge::default()
        };
        let header = respond(&challenge, &credentials(), &REQUEST);
        assert!(header.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{header}");
        assert!(header.contains("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""), "{header}");
        assert!(header.contains("qop=auth, nc=00000001, cnonce=\"0a4f113b\""), "{header}");
        assert!(!header.contains("algorithm"), "{header}");
        let named = Challenge { algorithm_named: true, ..challenge };
        assert!(respond(&named, &credentials(), &REQUEST).contains("algorithm=MD5"));
    }

    #[test]
    fn without_qop_its_fields_are_left_out_cwmp_411() {
        let challenge = Challenge { realm: "r".to_owned(), nonce: "n".to_owned(), ..Challenge::default() };
        let header = respond(&challenge, &credentials(), &REQUEST);
        for field in ["qop", "nc=", "cnonce", "opaque", "algorithm"] {
            assert!(!header.contains(field), "{header}");
        }
    }
}
