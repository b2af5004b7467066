use std::fs;
use std::io;
use std::path::PathBuf;

use cwmp_model::DeviceIdentity;

use crate::SavedDevice;

/// One file per device. A file is replaced in one step, so that a killed process leaves an old one or a new one.
#[derive(Debug)]
pub(crate) struct StateFolder(PathBuf);

impl StateFolder {
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// What the device was; `None` if it is new. A file of another device is an error: the fleet has another seed or model.
    pub(crate) fn load(&self, index: usize, identity: &DeviceIdentity) -> io::Result<Option<SavedDevice>> {
        let text = match fs::read(self.file(index)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let saved: SavedDevice = serde_json::from_slice(&text)?;
        if saved.serial_number != identity.serial_number {
            let (held, wanted) = (&saved.serial_number, &identity.serial_number);
            return Err(io::Error::other(format!(
                "it holds device {held} in place of {wanted}: use the seed it was made with, or another folder"
            )));
        }
        Ok(Some(saved))
    }

    pub(crate) fn save(&self, index: usize, saved: &SavedDevice) -> io::Result<()> {
        let new = self.0.join(format!("{index}.new"));
        fs::write(&new, serde_json::to_vec(saved)?)?;
        fs::rename(&new, self.file(index))
    }

    fn file(&self, index: usize) -> PathBuf {
        self.0.join(format!("{index}.json"))
    }
}
