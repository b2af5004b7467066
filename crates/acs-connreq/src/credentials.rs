use acs_proto::WakeRequest;
use cwmp_session::auth::{self, Challenge, DigestRequest, OfferedChallenge, Password, parse_challenges, respond};

/// Answers the challenges of one device during one wake (CWMP-411, CWMP-412).
pub(crate) struct Credentials {
    secret: auth::Credentials,
    allow_basic: bool,
    uri: String,
    sent: Sent,
}

/// Why a challenge is not answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The device has seen the credentials and refuses them.
    Wrong,
    /// They were not sent, and will not be.
    Impossible(&'static str),
}

/// What the device has seen already. Each step is taken once, so a device that always says 401 ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Nothing,
    Basic,
    Digest { after_stale: bool, uri_is_root: bool },
}

impl Credentials {
    /// `uri` is what stands in the request line.
    pub(crate) fn new(request: &WakeRequest, uri: &str) -> Self {
        let password = Password::new(request.password.reveal());
        Self {
            secret: auth::Credentials { username: request.username.clone(), password },
            allow_basic: request.allow_basic,
            uri: uri.to_owned(),
            sent: Sent::Nothing,
        }
    }

    /// The `Authorization` for the next request, after a 401 with these `WWW-Authenticate` headers. Digest goes before
    /// Basic; among several algorithms the device's first counts.
    pub(crate) fn answer<'h>(&mut self, headers: impl Iterator<Item = &'h str>) -> Result<String, NoAnswer> {
        if self.secret.username.is_empty() && self.secret.password.expose().is_empty() {
            return Err(NoAnswer::Impossible("the device asks for credentials, and none are known for it"));
        }
        let mut basic = false;
        for offered in headers.flat_map(parse_challenges) {
            match offered {
                OfferedChallenge::Digest(challenge) => return self.digest(&challenge),
                OfferedChallenge::Basic { .. } => basic = true,
            }
        }
        match self.sent {
            Sent::Nothing if basic && self.allow_basic => {
                self.sent = Sent::Basic;
                Ok(auth::basic_authorization(&self.secret))
            }
            Sent::Nothing if basic => {
                Err(NoAnswer::Impossible("the device offers only Basic, which is not allowed for it"))
            }
            Sent::Nothing => {
                Err(NoAnswer::Impossible("the device answered 401 without a challenge that can be answered"))
            }
            Sent::Basic | Sent::Digest { .. } => Err(NoAnswer::Wrong),
        }
    }

    fn digest(&mut self, challenge: &Challenge) -> Result<String, NoAnswer> {
        let root_is_another = self.uri != "/";
        let next = match self.sent {
            Sent::Nothing => Sent::Digest { after_stale: false, uri_is_root: false },
            // Only the nonce was too old.
            Sent::Digest { after_stale: false, uri_is_root } if challenge.stale => {
                Sent::Digest { after_stale: true, uri_is_root }
            }
            // Some CPEs compute with `/` whatever the path is (quirks.md).
            Sent::Digest { after_stale, uri_is_root: false } if root_is_another => {
                Sent::Digest { after_stale, uri_is_root: true }
            }
            Sent::Basic | Sent::Digest { .. } => return Err(NoAnswer::Wrong),
        };
        self.sent = next;
        let uri = if matches!(next, Sent::Digest { uri_is_root: true, .. }) { "/" } else { &self.uri };
        let cnonce = format!("{:016x}", rand::random::<u64>());
        Ok(respond(challenge, &self.secret, &DigestRequest { method: "GET", uri, cnonce: &cnonce, count: 1 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(username: &str, allow_basic: bool, uri: &str) -> Credentials {
        let request = WakeRequest {
            device: "00AABB-1".parse().unwrap(),
            url: String::new(),
            username: username.into(),
            password: username.to_owned().into(),
            allow_basic,
        };
        Credentials::new(&request, uri)
    }

    fn uri_of(answer: Result<String, NoAnswer>) -> String {
        let answer = answer.expect("an answer");
        answer.split("uri=\"").nth(1).expect(&answer).split('"').next().unwrap_or_default().to_owned()
    }

    const DIGEST: &str = r#"Digest realm="r", nonce="n", qop="auth""#;
    const STALE: &str = r#"Digest realm="r", nonce="n2", qop="auth", stale=true"#;

    #[test]
    fn the_path_then_the_root_then_no_more() {
        let mut some = credentials("u", false, "/cr");
        assert_eq!(uri_of(some.answer([DIGEST].into_iter())), "/cr");
        assert_eq!(uri_of(some.answer([DIGEST].into_iter())), "/");
        assert_eq!(some.answer([DIGEST].into_iter()), Err(NoAnswer::Wrong));
        let mut root = credentials("u", false, "/");
        assert_eq!(uri_of(root.answer([DIGEST].into_iter())), "/");
        assert_eq!(root.answer([DIGEST].into_iter()), Err(NoAnswer::Wrong));
    }

    #[test]
    fn a_stale_nonce_is_replaced_once() {
        let mut some = credentials("u", false, "/");
        assert!(some.answer([DIGEST].into_iter()).is_ok());
        assert!(some.answer([STALE].into_iter()).unwrap().contains(r#"nonce="n2""#));
        assert_eq!(some.answer([STALE].into_iter()), Err(NoAnswer::Wrong));
    }

    // CWMP-412
    #[test]
    fn basic_goes_only_where_it_is_allowed_and_after_digest() {
        let basic = r#"Basic realm="r""#;
        assert!(matches!(credentials("u", false, "/").answer([basic].into_iter()), Err(NoAnswer::Impossible(_))));
        let mut allowed = credentials("u", true, "/");
        assert_eq!(allowed.answer([basic].into_iter()), Ok("Basic dTp1".into()));
        assert_eq!(allowed.answer([basic].into_iter()), Err(NoAnswer::Wrong));
        assert!(credentials("u", true, "/").answer([basic, DIGEST].into_iter()).unwrap().starts_with("Digest"));
    }

    #[test]
    fn nothing_is_sent_without_credentials_or_challenge() {
        assert!(matches!(credentials("", true, "/").answer([DIGEST].into_iter()), Err(NoAnswer::Impossible(_))));
        assert!(matches!(credentials("u", true, "/").answer([].into_iter()), Err(NoAnswer::Impossible(_))));
    }
}
