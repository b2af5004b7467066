//! P20, CWMP-530: any body, under any option, is a message or an error.
#![no_main]

use cwmp_codec::{InvalidCharacters, Leniency, Limits, decode, decode_from_acs, decode_with};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    let refuse = Leniency { invalid_characters: InvalidCharacters::Refuse };
    for charset in [None, Some("iso-8859-1"), Some("utf-16le")] {
        let lenient = decode(body, charset, &limits);
        let strict = decode_with(body, charset, &limits, refuse);
        assert!(strict.is_err() || lenient == strict, "refusing only ever refuses");
    }
    let small = Limits { depth: 7, elements: 50, list_members: 3, value_bytes: 64, ..limits };
    if let Ok(decoded) = decode(body, None, &small) {
        assert_eq!(decode(body, None, &limits), Ok(decoded), "a limit changes nothing but what is too large");
    }
    let _ = decode_from_acs(body, None, &limits);
});
