//! P20: any header is read or refused, and what the ACS or a client makes of it is read back.
#![no_main]

use cwmp_session::auth::{
    Credentials, DigestRequest, HEADER_BYTES_MAX, OfferedChallenge, UserName, parse_authorization, parse_challenges,
    respond,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(header) = std::str::from_utf8(bytes) else { return };
    let _ = parse_authorization(header);
    if let Some(name) = UserName::parse(header) {
        assert_eq!(UserName::parse(&name.encode()), Some(name));
    }
    for challenge in parse_challenges(header) {
        let OfferedChallenge::Digest(challenge) = challenge else { continue };
        let request = DigestRequest { method: "GET", uri: "/", cnonce: "c", count: 1 };
        let answer = respond(&challenge, &Credentials::default(), &request);
        assert!(!answer.contains(['\r', '\n']), "a challenge cannot add a header");
        assert!(answer.len() > HEADER_BYTES_MAX || parse_authorization(&answer).is_ok(), "{answer}");
    }
});
