//! `cargo xtask consumers`: what the consumers in other languages under `tests/consumers` need to run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::process::{self, answers, build_folder, need_package, root, run};

/// The schema files that a consumer needs.
const SCHEMA: [&str; 3] = ["lastmile/v1/cwmp.proto", "lastmile/v1/records.proto", "lastmile/v1/events.proto"];

/// Installs interpreters and libraries, makes the classes of `/proto` and builds; all of it in the build folder.
pub(crate) fn prepare() -> anyhow::Result<()> {
    let folder = build_folder("consumers")?;
    println!("the consumers in Python and Java are prepared in {}", folder.display());
    python(&folder.join("python"))?;
    java(&folder.join("java"))?;
    // The tests take what is older than its sources for missing.
    fs::write(folder.join("ready"), "").context("the mark of what is prepared")
}

fn python(folder: &Path) -> anyhow::Result<()> {
    need_package("python3", "--version", "python3")?;
    if !process::succeeds("python3", &["-c", "import ensurepip, venv"]) {
        process::install("python3-venv", "what Python makes environments with")?;
    }
    let sources = root().join("tests/consumers/python");
    let (venv, generated) = (folder.join("venv"), folder.join("generated"));
    let wanted = sources.join("requirements.txt");
    let installed = folder.join("installed.txt");
    let requirements = fs::read_to_string(&wanted).with_context(|| format!("{}", wanted.display()))?;
    let program = text(venv.join("bin/python"));
    if fs::read_to_string(&installed).ok().as_deref() != Some(&requirements) || !answers(&program, "--version") {
        run("python3", &["-m", "venv", "--clear", &text(venv)])?;
        run(&program, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", &text(wanted)])?;
        fs::write(&installed, requirements)?;
    }
    fs::create_dir_all(&generated)?;
    let (from, to) = (text(root().join("proto")), text(generated));
    let mut arguments = vec!["-m", "grpc_tools.protoc", "-I", &from, "--python_out", &to];
    arguments.extend(SCHEMA);
    run(&program, &arguments)
}

fn java(folder: &Path) -> anyhow::Result<()> {
    need_package("javac", "--version", "default-jdk-headless")?;
    need_package("mvn", "--version", "maven")?;
    let project = text(root().join("tests/consumers/java/pom.xml"));
    let output = format!("-Doutput.directory={}", folder.display());
    run("mvn", &["--quiet", "--batch-mode", "--file", &project, &output, "package"])
}

fn text(path: PathBuf) -> String {
    path.to_string_lossy().into_owned()
}
