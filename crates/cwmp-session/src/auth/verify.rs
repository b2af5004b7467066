use cwmp_model::Timestamp;

use super::credentials::equal;
use super::digest::{Scope, response};
use super::{Admission, Algorithm, CheckedNonce, DigestAnswer, Nonce, NonceKey, ReplayWindow, RequestTarget, Verifier};

/// What the ACS asks of Digest answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestRules {
    /// The realm it challenges with.
    pub realm: String,
    /// The algorithms it takes.
    pub algorithms: Vec<Algorithm>,
    /// Take the form of RFC 2069, by a per-model switch only (CWMP-054).
    pub allow_without_qop: bool,
    /// Take `uri=""`, by a per-model switch only.
    pub allow_empty_uri: bool,
}

/// What the ACS knows of its nonces.
#[derive(Debug)]
pub struct Nonces<'a> {
    /// Every key that may have signed one.
    pub keys: &'a [NonceKey],
    /// What was used at this front-end.
    pub window: &'a mut ReplayWindow,
}

/// What is to be done about a Digest answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestVerdict {
    /// It is right. The pair (nonce, nc) is used up here; other front-ends are the caller's to tell.
    Accepted,
    /// It is right but for its nonce: challenge again with `stale=true` (CWMP-052). No failed attempt.
    Stale,
    /// It is wrong: challenge again, and count a failed attempt (CWMP-062, CWMP-064).
    Refused(DigestRefusal),
}

/// Why a Digest answer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DigestRefusal {
    /// The nonce is none of ours.
    #[error("the nonce is not one of this ACS")]
    Nonce,
    /// Another realm.
    #[error("the realm is not that of this ACS")]
    Realm,
    /// An algorithm that was not offered.
    #[error("the algorithm was not offered")]
    Algorithm,
    /// The form of RFC 2069 (CWMP-054).
    #[error("the answer has no qop; allow it for the model if the device knows no other form")]
    WithoutQop,
    /// The `uri` is not that of the request (CWMP-053).
    #[error("the uri is not that of the request")]
    Uri,
    /// The secret is another.
    #[error("the response does not match the secret")]
    Response,
}

impl DigestRules {
    /// MD5 only and no leniency: what works with most devices (CWMP-050, CWMP-051).
    pub fn new(realm: impl Into<String>) -> Self {
        Self { realm: realm.into(), algorithms: vec![Algorithm::Md5], allow_without_qop: false, allow_empty_uri: false }
    }

    /// Decides about `answer` to a request with this method and target. The nonce is looked at first, so that guesses cost
    /// next to nothing, its age and use last, so that `stale=true` tells nothing to who does not know the secret.
    pub fn check(
        &self,
        answer: &DigestAnswer,
        method: &str,
        target: RequestTarget<'_>,
        verifier: &Verifier,
        nonces: Nonces<'_>,
        now: Timestamp,
    ) -> DigestVerdict {
        let nonce = NonceKey::check(nonces.keys, &answer.nonce, now);
        if nonce == Nonce::Forged {
            return DigestVerdict::Refused(DigestRefusal::Nonce);
        }
        if let Err(refusal) = self.check_answer(answer, method, target, verifier) {
            return DigestVerdict::Refused(refusal);
        }
        match nonce {
            Nonce::Fresh(nonce) => use_up(answer, nonce, nonces.window),
            Nonce::Stale | Nonce::Forged => DigestVerdict::Stale,
        }
    }

