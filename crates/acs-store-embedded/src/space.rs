use std::path::PathBuf;

use acs_store::{Error, Result};

/// Whether the disk has more than the reserve left (P11).
#[derive(Debug)]
pub(crate) struct FreeSpace {
    folder: PathBuf,
    reserve: u64,
}

impl FreeSpace {
    pub(crate) fn new(folder: PathBuf, reserve: u64) -> Self {
        Self { folder, reserve }
    }

    /// `NoSpace` if less than the reserve is left. Asks the system each time, which costs a microsecond beside a sync: an
    /// answer kept for a while would let writes run into a disk that somebody fills at once.
    pub(crate) fn check(&self) -> Result<()> {
        self.judge(self.ask()?)
    }

    fn judge(&self, free: u64) -> Result<()> {
        if free < self.reserve {
            let (free, reserve) = (free >> 20, self.reserve >> 20);
            let folder = self.folder.display();
            return Err(Error::NoSpace(format!(
                "{free} MiB left in {folder}, {reserve} MiB are held in reserve; make room"
            )));
        }
        Ok(())
    }

    fn ask(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.folder)
            .map_err(|e| Error::Unavailable(format!("cannot see how much room {} has: {e}", self.folder.display())))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p11_the_reserve_is_held_to_the_byte() {
        let space = FreeSpace::new("/".into(), 1000);
        assert!(space.judge(1000).is_ok());
        assert!(matches!(space.judge(999), Err(Error::NoSpace(_))));
    }

    #[test]
    fn the_system_is_asked() {
        assert!(FreeSpace::new("/".into(), 1).check().is_ok());
        assert!(matches!(FreeSpace::new("/".into(), u64::MAX).check(), Err(Error::NoSpace(_))));
        assert!(matches!(FreeSpace::new("/no/such/folder".into(), 1).check(), Err(Error::Unavailable(_))));
    }
}
