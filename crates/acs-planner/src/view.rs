use std::collections::{BTreeMap, BTreeSet};

use acs_types::{DownloadSource, FileId, ModelNotes, Secret, SetValue, Task, TaskId, TaskSpec, TaskState};
use cwmp_model::ParameterPath;

use crate::life::instance_made;
use crate::typing::Known;

/// What is known of a device beside its tasks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// The root object; empty: not known.
    pub root: ParameterPath,
    /// What the device last said of the parameters in [`Wants::parameters`].
    pub known: BTreeMap<ParameterPath, Known>,
    /// What was learned about the model.
    pub notes: ModelNotes,
    /// User name and password for the device's connection requests, durable already; `None`: none prepared.
    pub credential: Option<(String, Secret)>,
    /// Where the files in [`Wants::files`] are fetched from. `Err` fails the task with that text; one that is missing lets
    /// it wait.
    pub files: BTreeMap<TaskId, Result<SignedFile, String>>,
}

/// A file's signed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedFile {
    /// The URL.
    pub url: String,
    /// Bytes.
    pub size: u64,
}

/// What a plan needs to know before it is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// Parameters that are to be set.
    pub parameters: BTreeSet<ParameterPath>,
    /// Files that need an address.
    pub files: Vec<(TaskId, FileId)>,
    /// The device's credentials are to be set.
    pub credential: bool,
}

/// What the plan for `tasks` needs to know.
pub fn wants(tasks: &[Task]) -> Wants {
    let mut wants = Wants::default();
    for task in tasks.iter().filter(|task| task.state == TaskState::Queued) {
        match &task.spec {
            TaskSpec::SetValues { values } => wants.parameters.extend(values.iter().map(|v| v.path.clone())),
            TaskSpec::AddObject { values, .. } => {
                let values = instance_made(task).map(|object| below(object, values)).unwrap_or_default();
                wants.parameters.extend(values.into_iter().map(|v| v.path));
            }
            TaskSpec::Download(download) => {
                if let DownloadSource::File(file) = &download.source {
                    wants.files.push((task.id.clone(), file.clone()));
                }
            }
            TaskSpec::SetCredentials => wants.credential = true,
            _ => {}
        }
    }
    wants
}

/// The values with full names below `object`; one whose name would be too long is left out and found missing later.
pub(crate) fn below(object: &ParameterPath, values: &[SetValue]) -> Vec<SetValue> {
    let full = |value: &SetValue| Some(SetValue { path: object.child(value.path.as_str()).ok()?, ..value.clone() });
    values.iter().filter_map(full).collect()
}
