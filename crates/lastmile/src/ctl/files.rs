//! Files that devices download.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use acs_types::FileId;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

use super::Ctl;
use super::client::{ListOptions, Query};
use super::exit::Failure;
use super::output::{Column, Output, text, time};

/// From how many bytes on an upload shows its progress.
const PROGRESS_BYTES: u64 = 10 << 20;
/// How often it does.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Bytes read from disk at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// The slowest upload that is waited for, in bytes per second.
const BYTES_PER_SECOND_MIN: u64 = 16 << 10;

/// What to do with files.
#[derive(Debug, clap::Subcommand)]
pub(super) enum FilesCommand {
    /// Lists files, newest first.
    List {
        #[command(flatten)]
        list: ListOptions,
    },
    /// Uploads a file and prints its id; the same bytes under the same name are the same file.
    Upload {
        /// The file.
        #[arg(value_name = "FILE")]
        path: PathBuf,
        /// What it is: firmware, web, config, tone, ringer, stored-firmware, or a FileType of Download.
        #[arg(long = "type", value_name = "TYPE")]
        file_type: String,
        /// Its name on the server; without it that of the file.
        #[arg(long)]
        name: Option<String>,
        /// Its version, as you name it.
        #[arg(long)]
        version: Option<String>,
    },
    /// Shows a file's record.
    Show {
        /// Its id or name.
        file: String,
    },
    /// Deletes a file and its bytes.
    Delete {
        /// Its id or name.
        file: String,
    },
}

const COLUMNS: [Column; 6] = [
    Column::new("ID", |file| text(file, "id")),
    Column::wrapping("NAME", |file| text(file, "name")),
    Column::wrapping("TYPE", |file| text(file, "file_type")),
    Column::wrapping("VERSION", |file| text(file, "version")),
    Column::new("BYTES", |file| text(file, "size")),
    Column::new("CREATED", |file| time(file, "created_at")),
];

/// `files`
pub(super) async fn run(ctl: &Ctl, command: FilesCommand) -> Result<(), Failure> {
    match command {
        FilesCommand::List { list } => {
            ctl.out.list(&ctl.client.list(&["files"], &Query::new(), &list).await?, &COLUMNS)
        }
        FilesCommand::Upload { path, file_type, name, version } => {
            let name = match name {
                Some(name) => name,
                None => own_name(&path)?,
            };
            let mut query = vec![("name", name), ("file_type", file_type)];
            query.extend(version.map(|version| ("version", version)));
            upload(ctl, &path, query).await
        }
        FilesCommand::Show { file } => {
            let id = find(ctl, &file).await?;
            let file = ctl.client.get(&["files", &id], &Query::new()).await?;
            if ctl.out.is_json() { ctl.out.json(&file) } else { ctl.out.facts(&facts(&file)) }
        }
        FilesCommand::Delete { file } => {
            let id = find(ctl, &file).await?;
            ctl.client.delete(&["files", &id]).await?;
            ctl.done(&format!("file {id} is deleted"), &json!({"id": id, "deleted": true}))
        }
    }
}

fn own_name(path: &Path) -> Result<String, Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| Failure::Usage(format!("`{}` has no plain name; give --name", path.display())))
}

fn facts(file: &Value) -> Vec<(&'static str, String)> {
    vec![
        ("file", text(file, "id")),
        ("name", text(file, "name")),
        ("type", text(file, "file_type")),
        ("version", text(file, "version")),
        ("bytes", text(file, "size")),
        ("SHA-256", text(file, "sha256")),
        ("created", time(file, "created_at")),
        ("created by", text(file, "created_by")),
        ("tenant", text(file, "tenant")),
    ]
}

/// The id of the file of that id or name.
pub(super) async fn find(ctl: &Ctl, name: &str) -> Result<String, Failure> {
    if name.parse::<FileId>().is_ok() {
        match ctl.client.get(&["files", name], &Query::new()).await {
            Err(Failure::NotFound(_)) => {}
            other => return other.map(|file| text(&file, "id")),
        }
    }
    let files = ctl.client.list(&["files"], &Query::new(), &ListOptions::all()).await?;
    only(name, files.items.iter().filter(|file| file["name"] == name).collect())
}

fn only(name: &str, found: Vec<&Value>) -> Result<String, Failure> {
    match found.as_slice() {
        [] => Err(Failure::NotFound(format!("there is no file `{name}`; `lastmile ctl files list` lists them"))),
        [file] => Ok(text(file, "id")),
        several => {
            let line = |file: &&Value| format!("\n  {}  version {}", text(file, "id"), text(file, "version"));
            let lines: String = several.iter().map(line).collect();
            Err(Failure::NotFound(format!("there are several files `{name}`; name one by its id:{lines}")))
        }
    }
}

async fn upload(ctl: &Ctl, path: &Path, query: Query) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::NotDone(format!("{} cannot be read: {error}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let metadata = file.metadata().await.map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Failure::Usage(format!("{} is no file", path.display())));
    }
    let bytes = metadata.len();
    let mut progress = (bytes > PROGRESS_BYTES && ctl.out.shows_progress()).then(|| Progress::new(bytes));
    let chunks = ReaderStream::with_capacity(file, CHUNK_BYTES).inspect(move |chunk| {
        if let (Some(progress), Ok(chunk)) = (&mut progress, chunk) {
            progress.add(chunk.len() as u64);
        }
    });
    let allowed = Duration::from_secs(bytes / BYTES_PER_SECOND_MIN);
    let file = ctl.client.upload(&["files"], &query, reqwest::Body::wrap_stream(chunks), bytes, allowed).await?;
    ctl.done(&text(&file, "id"), &file)
}

/// How far an upload is, on one line of the terminal.
struct Progress {
    sent: u64,
    bytes: u64,
    shown: Instant,
}

impl Progress {
    fn new(bytes: u64) -> Self {
        Self { sent: 0, bytes, shown: Instant::now() }
    }

    fn add(&mut self, bytes: u64) {
        self.sent += bytes;
        let is_whole = self.sent >= self.bytes;
        if is_whole || self.shown.elapsed() >= PROGRESS_EVERY {
            self.shown = Instant::now();
            Output::progress(&format!("{}{}", self.line(), if is_whole { "\n" } else { "" }));
        }
    }

    fn line(&self) -> String {
        let percent = self.sent.saturating_mul(100) / self.bytes.max(1);
        format!("{percent:>3} %  {} of {} MiB", self.sent >> 20, self.bytes >> 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_several_files_have_are_not_guessed() {
        let old = json!({"id": "f1", "version": "1.0"});
        let new = json!({"id": "f2", "version": "2.0"});
        assert_eq!(only("r.bin", vec![&new]).unwrap(), "f2");
        assert_eq!(only("r.bin", vec![]).unwrap_err().code(), 3);
        let failure = only("r.bin", vec![&new, &old]).unwrap_err();
        assert_eq!(failure.code(), 3);
        assert!(failure.to_string().ends_with("\n  f2  version 2.0\n  f1  version 1.0"), "{failure}");
    }

    #[test]
    fn progress_is_told_in_percent() {
        let progress = Progress { sent: 21 << 20, bytes: 42 << 20, shown: Instant::now() };
        assert_eq!(progress.line(), " 50 %  21 of 42 MiB");
    }

    #[test]
    fn a_file_keeps_its_own_name() {
        assert_eq!(own_name(Path::new("images/router-2.1.bin")).unwrap(), "router-2.1.bin");
        assert_eq!(own_name(Path::new("/")).unwrap_err().code(), 2);
    }
}
