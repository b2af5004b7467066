//! `cargo xtask tidy`: the rules of the repository that a compiler does not hold.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::process::root;
use crate::{promises, requirements};

/// Crates that are pure: they read no clock, open no socket, draw no random number, await nothing.
const PURE: [&str; 4] = ["cwmp-model", "cwmp-codec", "cwmp-session", "acs-planner"];
/// What a pure crate must not contain outside its tests.
const IMPURE: [&str; 7] =
    ["tokio::", ".await", "async fn", "Instant::now", "SystemTime::now", "Timestamp::now", "rand::"];
/// The layer whose crates do not know each other.
const SERVICES: u32 = 4;
/// Words that no file of the repository holds: places of one machine.
const FOREIGN: [&str; 3] = ["/work/", "/root/", "/home/"];

pub(crate) fn run() -> anyhow::Result<()> {
    let mut problems = Vec::new();
    layers(&mut problems)?;
    purity(&mut problems)?;
    front_pages(&mut problems)?;
    foreign_words(&mut problems)?;
    documents(&mut problems);
    problems.extend(requirements::problems()?);
    problems.extend(promises::problems()?);
    if problems.is_empty() {
        println!("tidy: all clean");
        return Ok(());
    }
    for problem in &problems {
        eprintln!("tidy: {problem}");
    }
    bail!("{} problem(s)", problems.len())
}

/// A crate depends only on crates that stand above it in the root manifest; services know no other service.
fn layers(problems: &mut Vec<String>) -> anyhow::Result<()> {
    let order = member_layers(&fs::read_to_string(root().join("Cargo.toml"))?);
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec()?;
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some(&(place, layer)) = order.get(name) else {
            problems.push(format!("{name} stands in no layer of the root manifest"));
            continue;
        };
        if package.manifest_path.parent().and_then(|folder| folder.file_name()) != Some(name) {
            problems.push(format!("{name} lies in a folder of another name"));
        }
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            let Some(&(other_place, other_layer)) = order.get(dependency.name.as_str()) else { continue };
            if other_place >= place {
                problems.push(format!("{name} depends on {}, which stands below it", dependency.name));
            }
            if layer == SERVICES && other_layer == SERVICES {
                problems.push(format!("service {name} knows service {}: they meet through acs-proto", dependency.name));
            }
        }
    }
    Ok(())
}

/// Crate name → (place in the list, layer), from the members and their `# n layer` comments.
fn member_layers(manifest: &str) -> BTreeMap<String, (usize, u32)> {
    let mut layer = 0;
    let mut order = BTreeMap::new();
    for line in manifest.lines().map(str::trim).skip_while(|line| !line.starts_with("members")) {
        if line == "]" {
            break;
        }
        if let Some(comment) = line.strip_prefix("# ") {
            layer = comment.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(layer);
        }
        if let Some(path) = line.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
            let name = path.rsplit('/').next().unwrap_or(path).to_owned();
            order.insert(name, (order.len(), layer));
        }
    }
    order
}

fn purity(problems: &mut Vec<String>) -> anyhow::Result<()> {
    for name in PURE {
        for file in rust_files(&root().join("crates").join(name).join("src"))? {
            let text = fs::read_to_string(&file)?;
            let product = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (number, line) in product.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                if let Some(word) = IMPURE.iter().find(|word| has_word(code, word)) {
                    let file = file.strip_prefix(root()).unwrap_or(&file).display();
                    problems.push(format!("{file}:{}: `{word}` in a pure crate", number + 1));
                }
            }
        }
    }
    Ok(())
}

/// Whether `word` stands in `code` and is not the begin of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    let ends = |rest: &str| word.ends_with("::") || !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    code.match_indices(word).any(|(start, _)| ends(&code[start + word.len()..]))
}

/// Each library opens with its contract.
fn front_pages(problems: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(root().join("crates"))? {
        let folder = entry?.path();
        let page = [folder.join("src/lib.rs"), folder.join("src/main.rs")].into_iter().find(|page| page.exists());
        let Some(page) = page else {
            problems.push(format!("{} has neither lib.rs nor main.rs", folder.display()));
            continue;
        };
        if !fs::read_to_string(&page)?.starts_with("//!") {
            problems.push(format!("{} does not open with its contract (`//!`)", page.display()));
        }
    }
    Ok(())
}

/// No path of one machine in any file that git tracks.
fn foreign_words(problems: &mut Vec<String>) -> anyhow::Result<()> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().context("git ls-files")?;
    for name in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|name| !name.is_empty()) {
        if name == "crates/xtask/src/tidy.rs" || name == "Cargo.lock" {
            continue;
        }
        let Ok(text) = fs::read_to_string(root().join(name)) else { continue };
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = FOREIGN.iter().find(|word| line.contains(**word)) {
                problems.push(format!("{name}:{}: `{word}` is a place of one machine", number + 1));
            }
        }
    }
    Ok(())
}

/// The documents a newcomer looks for, and the commands they are promised.
fn documents(problems: &mut Vec<String>) {
    let wanted = [
        ("README.md", "cargo xtask test"),
        ("README.md", "lastmile dev"),
        ("ARCHITECTURE.md", "acs-cwmp-server"),
        ("CONTRIBUTING.md", "cargo xtask lint"),
        ("LICENSE", "Apache License"),
        ("NOTICE", "Broadband Forum"),
        (".ci/run", "cargo xtask test"),
        ("docs/promises.md", "P27"),
        ("docs/requirements.md", "CWMP-121"),
    ];
    for (file, text) in wanted {
        match fs::read_to_string(root().join(file)) {
            Ok(found) if found.contains(text) => {}
            Ok(_) => problems.push(format!("{file} does not mention `{text}`")),
            Err(_) => problems.push(format!("{file} is missing")),
        }
    }
}

pub(crate) fn rust_files(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_from_the_manifest() {
        let order =
            member_layers("[workspace]\nmembers = [\n # 0 pure\n \"crates/a\",\n # 4 services\n \"crates/b\",\n]\n");
        assert_eq!(order["a"], (0, 0));
        assert_eq!(order["b"], (1, 4));
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("x.await?", ".await"));
        assert!(!has_word("self.awaited()", ".await"));
        assert!(has_word("tokio::spawn", "tokio::"));
    }

    #[test]
    fn the_repository_is_tidy() {
        let mut problems = Vec::new();
        layers(&mut problems).unwrap();
        purity(&mut problems).unwrap();
        assert_eq!(problems, Vec::<String>::new());
    }
}
