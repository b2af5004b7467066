//! P20: any bytes are a snapshot or an error, and a session restored from them takes any POST.
#![no_main]

use cwmp_session::acs::{Config, Input, Post};
use cwmp_session::{AcsSession, Snapshot};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(snapshot) = Snapshot::from_bytes(bytes) else { return };
    assert!(Snapshot::from_bytes(&snapshot.to_bytes()) == Ok(snapshot.clone()), "what was written is read back");
    let now = snapshot.deadline;
    let mut session = AcsSession::restore(snapshot, Config::default());
    for input in [Input::Post(Post::empty()), Input::Timeout] {
        session.handle(now, input);
        while session.poll_output().is_some() {}
    }
});
