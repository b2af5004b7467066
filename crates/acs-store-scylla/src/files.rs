use acs_store::{Files, Result};
use acs_types::{FileId, FileRecord, Page, PageRequest};
use async_trait::async_trait;

use crate::place::{self, TimeKey};
use crate::registers::Register;
use crate::store::{ScyllaStore, Shared};

/// All files are in one partition and a list reads them all: they are as many as firmware versions, not as devices.
#[async_trait]
impl Files for ScyllaStore {
    async fn put_file(&self, record: FileRecord) -> Result<()> {
        self.shared.set(Register::File, record.id.as_str().as_bytes(), self.shared.encode(&record)).await
    }

    async fn file(&self, file: &FileId) -> Result<Option<FileRecord>> {
        let value = self.shared.get(Register::File, file.as_str().as_bytes()).await?;
        value.map(|value| self.shared.decode(&value)).transpose()
    }

    async fn files(&self, page: &PageRequest) -> Result<Page<FileRecord>> {
        let Shared { cql, s, tenant, .. } = &*self.shared;
        let after: Option<TimeKey<FileId>> = place::time_after(page)?;
        let rows: Vec<(Vec<u8>, i64)> = cql.rows(&s.files, (tenant,)).await?;
        let mut files = rows.iter().map(|(value, _)| self.shared.decode(value)).collect::<Result<Vec<FileRecord>>>()?;
        let key = |file: &FileRecord| (file.created_at.as_micros(), file.id.clone());
        files.retain(|file| after.as_ref().is_none_or(|after| key(file) < *after));
        files.sort_by_cached_key(|file| std::cmp::Reverse(key(file)));
        let limit = place::limit(page);
        let next = (files.len() > limit).then(|| place::time_text(&key(&files[limit - 1])));
        files.truncate(limit);
        Ok(Page { items: files, next })
    }

    async fn delete_file(&self, file: &FileId) -> Result<bool> {
        self.shared.unset(Register::File, file.as_str().as_bytes(), |_| true).await
    }
}
