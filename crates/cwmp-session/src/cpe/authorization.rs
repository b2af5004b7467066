use crate::auth::{self, Algorithm, Challenge, Credentials, DigestRequest};

/// What the CPE does about challenges, through one session.
#[derive(Debug)]
pub(super) struct Authorizer {
    credentials: Option<Credentials>,
    target: String,
    cnonce: String,
    scheme: Scheme,
    /// 401s to the message in hand.
    refusals: u32,
}

#[derive(Debug)]
enum Scheme {
    None,
    Basic,
    Digest { challenge: Challenge, count: u32 },
}

/// Challenges to one message: the first one, and one more when the nonce was stale.
const CHALLENGES_MAX: u32 = 2;

impl Authorizer {
    pub(super) fn new(credentials: Option<Credentials>, basic_unasked: bool, target: String, cnonce: String) -> Self {
        let scheme = if basic_unasked && credentials.is_some() { Scheme::Basic } else { Scheme::None };
        Self { credentials, target, cnonce, scheme, refusals: 0 }
    }

    /// The next POSTs go to another URL.
    pub(super) fn retarget(&mut self, target: String) {
        self.target = target;
    }

    /// A message was taken.
    pub(super) fn accepted(&mut self) {
        self.refusals = 0;
    }

    /// Takes a 401; `false` if there is no way on (CWMP-064).
    pub(super) fn challenged(&mut self, headers: &[String]) -> bool {
        self.refusals += 1;
        if self.credentials.is_none() {
            return false;
        }
        let Some((scheme, stale)) = choose(headers) else { return false };
        let answered_before = match &self.scheme {
            Scheme::None => false,
            // Basic was refused, but Digest is asked for.
            Scheme::Basic => matches!(scheme, Scheme::Basic),
            Scheme::Digest { .. } => !stale,
        };
        self.scheme = scheme;
        self.refusals <= CHALLENGES_MAX && !(answered_before && self.refusals > 1)
    }

    /// The header for the next POST (CWMP-044).
    pub(super) fn header(&mut self) -> Option<String> {
        let credentials = self.credentials.as_ref()?;
        match &mut self.scheme {
            Scheme::None => None,
            Scheme::Basic => Some(auth::basic_authorization(credentials)),
            Scheme::Digest { challenge, count } => {
                *count += 1;
                let request = DigestRequest { method: "POST", uri: &self.target, cnonce: &self.cnonce, count: *count };
                Some(auth::respond(challenge, credentials, &request))
            }
        }
    }
}

/// The strongest challenge that is understood.
fn choose(headers: &[String]) -> Option<(Scheme, bool)> {
    let challenges: Vec<_> = headers.iter().flat_map(|header| auth::parse_challenges(header)).collect();
    let digests = challenges.iter().filter_map(|challenge| match challenge {
        auth::OfferedChallenge::Digest(challenge) => Some(challenge),
        auth::OfferedChallenge::Basic { .. } => None,
    });
    if let Some(challenge) = digests.max_by_key(|challenge| strength(challenge.algorithm)) {
        return Some((Scheme::Digest { challenge: challenge.clone(), count: 0 }, challenge.stale));
    }
    (!challenges.is_empty()).then_some((Scheme::Basic, false))
}

const fn strength(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Md5 => 0,
        Algorithm::Md5Sess => 1,
        Algorithm::Sha256 => 2,
    }
}
