//! The requests of tasks that change the device.

use std::collections::BTreeSet;

use acs_types::{DownloadSource, DownloadSpec, ParameterFaultRecord, SetValue, Task, TaskFault, TaskId, TaskSpec};
use cwmp_codec::{AcsRequest, AddObject, DeleteObject, Download, SetParameterValues};
use cwmp_model::is_secret_name;

use super::Step;
use crate::life::{self, own_fault};
use crate::limits::URL_CHARS_MAX;
use crate::typing::{string_value, type_value};
use crate::view::{View, below};

impl Step<'_, '_> {
    /// The request of a task that changes the device, without its key; `None`: it waits for something of ours.
    pub(super) fn change(&self, task: &Task) -> Result<Option<AcsRequest>, TaskFault> {
        match &task.spec {
            TaskSpec::SetValues { values } => self.set_values(values.clone()).map(Some),
            TaskSpec::SetCredentials => self.set_credentials(),
            TaskSpec::AddObject { object, values } => match life::instance_made(task) {
                Some(instance) => self.set_values(below(instance, values)).map(Some),
                None => {
                    let add = AddObject { object: object.clone(), parameter_key: String::new() };
                    Ok(Some(AcsRequest::AddObject(add)))
                }
            },
            TaskSpec::DeleteObject { object } => {
                let delete = DeleteObject { object: object.clone(), parameter_key: String::new() };
                Ok(Some(AcsRequest::DeleteObject(delete)))
            }
            TaskSpec::Download(download) => self.download(&task.id, download),
            TaskSpec::Reboot => Ok(Some(AcsRequest::Reboot { command_key: String::new() })),
            TaskSpec::FactoryReset => Ok(Some(AcsRequest::FactoryReset)),
            TaskSpec::GetValues { .. } | TaskSpec::GetNames { .. } | TaskSpec::Refresh { .. } | TaskSpec::Discover => {
                Ok(None)
            }
        }
    }

    fn set_values(&self, values: Vec<SetValue>) -> Result<AcsRequest, TaskFault> {
        if values.iter().any(|value| is_secret_name(&value.path)) {
            self.require_proof()?;
        }
        let known = &self.input.view.known;
        let (mut parameters, mut problems, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        // Each name at most once (CWMP-224).
        for value in values.iter().filter(|value| seen.insert(&value.path)) {
            match type_value(&value.path, value, known.get(&value.path)) {
                Ok(value) => parameters.push(value),
                Err(problem) => {
                    problems.push(ParameterFaultRecord { name: problem.path, code: 0, text: problem.problem });
                }
            }
        }
        if !problems.is_empty() {
            let text = "a value does not fit the type that the device reported, change it".to_owned();
            return Err(TaskFault { code: 0, text, parameters: problems });
        }
        Ok(AcsRequest::SetParameterValues(SetParameterValues { parameters, parameter_key: String::new() }))
    }

    /// Alone in its request: some devices roll back all of it for one bad value.
    fn set_credentials(&self) -> Result<Option<AcsRequest>, TaskFault> {
        self.require_proof()?;
        let View { root, credential, .. } = self.input.view;
        let Some((username, password)) = credential else { return Ok(None) };
        if root.as_str().is_empty() {
            return Err(own_fault("the root object of the device is not known, refresh its names and retry"));
        }
        let value = |leaf: &str, text: &str| {
            let path = root.child(&format!("ManagementServer.{leaf}")).map_err(|error| own_fault(error.to_string()))?;
            Ok(string_value(path, text))
        };
        let values =
            vec![value("ConnectionRequestUsername", username)?, value("ConnectionRequestPassword", password.reveal())?];
        self.set_values(values).map(Some)
    }

    fn download(&self, id: &TaskId, spec: &DownloadSpec) -> Result<Option<AcsRequest>, TaskFault> {
        let mut download = Download {
            file_type: spec.file_type.as_str().to_owned(),
            target_file_name: spec.target_file_name.clone(),
            delay_seconds: spec.delay_seconds,
            ..Download::default()
        };
        match &spec.source {
            DownloadSource::File(_) => match self.input.view.files.get(id) {
                None => return Ok(None),
                Some(Err(text)) => return Err(own_fault(text)),
                Some(Ok(file)) => {
                    download.url.clone_from(&file.url);
                    // 0 is unknown (CWMP-333).
                    download.file_size = u32::try_from(file.size).unwrap_or(0);
                }
            },
            DownloadSource::Url { url, username, password, file_size } => {
                if !password.is_empty() {
                    self.require_proof()?;
                }
                download.url.clone_from(url);
                download.username.clone_from(username);
                download.password = password.reveal().to_owned();
                download.file_size = *file_size;
            }
        }
        let chars = download.url.chars().count();
        if chars > URL_CHARS_MAX {
            return Err(own_fault(format!("the URL has {chars} characters, Download takes {URL_CHARS_MAX}")));
        }
        Ok(Some(AcsRequest::Download(download)))
    }

    /// Secrets go only over TLS or to a device that proved who it is (P24).
    fn require_proof(&self) -> Result<(), TaskFault> {
        if self.input.secrets {
            return Ok(());
        }
        Err(own_fault(
            "a secret is sent only over TLS or to a device that proved who it is; \
             give the device credentials or use https, then retry",
        ))
    }
}
