//! What the services are made of: Java 17 and Redis from Debian's packages, Kafka and Cassandra from Maven's.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process;

/// Cassandra 5.0 runs on no newer one; Kafka 4.1 on no older one.
const JAVA: u32 = 17;
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
/// Between two words about what Maven does.
const PROGRESS: Duration = Duration::from_secs(5);

const KAFKA: Package = Package {
    name: "kafka-4.1.0",
    artifacts: &[
        ("org.apache.kafka", "kafka_2.13", "4.1.0"),
        ("org.apache.kafka", "kafka-tools", "4.1.0"),
        // Else Kafka logs nothing.
        ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3"),
    ],
};
const CASSANDRA: Package =
    Package { name: "cassandra-5.0.5", artifacts: &[("org.apache.cassandra", "cassandra-all", "5.0.5")] };

/// Where everything is.
pub(super) struct Tools {
    pub(super) java: PathBuf,
    /// Kafka's jars.
    pub(super) kafka: PathBuf,
    /// Cassandra's jars.
    pub(super) cassandra: PathBuf,
}

/// Finds the tools; installs or loads what is missing, and says so. `jars` is the folder for what Maven loads.
pub(super) fn install(jars: &Path, with_cassandra: bool) -> Result<Tools> {
    let java = java()?;
    if !process::answers("redis-server", "--version") {
        let _stopped = NoServiceStart::new()?;
        process::need_package("redis-server", "--version", "redis-server")?;
    }
    let kafka = load(&KAFKA, jars)?;
    let cassandra = if with_cassandra { load(&CASSANDRA, jars)? } else { jars.join(CASSANDRA.name) };
    Ok(Tools { java, kafka, cassandra })
}

fn java() -> Result<PathBuf> {
    if let Some(java) = find_java() {
        return Ok(java);
    }
    ensure!(
        process::answers("apt-get", "--version"),
        "Java {JAVA} is missing (Cassandra and Kafka run on it): install it, set JAVA_HOME, and run this again"
    );
    println!("Java {JAVA} is missing (Cassandra and Kafka run on it): installing the Debian package");
    process::run("apt-get", &["update", "-qq"])?;
    process::run("apt-get", &["install", "-y", "-qq", &format!("openjdk-{JAVA}-jre-headless")])?;
    find_java().with_context(|| format!("Java {JAVA} is still missing after installing it"))
}

fn find_java() -> Option<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    let installed = fs::read_dir("/usr/lib/jvm").into_iter().flatten().filter_map(Result::ok);
    let installed = installed.map(|entry| entry.path().join("bin/java"));
    let candidates = home.into_iter().chain([PathBuf::from("java")]).chain(installed);
    candidates.into_iter().find(|java| {
        let answer = Command::new(java).arg("-version").stdin(Stdio::null()).output();
        answer.is_ok_and(|answer| java_version(&String::from_utf8_lossy(&answer.stderr)) == Some(JAVA))
    })
}

/// The 17 of `openjdk version "17.0.15" 2025-04-15`.
fn java_version(answer: &str) -> Option<u32> {
    let version = answer.split('"').nth(1)?;
    version.split(['.', '-', '+']).next()?.parse().ok()
}

struct Package {
    name: &'static str,
    /// Group, artifact, version.
    artifacts: &'static [(&'static str, &'static str, &'static str)],
}

/// The folder with the package's jars and those it needs.
fn load(package: &Package, jars: &Path) -> Result<PathBuf> {
    let target = jars.join(package.name);
    if target.exists() {
        return Ok(target);
    }
    process::need_package("mvn", "--version", "maven")?;
    // What was loaded in part, by a run that was ended, must not pass for the whole.
    let partial = jars.join(format!("{}.partial", package.name));
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
    println!("loading {} from Maven's packages into {}", package.name, target.display());
    let project = jars.join(format!("{}.pom.xml", package.name));
    fs::write(&project, pom(package))?;
    maven(&project, &partial, &jars.join(format!("{}.log", package.name)))?;
    fs::rename(&partial, &target)?;
    Ok(target)
}

fn pom(package: &Package) -> String {
    let dependency = |(group, artifact, version): &(&str, &str, &str)| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>\n"
        )
    };
    let dependencies: String = package.artifacts.iter().map(dependency).collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\n\
         <groupId>lastmile.test</groupId><artifactId>{}</artifactId><version>1</version><packaging>pom</packaging>\n\
         <dependencies>\n{dependencies}</dependencies></project>\n",
        package.name
    )
}

/// Copies what the project needs into `target`; tells from time to time how far it is.
fn maven(project: &Path, target: &Path, log: &Path) -> Result<()> {
    let output = File::create(log).with_context(|| format!("cannot make {}", log.display()))?;
    let mut child = Command::new("mvn")
        .args(["--batch-mode", COPY, "-DincludeScope=runtime", "--file"])
        .arg(project)
        .arg(format!("-DoutputDirectory={}", target.display()))
        .stdin(Stdio::null())
        .stderr(output.try_clone()?)
        .stdout(output)
        .spawn()
        .context("`mvn` could not be started")?;
    let mut told = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if told.elapsed() >= PROGRESS {
            let files = fs::read_to_string(log).unwrap_or_default().matches("Downloaded from").count();
            println!("  {files} files so far");
            told = Instant::now();
        }
        thread::sleep(Duration::from_millis(100));
    };
    if !status.success() {
        bail!("Maven could not load the packages ({status}); its log: {}", log.display());
    }
    Ok(())
}

/// While it lives, Debian's packages start no service when they are installed: the binary is wanted, not the service.
struct NoServiceStart {
    made: bool,
}

/// Debian's policy for it; exit code 101 forbids the start.
const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoServiceStart {
    fn new() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        if Path::new(POLICY).exists() || !process::answers("apt-get", "--version") {
            return Ok(Self { made: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n")
            .with_context(|| format!("cannot write {POLICY}: install redis-server yourself, or run this as root"))?;
        let policy = Self { made: true };
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
        Ok(policy)
    }
}

impl Drop for NoServiceStart {
    fn drop(&mut self) {
        if self.made
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("xtask: {POLICY} could not be removed ({error}); remove it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_java_is_read() {
        assert_eq!(java_version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime"), Some(17));
        assert_eq!(java_version("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(java_version("openjdk version \"18-ea\" 2022-03-22"), Some(18));
        assert_eq!(java_version("java version \"1.8.0_292\""), Some(1));
        assert_eq!(java_version("command not found"), None);
    }

    #[test]
    fn the_project_names_every_artifact() {
        let text = pom(&KAFKA);
        for (_, artifact, version) in KAFKA.artifacts {
            assert!(text.contains(&format!("<artifactId>{artifact}</artifactId><version>{version}</version>")));
        }
    }
}
