use acs_store::{Files, Result};
use acs_types::{FileId, FileRecord, Page, PageRequest};
use async_trait::async_trait;

use crate::keys::{self, Space};
use crate::{Embedded, decode, engine_error, rows};

#[async_trait]
impl Files for Embedded {
    async fn put_file(&self, record: FileRecord) -> Result<()> {
        self.write(move |transaction| {
            transaction.put_record(Space::Rows, keys::file(&record.id), &record);
            Ok(())
        })
        .await
    }

    async fn file(&self, file: &FileId) -> Result<Option<FileRecord>> {
        self.record(Space::Rows, &keys::file(file))
    }

    async fn files(&self, page: &PageRequest) -> Result<Page<FileRecord>> {
        let page = page.clone();
        self.scan(move |store| store.files_newest_first(&page)).await
    }

    async fn delete_file(&self, file: &FileId) -> Result<bool> {
        let key = keys::file(file);
        self.write_making_room(move |transaction| {
            let known = transaction.get(Space::Rows, &key)?.is_some();
            transaction.remove(Space::Rows, key);
            Ok(known)
        })
        .await
    }
}

impl Embedded {
    /// Files are few (they are firmware images), so all are read and put in order.
    fn files_newest_first(&self, page: &PageRequest) -> Result<Page<FileRecord>> {
        let after = page.after.as_deref().map(|text| rows::place_key(text, &[])).transpose()?;
        let mut files = Vec::new();
        for row in self.engine()?.scan(Space::Rows, keys::FILES, None) {
            let file: FileRecord = decode(&row.map_err(engine_error)?.1, self.seal())?;
            let mut place = keys::newest(file.created_at.as_micros()).to_vec();
            place.extend_from_slice(file.id.as_str().as_bytes());
            if after.as_ref().is_none_or(|after| place > *after) {
                files.push((place, file));
            }
        }
        files.sort_by(|(a, _), (b, _)| a.cmp(b));
        let limit = page.limit.clamp(1, PageRequest::LIMIT_MAX);
        let more = files.len() > limit;
        files.truncate(limit);
        let next = files.last().filter(|_| more).map(|(place, _)| rows::place_text(place, &[]));
        Ok(Page { items: files.into_iter().map(|(_, file)| file).collect(), next })
    }
}
