//! Peers that mean harm or know no better, on all three listeners: the process stays up and bounded (P19, P20).

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use lastmile_fleet::Fleet;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Server, fleet_config, id_of};

/// What hostile input may leave in memory; a debug build's allocator keeps some.
const GROWTH_MAX: u64 = 256 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_input_neither_stops_nor_swells_the_process_p19_p20() {
    let mut server = Server::start().await;
    let fleet = Fleet::start(fleet_config(&server, 2, 71)).await.expect("the fleet starts");
    let api = server.api();
    let device = fleet.device(0).unwrap();
    let id = id_of(&device);
    api.discovered(&id).await;
    let before = server.resident_bytes();

    let slow = slow_peers(&server).await;
    for (name, body, encoding) in bodies() {
        let answer = post(server.cwmp_port(), &body, encoding).await;
        assert!(server.lives(), "P20: {name}");
        // No answer is one, too: the connection was closed.
        assert!(answer.is_none_or(|status| status != 500), "{name}: {answer:?}");
    }
    let mut random = StdRng::seed_from_u64(72);
    for port in [server.cwmp_port(), server.api_port(), server.files_port()] {
        for _ in 0..30 {
            garbage(port, &mut random).await;
        }
    }
    for path in [
        "/files/x",
        "/files/..%2f..%2fadmin-token",
        "/api/v1/devices/%00",
        "/api/v1/devices?limit=99999999999999999999",
    ] {
        for port in [server.cwmp_port(), server.api_port(), server.files_port()] {
            let _ = reqwest::get(format!("http://127.0.0.1:{port}{path}"))
                .await
                .map(|reply| assert!(reply.status().as_u16() < 500));
        }
    }
    // Meanwhile the good device is served (P19).
    api.do_task(&id, json!({"kind": "get_values", "paths": [device.path("DeviceInfo.UpTime").to_string()]})).await;
    let after = server.resident_bytes();
    eprintln!("resident memory: {} MiB before, {} MiB after", before >> 20, after >> 20);
    assert!(after.saturating_sub(before) < GROWTH_MAX, "P19: {before} bytes became {after}");
    drop(slow);
    // Nothing that was stored stops it at its next start.
    server.restart().await;
    server.api().do_task(&id, json!({"kind": "reboot"})).await;
    drop(fleet);
    server.finish();
}

/// Captures of strange devices, and bodies that grow.
fn bodies() -> Vec<(String, Vec<u8>, &'static str)> {
    let mut bodies: Vec<(String, Vec<u8>, &'static str)> = Vec::new();
    let captures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../cwmp-codec/tests");
    for file in files_below(&captures).into_iter().filter(|file| file.extension().is_some_and(|e| e == "xml")) {
        bodies.push((file.display().to_string(), std::fs::read(&file).unwrap(), ""));
    }
    assert!(bodies.len() > 10, "the codec's captures are not where they were");
    let zeros = gzip(&[0; 1 << 20], 300);
    assert!(zeros.len() < 1 << 20, "300 MiB became {} bytes", zeros.len());
    bodies.push(("a gzip bomb".to_owned(), zeros.clone(), "gzip"));
    bodies.push(("a bomb in a bomb".to_owned(), gzip(&zeros, 1), "gzip, gzip"));
    bodies.push(("no gzip".to_owned(), b"not compressed".to_vec(), "gzip"));
    bodies.push(("an unknown encoding".to_owned(), b"x".to_vec(), "br"));
    bodies.push(("depth".to_owned(), b"<a>".repeat(200_000), ""));
    let attributes: String = (0..20_000).map(|n| format!(" a{n}='1'")).collect();
    bodies.push(("width".to_owned(), format!("<a{attributes}/>").into_bytes(), ""));
    bodies.push(("elements".to_owned(), [b"<a>".to_vec(), b"<b/>".repeat(200_000), b"</a>".to_vec()].concat(), ""));
    let entities = "<!DOCTYPE l [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]><l>&b;</l>";
    bodies.push(("entities".to_owned(), entities.as_bytes().to_vec(), ""));
    bodies.push(("too large".to_owned(), vec![b' '; 40 << 20], ""));
    bodies
}

fn gzip(block: &[u8], times: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..times {
        encoder.write_all(block).unwrap();
    }
    encoder.finish().unwrap()
}

/// The status, or `None` if the connection was closed.
async fn post(port: u16, body: &[u8], encoding: &str) -> Option<u16> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    let mut request =
        client.post(format!("http://127.0.0.1:{port}/")).header("Content-Type", "text/xml").body(body.to_vec());
    if !encoding.is_empty() {
        request = request.header("Content-Encoding", encoding);
    }
    request.send().await.ok().map(|reply| reply.status().as_u16())
}

async fn garbage(port: u16, random: &mut StdRng) {
    let mut bytes = vec![0; 4096];
    random.fill_bytes(&mut bytes);
    if random.next_u32().is_multiple_of(2) {
        // Something that begins well.
        bytes.splice(0..0, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".iter().copied());
    }
    let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)).await else {
        panic!("port {port} takes no connection")
    };
    let _ = socket.write_all(&bytes).await;
    let _ = socket.shutdown().await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut answer)).await;
}

/// Connections that never finish their header, or their body.
async fn slow_peers(server: &Server) -> Vec<TcpStream> {
    let mut sockets = Vec::new();
    for port in [server.cwmp_port(), server.api_port(), server.files_port()] {
        for n in 0..100 {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).await.expect("the port takes connections");
            let begun: &[u8] = match n % 3 {
                0 => b"",
                1 => b"POST / HTTP/1.1\r\nHost: slow",
                _ => b"POST / HTTP/1.1\r\nHost: slow\r\nContent-Length: 100000\r\n\r\n<soap",
            };
            socket.write_all(begun).await.expect("bytes go out");
            sockets.push(socket);
        }
    }
    sockets
}

fn files_below(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}
