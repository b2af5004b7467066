//! What format 1 sealed and signed opens for ever: `testdata/v1` was written by the first version and is never changed.

use acs_keyring::{KeyRing, Purpose};
use data_encoding::HEXLOWER;

const SAMPLES: &str = include_str!("../testdata/v1/samples.tsv");

fn test_ring() -> KeyRing {
    let mut key = [0; 32];
    (0..32u8).zip(&mut key).for_each(|(i, byte)| *byte = i);
    KeyRing::from_key("v1", &key)
}

fn purpose(name: &str) -> Purpose {
    Purpose::ALL.into_iter().find(|p| p.as_str() == name).expect("a purpose of format 1")
}

#[test]
fn the_samples_of_format_1_open() {
    let ring = test_ring();
    let mut seen = 0;
    for line in SAMPLES.lines().filter(|l| !l.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, associated, plaintext, sealed, mac] = fields[..] else { panic!("a sample has five fields: {line}") };
        let purpose = purpose(name);
        let opened = ring.unseal_text(purpose, sealed, associated.as_bytes()).expect(name);
        assert_eq!(opened, plaintext.as_bytes(), "{name}");
        assert_eq!(HEXLOWER.encode(&ring.mac(purpose, plaintext.as_bytes())), mac, "{name}");
        seen += 1;
    }
    assert_eq!(seen, Purpose::ALL.len());
}
