//! The consumers as processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use acs_events_kafka::KafkaConfig;
use serde_json::Value;

/// A consumer, ready to be run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    executable: PathBuf,
    arguments: Vec<String>,
    /// Where Python finds the classes of the schema.
    python_path: Option<PathBuf>,
}

impl Program {
    /// Reads the topics of `config`: exit status and summary.
    pub(crate) fn read(&self, config: &KafkaConfig, options: &[&str]) -> (i32, Value) {
        let output = self.run(config, options);
        let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{self:?} says no JSON ({error}): {}", String::from_utf8_lossy(&output.stderr))
        });
        (output.status.code().unwrap(), said)
    }

    pub(crate) fn run(&self, config: &KafkaConfig, options: &[&str]) -> Output {
        let mut command = Command::new(&self.executable);
        command.args(&self.arguments).args(["--brokers", &config.bootstrap_servers, "--prefix", &config.topic_prefix]);
        command.args(options).env("PYTHONDONTWRITEBYTECODE", "1");
        if let Some(path) = &self.python_path {
            command.env("PYTHONPATH", path);
        }
        command.output().unwrap()
    }
}

/// The consumers, if they are prepared. In CI they have to be.
pub(crate) fn find() -> Option<[Program; 2]> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("consumers");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let sources = root.join("tests/consumers");
    if let Some(missing) = missing(&folder, &[&sources.join("python"), &sources.join("java"), &root.join("proto")]) {
        let missing = format!("the consumers in Python and Java {missing}; `cargo xtask consumers` prepares them");
        assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{missing}");
        eprintln!("left out: {missing}");
        return None;
    }
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    Some([
        Program {
            executable: folder.join("python/venv/bin/python"),
            arguments: vec![text(sources.join("python/consume.py"))],
            python_path: Some(folder.join("python/generated")),
        },
        Program {
            executable: "java".into(),
            arguments: vec!["-jar".into(), text(folder.join("java/lastmile-events.jar"))],
            python_path: None,
        },
    ])
}

/// What keeps them from being run.
fn missing(folder: &Path, sources: &[&Path]) -> Option<&'static str> {
    let Ok(ready) = fs::metadata(folder.join("ready")).and_then(|mark| mark.modified()) else {
        return Some("are not prepared");
    };
    sources.iter().any(|folder| newest(folder) > ready).then_some("are older than their sources")
}

fn newest(folder: &Path) -> SystemTime {
    let times = fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() { newest(&path) } else { fs::metadata(path).unwrap().modified().unwrap() }
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
