//! Scripted CPEs: a listener on loopback that answers each request with the next text of its script.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a CPE does with one request.
#[derive(Clone)]
pub(crate) enum Step {
    /// Writes this and goes on reading.
    Say(&'static str),
    /// Writes this and closes.
    SayAndClose(&'static str),
    /// Says what the function makes of the request.
    Judge(fn(&str) -> &'static str),
    /// Writes this over and over, without end, with a pause between.
    Endless(&'static str, Duration),
    /// Never answers.
    Silence,
}

pub(crate) struct Cpe {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<u32>>,
}

impl Cpe {
    /// Listens on 127.0.0.1. The script runs once over all connections; its last step is repeated.
    pub(crate) async fn listen(script: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cpe =
            Self { port: listener.local_addr().unwrap().port(), requests: Arc::default(), connections: Arc::default() };
        let (requests, connections) = (cpe.requests.clone(), cpe.connections.clone());
        let script = Arc::new(Mutex::new(script));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *connections.lock().unwrap() += 1;
                tokio::spawn(serve(stream, script.clone(), requests.clone()));
            }
        });
        cpe
    }

    /// The heads of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> u32 {
        *self.connections.lock().unwrap()
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<Vec<Step>>>, requests: Arc<Mutex<Vec<String>>>) {
    while let Some(head) = read_head(&mut stream).await {
        requests.lock().unwrap().push(head.clone());
        let step = {
            let mut script = script.lock().unwrap();
            if script.len() > 1 { script.remove(0) } else { script[0].clone() }
        };
        let written = match step {
            Step::Say(text) => stream.write_all(text.as_bytes()).await,
            Step::Judge(judge) => stream.write_all(judge(&head).as_bytes()).await,
            Step::SayAndClose(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                return;
            }
            Step::Endless(text, pause) => loop {
                if let Err(error) = stream.write_all(text.as_bytes()).await {
                    break Err(error);
                }
                tokio::time::sleep(pause).await;
            },
            Step::Silence => std::future::pending().await,
        };
        if written.is_err() {
            return;
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}
