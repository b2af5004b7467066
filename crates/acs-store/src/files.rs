use acs_types::{FileId, FileRecord, Page, PageRequest};
use async_trait::async_trait;

use crate::Result;

/// What is known of the files that devices download; their bytes are the file server's.
#[async_trait]
pub trait Files: Send + Sync {
    /// Keeps a file's record.
    async fn put_file(&self, record: FileRecord) -> Result<()>;

    /// One file.
    async fn file(&self, file: &FileId) -> Result<Option<FileRecord>>;

    /// All files, newest first.
    async fn files(&self, page: &PageRequest) -> Result<Page<FileRecord>>;

    /// Forgets a file; `false`: not known.
    async fn delete_file(&self, file: &FileId) -> Result<bool>;
}
