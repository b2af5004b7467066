use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use acs_proto::FileContent;
use acs_types::FileId;
use data_encoding::HEXLOWER;
use futures::StreamExt;
use sha2::{Digest, Sha256};
use tokio::fs::{self, DirBuilder, File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::grant::FILE_ID_LEN;

/// Where uploads grow.
const INCOMING: &str = "incoming";

/// The bytes of files: one file each, named by its id.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// Bytes that came in whole and are synced; removed again unless they are published.
#[derive(Debug)]
pub(crate) struct Received {
    path: PathBuf,
    pub(crate) size: u64,
    pub(crate) sha256: [u8; 32],
}

/// Why bytes did not come in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    #[error("the file has more than {0} bytes")]
    TooLarge(u64),
    #[error("the upload broke off: {0}")]
    Interrupted(io::Error),
    #[error("the upload sent nothing for {0:?}")]
    Idle(Duration),
    #[error("the file cannot be written: {0}")]
    Disk(io::Error),
}

impl Folder {
    /// Makes the folder if it is missing, and clears what uploads left.
    pub(crate) async fn open(path: &Path) -> io::Result<Self> {
        let incoming = path.join(INCOMING);
        // Configurations hold secrets: nobody else on this host reads them.
        DirBuilder::new().recursive(true).mode(0o700).create(&incoming).await?;
        let mut left = fs::read_dir(&incoming).await?;
        while let Some(entry) = left.next_entry().await? {
            fs::remove_file(entry.path()).await?;
        }
        let folder = Self { path: path.to_owned() };
        folder.sync().await?;
        Ok(folder)
    }

    /// Takes bytes in. When it returns they are on disk, but not yet to be seen.
    pub(crate) async fn receive(
        &self,
        content: FileContent,
        max: u64,
        idle: Duration,
    ) -> Result<Received, ReceiveError> {
        let name = HEXLOWER.encode(&rand::random::<[u8; 16]>());
        let path = self.path.join(INCOMING).join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .await
            .map_err(ReceiveError::Disk)?;
        // From here on a failure, or a caller that goes away, removes the file.
        let mut received = Received { path, size: 0, sha256: [0; 32] };
        let mut hash = Sha256::new();
        let mut content = content;
        while let Some(chunk) = timeout(idle, content.next()).await.map_err(|_| ReceiveError::Idle(idle))? {
            let chunk = chunk.map_err(ReceiveError::Interrupted)?;
            received.size = received.size.saturating_add(chunk.len() as u64);
            if received.size > max {
                return Err(ReceiveError::TooLarge(max));
            }
            hash.update(&chunk);
            file.write_all(&chunk).await.map_err(ReceiveError::Disk)?;
        }
        file.flush().await.map_err(ReceiveError::Disk)?;
        file.sync_all().await.map_err(ReceiveError::Disk)?;
        received.sha256 = hash.finalize().into();
        Ok(received)
    }

    /// Gives the bytes their name, for good.
    pub(crate) async fn publish(&self, received: Received, id: &FileId) -> io::Result<()> {
        fs::rename(&received.path, self.path_of(id)).await?;
        self.sync().await
    }

    /// Removes the bytes, for good; they may be gone already.
    pub(crate) async fn remove(&self, id: &FileId) -> io::Result<()> {
        match fs::remove_file(self.path_of(id)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.sync().await,
        }
    }

    /// The bytes, and how many there are.
    pub(crate) async fn read(&self, id: &FileId) -> io::Result<(File, u64)> {
        let file = File::open(self.path_of(id)).await?;
        let size = file.metadata().await?.len();
        Ok((file, size))
    }

    /// The ids of all files here. Whatever is not named by an id of ours is somebody else's and left alone.
    pub(crate) async fn ids(&self) -> io::Result<Vec<FileId>> {
        let mut ids = Vec::new();
        let mut entries = fs::read_dir(&self.path).await?;
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|n| n.len() == FILE_ID_LEN) else { continue };
            if entry.file_type().await?.is_file() {
                ids.extend(name.parse());
            }
        }
        Ok(ids)
    }

    /// An id has letters, digits, `_`, `-` and `.`, so its path is in the folder. `.` and `..` are no file and fail to open.
    fn path_of(&self, id: &FileId) -> PathBuf {
        self.path.join(id.as_str())
    }

    async fn sync(&self) -> io::Result<()> {
        File::open(&self.path).await?.sync_all().await
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        // Renamed already, as a rule. What cannot be removed now is cleared at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}