    fn check_answer(
        &self,
        answer: &DigestAnswer,
        method: &str,
        target: RequestTarget<'_>,
        verifier: &Verifier,
    ) -> Result<(), DigestRefusal> {
        if answer.realm != self.realm {
            return Err(DigestRefusal::Realm);
        }
        if !self.algorithms.contains(&answer.algorithm) {
            return Err(DigestRefusal::Algorithm);
        }
        if answer.protection.is_none() && !self.allow_without_qop {
            return Err(DigestRefusal::WithoutQop);
        }
        let forgiven = answer.uri.is_empty() && self.allow_empty_uri;
        if !forgiven && !target.is_meant_by(&answer.uri) {
            return Err(DigestRefusal::Uri);
        }
        let scope = Scope {
            algorithm: answer.algorithm,
            username: &answer.username,
            realm: &answer.realm,
            nonce: &answer.nonce,
            method,
            uri: &answer.uri,
            protection: answer.protection.as_ref(),
            cnonce: &answer.cnonce,
        };
        let expected = response(&scope, verifier).ok_or(DigestRefusal::Algorithm)?;
        if equal(&expected, &answer.response.to_ascii_lowercase()) { Ok(()) } else { Err(DigestRefusal::Response) }
    }
}

fn use_up(answer: &DigestAnswer, nonce: CheckedNonce, window: &mut ReplayWindow) -> DigestVerdict {
    let count = answer.protection.as_ref().map_or(0, |protection| protection.count);
    match window.admit(nonce, count) {
        Admission::New => DigestVerdict::Accepted,
        Admission::Repeated => DigestVerdict::Stale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Authorization, Challenge, Credentials, DigestRequest, Password, parse_authorization, respond};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const REQUEST: RequestTarget<'_> = RequestTarget { target: "/cwmp", host: Some("acs.example") };

    struct Server {
        rules: DigestRules,
        keys: [NonceKey; 1],
        window: ReplayWindow,
        verifier: Verifier,
    }

    impl Server {
        fn new() -> Self {
            Self {
                rules: DigestRules::new("acs"),
                keys: [NonceKey::new([3; 32])],
                window: ReplayWindow::new(8),
                verifier: Verifier::Password(Password::new("secret")),
            }
        }

        fn challenge(&self, random: u8) -> Challenge {
            Challenge::new("acs", &self.keys[0].issue(NOW, [random; 8]), Algorithm::Md5, false)
        }

        fn check(&mut self, header: &str, now: Timestamp) -> DigestVerdict {
            let Ok(Authorization::Digest(answer)) = parse_authorization(header) else { panic!("{header}") };
            let nonces = Nonces { keys: &self.keys, window: &mut self.window };
            self.rules.check(&answer, "POST", REQUEST, &self.verifier, nonces, now)
        }
    }

    fn answer(challenge: &Challenge, uri: &str, count: u32) -> String {
        let credentials = Credentials { username: "cpe".to_owned(), password: Password::new("secret") };
        respond(challenge, &credentials, &DigestRequest { method: "POST", uri, cnonce: "c", count })
    }

    fn refused(refusal: DigestRefusal) -> DigestVerdict {
        DigestVerdict::Refused(refusal)
    }

    #[test]
    fn the_right_answer_is_accepted_and_its_repeat_is_stale_cwmp_052() {
        let mut server = Server::new();
        let challenge = server.challenge(1);
        let first = answer(&challenge, "/cwmp", 1);
        assert_eq!(server.check(&first, NOW), DigestVerdict::Accepted);
        assert_eq!(server.check(&first, NOW), DigestVerdict::Stale, "the pair is used up");
        assert_eq!(server.check(&answer(&challenge, "/cwmp", 2), NOW), DigestVerdict::Accepted);
    }

    #[test]
    fn an_old_nonce_is_stale_only_for_who_knows_the_secret_cwmp_052() {
        let mut server = Server::new();
        let later = NOW.plus(crate::auth::NONCE_LIFE * 2);
        let header = answer(&server.challenge(1), "/cwmp", 1);
        assert_eq!(server.check(&header, later), DigestVerdict::Stale);
        server.verifier = Verifier::Password(Password::new("other"));
        assert_eq!(server.check(&header, later), refused(DigestRefusal::Response));
    }

    #[test]
    fn every_field_counts_cwmp_052() {
        let mut server = Server::new();
        let challenge = server.challenge(1);
        let good = answer(&challenge, "/cwmp", 1);
        let other_nonce = Challenge { nonce: NonceKey::new([4; 32]).issue(NOW, [1; 8]), ..challenge.clone() };
        let other_realm = Challenge { realm: "other".to_owned(), ..challenge.clone() };
        let other_algorithm = Challenge { algorithm: Algorithm::Sha256, ..challenge.clone() };
        let cases = [
            (answer(&other_nonce, "/cwmp", 1), DigestRefusal::Nonce),
            (answer(&other_realm, "/cwmp", 1), DigestRefusal::Realm),
            (answer(&other_algorithm, "/cwmp", 1), DigestRefusal::Algorithm),
            (answer(&challenge, "/other", 1), DigestRefusal::Uri),
            (good.replace("nc=00000001", "nc=00000002"), DigestRefusal::Response),
            (good.replace("cnonce=\"c\"", "cnonce=\"d\""), DigestRefusal::Response),
            (good.replace("username=\"cpe\"", "username=\"cpf\""), DigestRefusal::Response),
        ];
        for (header, refusal) in cases {
            assert_eq!(server.check(&header, NOW), refused(refusal), "{header}");
        }
        assert_eq!(server.check(&good, NOW), DigestVerdict::Accepted, "refused ones use nothing up");
    }

    #[test]
    fn the_absolute_form_of_the_target_is_accepted_cwmp_053() {
        let mut server = Server::new();
        let header = answer(&server.challenge(1), "http://acs.example/cwmp", 1);
        assert_eq!(server.check(&header, NOW), DigestVerdict::Accepted);
    }

    #[test]
    fn an_empty_uri_needs_a_switch_cwmp_053() {
        let mut server = Server::new();
        let header = answer(&server.challenge(1), "", 1);
        assert_eq!(server.check(&header, NOW), refused(DigestRefusal::Uri));
        server.rules.allow_empty_uri = true;
        assert_eq!(server.check(&header, NOW), DigestVerdict::Accepted);
    }

    #[test]
    fn the_form_of_rfc_2069_needs_a_switch_and_serves_once_cwmp_054() {
        let mut server = Server::new();
        let header = answer(&Challenge { qop_auth: false, ..server.challenge(1) }, "/cwmp", 1);
        assert_eq!(server.check(&header, NOW), refused(DigestRefusal::WithoutQop));
        server.rules.allow_without_qop = true;
        assert_eq!(server.check(&header, NOW), DigestVerdict::Accepted);
        assert_eq!(server.check(&header, NOW), DigestVerdict::Stale);
    }

    #[test]
    fn sha_256_by_configuration_cwmp_051() {
        let mut server = Server::new();
        let challenge = Challenge { algorithm: Algorithm::Sha256, ..server.challenge(1) };
        server.rules.algorithms.push(Algorithm::Sha256);
        assert_eq!(server.check(&answer(&challenge, "/cwmp", 1), NOW), DigestVerdict::Accepted);
        let digits = Password::new("0".repeat(32));
        server.verifier = Verifier::Ha1 { algorithm: Algorithm::Md5, digits };
        let verdict = server.check(&answer(&challenge, "/cwmp", 2), NOW);
        assert_eq!(verdict, refused(DigestRefusal::Algorithm), "an MD5 hash cannot verify it");
    }

    /// A device that uses one nonce for ever with `nc=00000001` is challenged again each time, and gets in each time.
    #[test]
    fn a_device_that_reuses_a_nonce_recovers_cwmp_052() {
        let mut server = Server::new();
        let old = server.challenge(1);
        assert_eq!(server.check(&answer(&old, "/cwmp", 1), NOW), DigestVerdict::Accepted);
        for random in 2..5 {
            assert_eq!(server.check(&answer(&old, "/cwmp", 1), NOW), DigestVerdict::Stale);
            let new = server.challenge(random);
            assert_eq!(server.check(&answer(&new, "/cwmp", 1), NOW), DigestVerdict::Accepted);
        }
    }
}
