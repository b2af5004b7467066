use std::collections::BTreeSet;

use acs_planner::{ValueProblem, check_value};
use acs_proto::{EnqueueRequest, ErrorClass, ServiceError};
use acs_types::{DeviceSummary, DownloadSource, DownloadSpec, SetValue, TaskSpec};
use cwmp_model::ParameterPath;
use url::Url;

use crate::error;
use crate::service::Inner;

/// Characters of URL, user name, password and file name in Download (CWMP-332).
const DOWNLOAD_CHARS_MAX: usize = 256;
/// Problems listed in one refusal.
const PROBLEMS_MAX: usize = 50;

/// What is wrong with single fields.
type Problems = Vec<(String, String)>;

impl Inner {
    /// Refuses at once what cannot work, each wrong field named.
    pub(crate) async fn validate(&self, request: &EnqueueRequest, device: &DeviceSummary) -> Result<(), ServiceError> {
        let mut problems = Problems::new();
        if request.expires_at.is_some_and(|at| at <= self.now()) {
            problem(&mut problems, "expires_at", "it is in the past");
        }
        match &request.spec {
            TaskSpec::GetValues { paths } => check_paths(paths, &mut problems),
            TaskSpec::SetValues { values } => {
                check_count("values", values.len(), &mut problems);
                self.check_values(request, values, &mut problems).await?;
            }
            TaskSpec::GetNames { path, next_level } => {
                if *next_level && !path.is_object() {
                    problem(&mut problems, "path", "the next level of a parameter cannot be read; name an object");
                }
            }
            TaskSpec::Refresh { .. } | TaskSpec::Reboot | TaskSpec::FactoryReset | TaskSpec::Discover => {}
            TaskSpec::SetCredentials => {
                if device.root.as_str().is_empty() {
                    problem(&mut problems, "kind", "the root object of the device is not known; refresh it first");
                }
            }
            TaskSpec::AddObject { object, values } => check_add(object, values, &mut problems),
            TaskSpec::DeleteObject { object } => check_instance(object, &mut problems),
            TaskSpec::Download(download) => self.check_download(download, &mut problems).await?,
        }
        refuse(problems)
    }

    async fn check_values(
        &self,
        request: &EnqueueRequest,
        values: &[SetValue],
        problems: &mut Problems,
    ) -> Result<(), ServiceError> {
        let known = self.known(&request.device, values.iter().map(|value| &value.path)).await?;
        let mut seen = BTreeSet::new();
        for value in values {
            if !seen.insert(&value.path) {
                problem(problems, value.path.as_str(), "it is set twice");
            }
            let check = check_value(&value.path, value, known.get(&value.path), self.config.settings.check_writable);
            if let Err(ValueProblem { path, problem: text }) = check {
                problem(problems, path.as_str(), &text);
            }
        }
        Ok(())
    }

    async fn check_download(&self, spec: &DownloadSpec, problems: &mut Problems) -> Result<(), ServiceError> {
        check_chars("target_file_name", &spec.target_file_name, problems);
        match &spec.source {
            DownloadSource::File(file) => {
                if self.store().file(file).await.map_err(error::store)?.is_none() {
                    problem(problems, "file", "there is no such file; upload it first");
                }
            }
            DownloadSource::Url { url, username, password, .. } => {
                check_chars("username", username, problems);
                check_chars("password", password.reveal(), problems);
                check_url(url, problems);
            }
        }
        Ok(())
    }
}

fn check_paths(paths: &[ParameterPath], problems: &mut Problems) {
    check_count("paths", paths.len(), problems);
    let mut seen = BTreeSet::new();
    for path in paths.iter().filter(|path| !seen.insert(*path)) {
        problem(problems, path.as_str(), "it is named twice");
    }
}

fn check_count(field: &str, count: usize, problems: &mut Problems) {
    if !(1..=TaskSpec::PATHS_MAX).contains(&count) {
        problem(problems, field, &format!("1 to {} are possible, there are {count}", TaskSpec::PATHS_MAX));
    }
}

fn check_add(object: &ParameterPath, values: &[SetValue], problems: &mut Problems) {
    if object.as_str().is_empty() || !object.is_object() || object.instance().is_some() {
        return problem(problems, "object", "name a table: a path that ends in a dot, without instance number");
    }
    if values.len() > TaskSpec::PATHS_MAX {
        check_count("values", values.len(), problems);
    }
    let mut seen = BTreeSet::new();
    for value in values {
        if !seen.insert(&value.path) {
            problem(problems, value.path.as_str(), "it is set twice");
        }
        // Which instance it will be is not known; for the data model any stands for all.
        match object.child(&format!("{}.{}", u32::MAX, value.path)) {
            Err(error) => problem(problems, value.path.as_str(), &error.to_string()),
            Ok(full) => {
                if let Err(ValueProblem { problem: text, .. }) = check_value(&full, value, None, false) {
                    problem(problems, value.path.as_str(), &text);
                }
            }
        }
    }
}

fn check_instance(object: &ParameterPath, problems: &mut Problems) {
    let is_alias = object.is_object() && object.leaf().starts_with('[');
    if object.instance().is_none() && !is_alias {
        problem(problems, "object", "name one instance of a table: a path that ends in its number and a dot");
    }
}

fn check_url(url: &str, problems: &mut Problems) {
    check_chars("url", url, problems);
    match Url::parse(url) {
        Err(error) => problem(problems, "url", &format!("not a URL: {error}")),
        Ok(url) if !url.has_host() => problem(problems, "url", "it names no host"),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            problem(problems, "url", "user name and password have fields of their own");
        }
        Ok(_) => {}
    }
}

fn check_chars(field: &str, text: &str, problems: &mut Problems) {
    let chars = text.chars().count();
    if chars > DOWNLOAD_CHARS_MAX {
        problem(problems, field, &format!("it has {chars} characters, {DOWNLOAD_CHARS_MAX} are possible"));
    }
}

fn problem(problems: &mut Problems, field: &str, text: &str) {
    problems.push((field.to_owned(), text.to_owned()));
}

fn refuse(mut problems: Problems) -> Result<(), ServiceError> {
    let Some((field, text)) = problems.first() else { return Ok(()) };
    let more = problems.len() - 1;
    let text = match more {
        0 => format!("{field}: {text}"),
        _ => format!("{field}: {text} (and {more} more)"),
    };
    let mut error = ServiceError::new(ErrorClass::Invalid, "invalid_task", text);
    problems.truncate(PROBLEMS_MAX);
    error.fields = problems;
    Err(error)
}
