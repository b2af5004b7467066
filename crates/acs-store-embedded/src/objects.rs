use acs_store::rules;
use acs_store::{Error, Objects, ObjectsPatch, Result};
use acs_types::{DeviceId, ObjectRecord, SessionStamp};
use async_trait::async_trait;
use cwmp_model::ParameterPath;

use crate::keys::{self, Space};
use crate::transaction::Transaction;
use crate::{Embedded, decode, engine_error};

/// So many objects are read where the caller is: another thread costs more than they do.
const FEW: usize = 32;

#[async_trait]
impl Objects for Embedded {
    async fn objects(&self, device: &DeviceId, within: &ParameterPath) -> Result<Vec<ObjectRecord>> {
        if !within.is_object() {
            return Ok(Vec::new());
        }
        let prefix = keys::objects(device, within);
        let few = self.objects_up_to(&prefix, FEW)?;
        if few.len() < FEW {
            return Ok(few);
        }
        self.scan(move |store| store.objects_up_to(&prefix, usize::MAX)).await
    }

    async fn object(&self, device: &DeviceId, path: &ParameterPath) -> Result<Option<ObjectRecord>> {
        self.record(Space::Objects, &keys::objects(device, path))
    }

    async fn patch_objects(&self, device: &DeviceId, patch: ObjectsPatch) -> Result<()> {
        if self.is_forgotten(device, &patch)? {
            return Ok(());
        }
        let device = device.clone();
        self.write(move |transaction| write(transaction, &device, patch)).await
    }
}

impl Embedded {
    /// Whether all that a patch does is to forget what is forgotten already: an Inform comes live and from its record.
    pub(crate) fn is_forgotten(&self, device: &DeviceId, patch: &ObjectsPatch) -> Result<bool> {
        if !patch.forget || !patch.remove.is_empty() || !patch.upsert.is_empty() {
            return Ok(false);
        }
        let forgotten = self.engine()?.get(Space::Rows, &keys::forgotten(device)).map_err(engine_error)?;
        let forgotten = forgotten.map(|bytes| stamp(&bytes)).transpose()?;
        Ok(rules::patch_forgets(forgotten, patch) != Some(true))
    }

    fn objects_up_to(&self, prefix: &[u8], limit: usize) -> Result<Vec<ObjectRecord>> {
        let engine = self.engine()?;
        let rows = engine.scan(Space::Objects, prefix, None).take(limit);
        rows.map(|row| decode(&row.map_err(engine_error)?.1, self.seal())).collect()
    }
}

/// Seen from the commit thread.
pub(crate) fn write(transaction: &mut Transaction<'_>, device: &DeviceId, patch: ObjectsPatch) -> Result<()> {
    let forgotten = transaction.get(Space::Rows, &keys::forgotten(device))?.map(|bytes| stamp(&bytes)).transpose()?;
    let Some(forget) = rules::patch_forgets(forgotten, &patch) else { return Ok(()) };
    if forget {
        transaction.put(Space::Rows, keys::forgotten(device), patch.stamp.as_micros().to_be_bytes());
        remove_within(transaction, device, &ParameterPath::root())?;
    }
    for gone in patch.remove.iter().filter(|path| path.is_object()) {
        remove_within(transaction, device, gone)?;
    }
    for news in patch.upsert {
        let key = keys::objects(device, &news.object.path);
        let known = transaction.record(Space::Objects, &key)?;
        transaction.put_record(Space::Objects, key, &rules::merge_object(known, news, patch.late));
    }
    Ok(())
}

fn remove_within(transaction: &mut Transaction<'_>, device: &DeviceId, within: &ParameterPath) -> Result<()> {
    for key in transaction.scan(Space::Objects, &keys::objects(device, within))?.into_keys() {
        transaction.remove(Space::Objects, key);
    }
    Ok(())
}

fn stamp(bytes: &[u8]) -> Result<SessionStamp> {
    let bytes = bytes.try_into().map_err(|_| Error::Corrupt("a stamp row does not have 8 bytes".into()))?;
    Ok(SessionStamp::from_micros(i64::from_be_bytes(bytes)))
}
