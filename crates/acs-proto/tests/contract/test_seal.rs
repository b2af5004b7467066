use acs_proto::SecretSeal;

/// A seal that can be seen through on purpose: the text is turned around bit by bit behind a mark.
pub(crate) struct TestSeal;

const MARK: u8 = 0x5e;

impl SecretSeal for TestSeal {
    fn seal(&self, plain: &str) -> Vec<u8> {
        std::iter::once(MARK).chain(plain.bytes().map(|byte| !byte)).collect()
    }

    fn open(&self, sealed: &[u8]) -> Option<String> {
        let (&MARK, inner) = sealed.split_first()? else { return None };
        String::from_utf8(inner.iter().map(|byte| !byte).collect()).ok()
    }
}
