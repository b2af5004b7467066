//! Restart after a kill: from the start of the process until it is ready, with many devices in the store.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::machine::median;
use crate::process::{ApiRequest, Server, client};
use crate::stub::{Script, run_clients};

const DEVICES: u32 = 10_000;
const TIMES: usize = 3;

pub(crate) fn measure(runtime: &Runtime, folder: &Path) -> Value {
    let data = folder.join("restart");
    let flags = ["--first-contact", "none"];
    let mut server = Server::product(runtime, &data, None, &flags);
    let (address, script) = (server.address(), Script::idle());
    runtime.block_on(run_clients(address, None, 0..2 * DEVICES, &script, |n| format!("S{}", n % DEVICES)));
    server.cpu_when_settled();
    let mut once = |_| {
        // As by kill -9.
        drop(std::mem::replace(&mut server, Server::stub(folder, false)));
        let began = Instant::now();
        server = Server::product(runtime, &data, None, &flags);
        began.elapsed().as_secs_f64()
    };
    let seconds: Vec<f64> = (0..TIMES).map(&mut once).collect();
    let client = client();
    let page = ApiRequest { client: &client, path: "/devices?limit=1000", body: None };
    let first = runtime.block_on(server.call(page));
    assert_eq!(first["items"].as_array().map(Vec::len), Some(1000), "the devices are there");
    let seconds = median(seconds.into_iter());
    println!("Restart after kill -9 with {DEVICES} devices: {seconds:.2} s until ready");
    json!({"devices": DEVICES, "seconds": seconds})
}
