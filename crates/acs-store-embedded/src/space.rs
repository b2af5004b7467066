use std::path::PathBuf;
use std::time::{Duration, Instant};

use acs_store::{Error, Result};

/// How long an answer of the system is used.
const CACHED: Duration = Duration::from_millis(100);

/// Whether the disk has more than the reserve left (P11).
#[derive(Debug)]
pub(crate) struct FreeSpace {
    folder: PathBuf,
    reserve: u64,
    seen: Option<(Instant, u64)>,
}

impl FreeSpace {
    pub(crate) fn new(folder: PathBuf, reserve: u64) -> Self {
        Self { folder, reserve, seen: None }
    }

    /// `NoSpace` if less than the reserve is left. Asks the system at most every 100 ms.
    pub(crate) fn check(&mut self) -> Result<()> {
        let free = match self.seen {
            Some((at, free)) if at.elapsed() < CACHED => free,
            _ => self.ask()?,
        };
        if free < self.reserve {
            let (free, reserve) = (free >> 20, self.reserve >> 20);
            let folder = self.folder.display();
            return Err(Error::NoSpace(format!(
                "{free} MiB left in {folder}, {reserve} MiB are held in reserve; make room"
            )));
        }
        Ok(())
    }

    /// Asks anew next time.
    pub(crate) fn forget(&mut self) {
        self.seen = None;
    }

    fn ask(&mut self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.folder)
            .map_err(|e| Error::Unavailable(format!("cannot see how much room {} has: {e}", self.folder.display())))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        self.seen = Some((Instant::now(), free));
        Ok(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p11_the_reserve_is_held_to_the_byte() {
        let with = |free| FreeSpace { folder: "/".into(), reserve: 1000, seen: Some((Instant::now(), free)) };
        assert!(with(1000).check().is_ok());
        assert!(matches!(with(999).check(), Err(Error::NoSpace(_))));
    }

    #[test]
    fn the_system_is_asked_anew() {
        let mut space = FreeSpace::new("/".into(), 1);
        assert!(space.check().is_ok());
        assert!(space.seen.is_some());
        space.forget();
        assert!(space.seen.is_none());
        let mut gone = FreeSpace::new("/no/such/folder".into(), 1);
        assert!(matches!(gone.check(), Err(Error::Unavailable(_))));
    }
}
