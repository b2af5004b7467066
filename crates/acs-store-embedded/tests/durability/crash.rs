//! kill -9 at random moments: what was acknowledged is there, and every write is whole.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::ledger::{self, Events};

const ROUNDS: u64 = 60;
const FOLDER: &str = "STORE_CRASH_FOLDER";
const FIRST: &str = "STORE_CRASH_FIRST";
/// Writes of one round have numbers of their own.
const ROUND: u64 = 1_000_000;

/// F2 for the store: P1, P7, P11.
#[test]
fn p1_p7_what_is_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("seed {seed}");
    let mut random = seed | 1;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut total = 0;
    for round in 1..=ROUNDS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let delay = Duration::from_micros(2_000 + (random >> 33) % 60_000);
        let (started, acknowledged) = kill_a_writer(folder.path(), round * ROUND, delay);
        total += acknowledged.len();
        let store = ledger::open(folder.path()).unwrap_or_else(|e| panic!("round {round}, seed {seed}: {e}"));
        runtime.block_on(async {
            let events = Events::read(&store).await;
            for n in &acknowledged {
                let halves = ledger::halves(&store, *n, &events).await;
                assert_eq!(halves, 2, "round {round}, seed {seed}: write {n} was acknowledged");
            }
            for n in &started {
                let halves = ledger::halves(&store, *n, &events).await;
                assert_ne!(halves, 1, "round {round}, seed {seed}: half of write {n} is there");
            }
        });
    }
    assert!(total > ROUNDS as usize * 10, "only {total} writes were acknowledged: the test tests too little");
    println!("{total} acknowledged writes in {ROUNDS} rounds");
}

/// The writes that were begun and those acknowledged by a process killed `delay` after its first acknowledgement.
fn kill_a_writer(folder: &Path, first: u64, delay: Duration) -> (Vec<u64>, Vec<u64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::writer", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (mut started, mut acknowledged) = (Vec::new(), Vec::new());
    let mut line = Vec::new();
    let mut killer = None;
    while lines.read_until(b'\n', &mut line).unwrap() > 0 {
        // A line cut by the kill says nothing.
        if line.last() == Some(&b'\n') {
            let text = std::str::from_utf8(&line).unwrap().trim();
            if let Some(n) = text.strip_prefix("start ") {
                started.push(n.parse().unwrap());
            } else if let Some(n) = text.strip_prefix("ack ") {
                acknowledged.push(n.parse().unwrap());
                killer.get_or_insert_with(|| {
                    let id = child.id().to_string();
                    std::thread::spawn(move || {
                        std::thread::sleep(delay);
                        assert!(Command::new("kill").args(["-9", &id]).status().unwrap().success());
                    })
                });
            }
        }
        line.clear();
    }
    killer.expect("the writer acknowledged something before it ended").join().unwrap();
    assert!(!child.wait().unwrap().success(), "killed, not ended by itself");
    (started, acknowledged)
}

#[test]
#[ignore = "the process that p1_p7_what_is_acknowledged_survives_kill_9 kills"]
fn writer() {
    let (Ok(folder), Ok(first)) = (std::env::var(FOLDER), std::env::var(FIRST)) else { return };
    let first: u64 = first.parse().unwrap();
    let store = ledger::open(Path::new(&folder)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let say = |line: String| std::io::stdout().write_all(line.as_bytes()).unwrap();
    runtime.block_on(async {
        let writers = (0..16_u64).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in (first + writer..first + ROUND).step_by(16) {
                    say(format!("start {n}\n"));
                    ledger::write(&store, n).await.unwrap();
                    say(format!("ack {n}\n"));
                }
            })
        });
        futures::future::join_all(writers.collect::<Vec<_>>()).await;
    });
}
