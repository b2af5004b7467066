//! CWMP-220: what was read and can be written is written in a form that does not change any more.
#![no_main]

use cwmp_codec::{Limits, decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    let Ok(decoded) = decode(body, None, &limits) else { return };
    let Ok(written) = encode(&decoded.envelope) else { return };
    let again = decode(&written, None, &limits).expect("what was written can be read");
    assert_eq!(encode(&again.envelope), Ok(written));
});
