//! The figures of the product, all from one run: what a session, a first contact, a wake-up and a restart cost.
//!
//! `cargo bench -p lastmile --bench figures [-- SESSIONS] [NAMES]`, names as in the file it writes: `first_contact`, `wake_up` …
//!
//! `lastmile dev --fleet 0` runs as a process of its own on a data folder under `target`, and so does the bare stub that its
//! sessions are measured against; both are driven by the same client, in turn, round by round. CPU is user and system time
//! of all threads of a process, by `/proc/PID/stat`; what the server does behind its answers (event log, history, files of
//! the store) is waited for and counted. Prints tables for people, and writes `target/figures.json`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::machine::{Machine, median};
use crate::process::{ROLE, Server, serve_stub_role};
use crate::stub::{Script, connector, run_clients, write_identity};

mod first_contact;
mod machine;
mod process;
mod restart;
#[path = "../../../acs-cwmp-server/benches/stub/mod.rs"]
mod stub;
mod wake_up;

/// Times that stub and product are measured in turn.
const ROUNDS: u32 = 7;
/// Devices that come again and again.
const DEVICES: u32 = 400;

fn main() {
    match std::env::var(ROLE) {
        Ok(role) => serve_stub_role(&role),
        Err(_) => measure(),
    }
}

fn measure() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let sessions = arguments.iter().find_map(|arg| arg.parse().ok()).unwrap_or(4_000);
    let chosen: Vec<&String> = arguments.iter().filter(|arg| arg.parse::<u32>().is_err()).collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| *chosen == name);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder under target");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let machine = Machine::look(folder.path());
    println!("{machine}");
    write_identity(folder.path());
    let mut figures = Map::new();
    figures.insert("machine".to_owned(), machine.to_json());
    let (runtime, folder) = (&runtime, folder.path());
    let figure: [(&str, &dyn Fn() -> Value); 6] = [
        ("idle_sessions", &|| idle_sessions(runtime, folder, false, sessions)),
        ("idle_sessions_tls13", &|| idle_sessions(runtime, folder, true, sessions)),
        ("decode_micros", &decode_micros),
        ("first_contact", &|| first_contact::measure(runtime, folder)),
        ("wake_up", &|| wake_up::measure(runtime, folder)),
        ("restart", &|| restart::measure(runtime, folder)),
    ];
    for (name, measure) in figure.into_iter().filter(|(name, _)| wanted(name)) {
        figures.insert(name.to_owned(), measure());
    }
    let file = target().join("figures.json");
    std::fs::write(&file, format!("{:#}\n", Value::Object(figures))).expect("the figures are written");
    println!("All figures: {}", file.display());
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in target").to_owned()
}

/// Periodic sessions of known devices, each on a new connection: the stub's and the product's server CPU, in turn.
fn idle_sessions(runtime: &Runtime, folder: &Path, tls: bool, sessions: u32) -> Value {
    let name = if tls { "TLS 1.3, full handshakes" } else { "plain HTTP" };
    let tls = tls.then(|| connector(folder));
    let stub = Server::stub(folder, tls.is_some());
    let product = Server::product(runtime, &folder.join(name), tls.is_some().then_some(folder), &[]);
    let mut next = 0;
    let mut micros = |server: &Server, script: &Script, count: u32| {
        let numbers = next..next + count;
        next += count;
        let before = server.cpu();
        let serial = |session| format!("S{}", session % DEVICES);
        runtime.block_on(run_clients(server.address(), tls.as_ref(), numbers, script, serial));
        let spent = server.cpu_when_settled() - before;
        spent.as_secs_f64() * 1e6 / f64::from(count)
    };
    let (three_posts, idle) = (Script::three_posts(), Script::idle());
    micros(&stub, &three_posts, sessions / 2);
    micros(&product, &idle, DEVICES.max(sessions / 2));
    let rounds: Vec<(f64, f64)> =
        (0..ROUNDS).map(|_| (micros(&stub, &three_posts, sessions), micros(&product, &idle, sessions))).collect();
    let stub = median(rounds.iter().map(|(stub, _)| *stub));
    let product = median(rounds.iter().map(|(_, product)| *product));
    let ratio = median(rounds.iter().map(|(stub, product)| product / stub));
    let ratios: Vec<String> = rounds.iter().map(|(stub, product)| format!("{:.2}", product / stub)).collect();
    println!(
        "Periodic session, {name}: {product:.0} us, the stub {stub:.0} us, ratio {ratio:.2} ({})",
        ratios.join(" ")
    );
    let rounds: Vec<Value> =
        rounds.iter().map(|(stub, product)| json!({"stub_micros": stub, "product_micros": product})).collect();
    json!({"product_micros": product, "stub_micros": stub, "ratio": ratio, "sessions": sessions, "rounds": rounds})
}

/// What reading an Inform costs, alone.
fn decode_micros() -> Value {
    const TIMES: u32 = 2_000;
    let body = stub::inform().into_bytes();
    let limits = cwmp_codec::Limits::default();
    let round = |_| {
        let began = std::time::Instant::now();
        for _ in 0..TIMES {
            let read = cwmp_codec::decode(std::hint::black_box(&body), Some("utf-8"), &limits);
            std::hint::black_box(read.is_ok());
        }
        per(began.elapsed(), TIMES)
    };
    let decode = median((0..15).map(round));
    println!("Decode of an Inform of {} bytes: {decode:.1} us", body.len());
    json!(decode)
}

/// Microseconds for each of `count`.
fn per(time: Duration, count: u32) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(count)
}
