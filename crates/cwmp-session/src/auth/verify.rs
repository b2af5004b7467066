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
