//! A server process: started apart from the command that starts it, known by its process id, ended by it alone.
//!
//! The pid file is believed only while the command line of that process names the server's folder: a process id may be
//! used again by a stranger.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take until it serves; a busy machine takes several times the usual ten seconds.
const START: Duration = Duration::from_secs(180);
/// How long a killed process may take to disappear.
const END: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// Lines of the log shown when a start fails.
const LOG_TAIL: usize = 15;

/// How to start a server and how to know that it serves.
pub(crate) struct Server {
    /// Such as `kafka-1`.
    pub(crate) name: String,
    /// Everything of it; its command line has to name this folder.
    pub(crate) folder: PathBuf,
    pub(crate) address: String,
    pub(crate) command: Command,
    /// Whether it serves by now.
    pub(crate) serves: Box<dyn Fn(&Path) -> bool + Send>,
}

/// Starts the servers that do not run, all at once, and waits until each serves. Tells whether any was started.
pub(crate) fn start(servers: Vec<Server>) -> Result<bool> {
    let mut started = Vec::new();
    for mut server in servers {
        let begin = Instant::now();
        match running(&server.folder) {
            Some(_) if server.folder.join("serves").exists() => {}
            // Another command was ended while it waited for this server.
            Some(_) => started.push((server, None, begin)),
            None => {
                let child = spawn(&mut server)?;
                started.push((server, Some(child), begin));
            }
        }
    }
    let any = !started.is_empty();
    for (server, child, begin) in started {
        wait(&server, child, begin)?;
    }
    Ok(any)
}

/// Ends servers, hard: their data go with them. Returns how many ran.
pub(crate) fn stop(folders: &[PathBuf]) -> Result<usize> {
    let running_ones = || folders.iter().filter_map(|folder| Some((folder, running(folder)?)));
    let mut ended = 0;
    for (folder, pid) in running_ones() {
        kill_process(pid, Signal::KILL).with_context(|| format!("cannot end process {pid} of {}", folder.display()))?;
        ended += 1;
    }
    let begin = Instant::now();
    while let Some((folder, pid)) = running_ones().next() {
        ensure!(begin.elapsed() < END, "process {pid} of {} does not end", folder.display());
        thread::sleep(LOOK);
    }
    Ok(ended)
}

/// Asks servers to end and waits until they have; those that take longer than `patience` are ended hard. Returns how many ran.
pub(crate) fn ask_to_end(folders: &[PathBuf], patience: Duration) -> Result<usize> {
    let pids: Vec<_> = folders.iter().filter_map(|folder| running(folder)).collect();
    for pid in &pids {
        // One that has just ended by itself is what is wanted.
        let _ = kill_process(*pid, Signal::TERM);
    }
    let begin = Instant::now();
    while folders.iter().any(|folder| running(folder).is_some()) && begin.elapsed() < patience {
        thread::sleep(LOOK);
    }
    stop(folders)?;
    Ok(pids.len())
}

/// The process of the server in `folder`, if it runs and is ours.
pub(crate) fn running(folder: &Path) -> Option<Pid> {
    let pid = parse_pid(&fs::read_to_string(folder.join("pid")).ok()?)?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    names(&String::from_utf8_lossy(&line), folder).then_some(pid)
}

/// Where a server says what it does.
pub(crate) fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn parse_pid(text: &str) -> Option<Pid> {
    text.trim().parse().ok().filter(|pid| *pid > 1).and_then(Pid::from_raw)
}

/// Whether a command line has a word in or about `folder`. A process that has ended has an empty one.
fn names(command_line: &str, folder: &Path) -> bool {
    command_line.contains(&format!("{}/", folder.display()))
}

fn spawn(server: &mut Server) -> Result<Child> {
    let log = log(&server.folder);
    if log.exists() {
        fs::rename(&log, server.folder.join("log.before"))?;
    }
    remove_if_there(&server.folder.join("serves"))?;
    let output = File::create(&log).with_context(|| format!("cannot make {}", log.display()))?;
    let errors = output.try_clone()?;
    // A group of its own: an interrupt at the terminal is not for the server.
    let command = server.command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
    let child = command.spawn().with_context(|| format!("{} could not be started", server.name))?;
    fs::write(server.folder.join("pid"), child.id().to_string())?;
    Ok(child)
}

fn wait(server: &Server, mut child: Option<Child>, begin: Instant) -> Result<()> {
    let log = log(&server.folder);
    loop {
        // The command line of a child is empty for a moment after its start: ask the child itself.
        let ended = match &mut child {
            Some(child) => child.try_wait()?.is_some(),
            None => running(&server.folder).is_none(),
        };
        if ended {
            bail!("{} ended while it started; {}", server.name, told(&log));
        }
        if (server.serves)(&log) {
            break;
        }
        if begin.elapsed() > START {
            stop(std::slice::from_ref(&server.folder))?;
            bail!("{} does not serve after {} s; {}", server.name, START.as_secs(), told(&log));
        }
        thread::sleep(LOOK);
    }
    File::create(server.folder.join("serves"))?;
    println!("  {:<18} {:<17} after {:.1} s", server.name, server.address, begin.elapsed().as_secs_f32());
    Ok(())
}

/// Where the log is, and its end.
fn told(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n  ");
    format!("its log: {}\n  {tail}", log.display())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sleeps; it serves when its log says so.
    fn sleeper(folder: &Path, script: &str) -> Server {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(folder.join("sleeper"));
        Server {
            name: "sleeper".to_owned(),
            folder: folder.to_owned(),
            address: String::new(),
            command,
            serves: Box::new(|log| fs::read_to_string(log).is_ok_and(|text| text.contains("serving"))),
        }
    }

    #[test]
    fn a_server_is_started_once_and_ended_once() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo serving; while :; do sleep 1; done";
        assert!(start(vec![sleeper(folder.path(), script)]).unwrap());
        let pid = running(folder.path()).expect("it runs");
        assert!(!start(vec![sleeper(folder.path(), script)]).unwrap(), "it runs already");
        assert_eq!(running(folder.path()), Some(pid));
        let folders = [folder.path().to_owned()];
        assert_eq!(stop(&folders).unwrap(), 1);
        assert_eq!(running(folder.path()), None);
        assert_eq!(stop(&folders).unwrap(), 0, "it ran no more");
    }

    #[test]
    fn a_server_that_ends_while_it_starts_is_told_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let error = start(vec![sleeper(folder.path(), "echo no room; exit 3")]).unwrap_err().to_string();
        assert!(error.contains("no room") && error.contains(&log(folder.path()).display().to_string()), "{error}");
    }

    #[test]
    fn a_stranger_with_our_process_id_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
        fs::write(folder.path().join("pid"), stranger.id().to_string()).unwrap();
        assert_eq!(running(folder.path()), None);
        assert_eq!(stop(&[folder.path().to_owned()]).unwrap(), 0);
        assert!(stranger.try_wait().unwrap().is_none(), "it still runs");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[test]
    fn a_pid_file_holds_one_number_above_one() {
        assert_eq!(parse_pid("4711\n"), Pid::from_raw(4711));
        for damaged in ["", "x", "0", "1", "-1", "99999999999", "12 13"] {
            assert_eq!(parse_pid(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn a_folder_of_a_longer_name_is_another() {
        assert!(names("java\0-Dx=/t/kafka-1/x\0", Path::new("/t/kafka-1")));
        assert!(!names("java\0-Dx=/t/kafka-11/x\0", Path::new("/t/kafka-1")));
        assert!(!names("", Path::new("/t/kafka-1")));
    }
}
