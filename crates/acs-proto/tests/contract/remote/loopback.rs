use std::time::Duration;

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::server::Router;
use tonic::transport::{Channel, Endpoint};

/// Serves `router` on a port of its own and connects to it.
pub(crate) async fn connect(router: Router) -> Channel {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// Long enough for a busy machine.
pub(crate) fn deadlines() -> acs_proto::remote::Deadlines {
    let long = Duration::from_secs(60);
    acs_proto::remote::Deadlines { session: long, turn: long, records: long, request: long, wake: long, upload: long }
}
