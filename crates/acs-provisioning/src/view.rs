use std::collections::BTreeMap;
use std::time::Duration;

use acs_planner::{Known, SignedFile, View, wants};
use acs_proto::{ErrorClass, ServiceError};
use acs_types::{DeviceId, FileId, Partition, SessionRef, Task, TaskId};
use cwmp_model::{ParameterPath, Timestamp};

use crate::error;
use crate::plans::Entry;
use crate::service::Inner;

impl Inner {
    /// What the plan for a session needs to know; what it costs is read only for tasks that need it.
    pub(crate) async fn view(
        &self,
        session: &SessionRef,
        partition: &Partition,
        entry: &mut Entry,
        at: Timestamp,
    ) -> Result<View, ServiceError> {
        let device = &session.device;
        if entry.notes.is_none()
            && let Some(summary) = &partition.summary
        {
            entry.notes = Some(self.store().model_notes(&entry.model(summary)).await.map_err(error::store)?);
        }
        let root = match entry.root.as_str() {
            "" => partition.summary.as_ref().map(|summary| summary.root.clone()).unwrap_or_default(),
            _ => entry.root.clone(),
        };
        let wants = wants(&partition.tasks);
        let credential = match wants.credential {
            true => Some(self.pending_credential(device, session.stamp).await?),
            false => None,
        };
        Ok(View {
            root,
            known: self.known(device, &wants.parameters).await?,
            notes: entry.notes.clone().unwrap_or_default(),
            credential,
            files: self.sign(device, &wants.files, &partition.tasks, at).await,
        })
    }

    /// What the device last said of these parameters.
    pub(crate) async fn known<'a>(
        &self,
        device: &DeviceId,
        parameters: impl IntoIterator<Item = &'a ParameterPath>,
    ) -> Result<BTreeMap<ParameterPath, Known>, ServiceError> {
        let mut by_object: BTreeMap<&str, Vec<&ParameterPath>> = BTreeMap::new();
        for parameter in parameters {
            by_object.entry(parameter.parent()).or_default().push(parameter);
        }
        let mut known = BTreeMap::new();
        for (object, parameters) in by_object {
            let Ok(object) = ParameterPath::from_device(object) else { continue };
            let Some(record) = self.store().object(device, &object).await.map_err(error::store)? else { continue };
            for parameter in parameters {
                if let Some(found) = record.parameters.iter().find(|p| p.name == parameter.leaf()) {
                    let kind = found.value.as_ref().map(|value| value.kind);
                    known.insert(parameter.clone(), Known { kind, writable: found.writable });
                }
            }
        }
        Ok(known)
    }

    async fn sign(
        &self,
        device: &DeviceId,
        files: &[(TaskId, FileId)],
        tasks: &[Task],
        at: Timestamp,
    ) -> BTreeMap<TaskId, Result<SignedFile, String>> {
        let mut signed = BTreeMap::new();
        for (id, file) in files {
            let delay = tasks.iter().find(|task| task.id == *id).map_or(0, delay_seconds);
            let expires = at.plus(self.config.settings.transfer_wait).plus(Duration::from_secs(delay));
            match self.deps.files.sign(device, file, expires).await {
                Ok(url) => {
                    signed.insert(id.clone(), Ok(SignedFile { url: url.url, size: url.size }));
                }
                // The file server may be back for the next session.
                Err(error) if matches!(error.class, ErrorClass::Unavailable | ErrorClass::Exhausted) => {
                    tracing::warn!(%error, %device, task = %id, "no address for a file, the task waits");
                }
                Err(error) => {
                    signed.insert(id.clone(), Err(error.text));
                }
            }
        }
        signed
    }
}

fn delay_seconds(task: &Task) -> u64 {
    match &task.spec {
        acs_types::TaskSpec::Download(download) => u64::from(download.delay_seconds),
        _ => 0,
    }
}
