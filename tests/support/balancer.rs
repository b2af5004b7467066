//! What stands before the front-ends, as haproxy does: connections go in turn to those that say that they are ready, and to the
//! next one where nobody listens. Connections that stand are left alone. A test may hold those that come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::RwLock;

/// How often each front-end is asked; `cargo xtask cluster` lets haproxy ask every second.
const LOOK: Duration = Duration::from_millis(250);
/// So many bad answers in turn and a front-end gets no new connection; a good one and it does.
const FALL: usize = 2;

struct Front {
    port: u16,
    is_up: AtomicBool,
}

/// Each connection that is served has it for reading.
pub(crate) type Gate = Arc<RwLock<()>>;

/// Of front-ends by port and port of the health listener; the port where CPEs connect, and what holds them.
pub(crate) async fn balancer(fronts: &[(u16, u16)]) -> (u16, Gate) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("it has an address").port();
    let front = |(port, health): &(u16, u16)| {
        let front = Arc::new(Front { port: *port, is_up: AtomicBool::new(true) });
        tokio::spawn(watch(front.clone(), *health));
        front
    };
    let fronts: Arc<[Arc<Front>]> = fronts.iter().map(front).collect();
    let gate = Gate::default();
    let passes = gate.clone();
    tokio::spawn(async move {
        let turn = Arc::new(AtomicUsize::new(0));
        while let Ok((device, _)) = listener.accept().await {
            tokio::spawn(serve(device, fronts.clone(), turn.fetch_add(1, Ordering::Relaxed), passes.clone()));
        }
    });
    (port, gate)
}

async fn watch(front: Arc<Front>, health: u16) {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(1)).build().expect("a client");
    let mut failed = 0;
    loop {
        let reply = client.get(format!("http://127.0.0.1:{health}/health/ready")).send().await;
        failed = if reply.is_ok_and(|reply| reply.status() == 200) { 0 } else { failed + 1 };
        front.is_up.store(failed < FALL, Ordering::Relaxed);
        tokio::time::sleep(LOOK).await;
    }
}

async fn serve(mut device: TcpStream, fronts: Arc<[Arc<Front>]>, turn: usize, gate: Gate) {
    let _passes = gate.read().await;
    let up: Vec<&Arc<Front>> = fronts.iter().filter(|front| front.is_up.load(Ordering::Relaxed)).collect();
    for n in 0..up.len() {
        let port = up[(turn + n) % up.len()].port;
        if let Ok(mut front) = TcpStream::connect(("127.0.0.1", port)).await {
            let _ = (front.set_nodelay(true), device.set_nodelay(true));
            let _ = copy_bidirectional(&mut device, &mut front).await;
            return;
        }
    }
}
