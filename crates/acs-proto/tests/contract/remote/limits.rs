use std::sync::Arc;
use std::time::Duration;

use acs_proto::remote::{Deadlines, MESSAGE_BYTES_MAX, ProvisioningClient, ProvisioningServer};
use acs_proto::{ErrorClass, Provisioning, Record, Unsealed, v1};
use acs_types::{AuditRecord, EventBody, EventId, EventRecord, Position, Tenant};
use cwmp_model::Timestamp;
use tonic::transport::{Channel, Server};

use super::loopback::{connect, deadlines};
use super::provisioning::{Said, Scripted, client};

fn record(detail: usize) -> EventRecord {
    EventRecord {
        event_id: EventId::from_bytes([1; 16]),
        device: None,
        tenant: Tenant::default(),
        subscriber_id: String::new(),
        session: None,
        position: Position::default(),
        occurred_at: Timestamp::from_micros(1),
        emitter: "api-0".parse().unwrap(),
        emitter_seq: 1,
        late: false,
        body: EventBody::Audit(AuditRecord {
            at: Timestamp::from_micros(1),
            tenant: Tenant::default(),
            principal: "alice".into(),
            token: None,
            action: "task.create".into(),
            object: "t".into(),
            detail: "x".repeat(detail),
        }),
    }
}

#[tokio::test]
async fn a_message_has_at_most_its_limit() {
    let client = client(Scripted::new(Ok(Said::Kept))).await;
    // In an AppendRequest a record of this size stands behind one byte of tag and four of length.
    let around = MESSAGE_BYTES_MAX - 1000;
    let largest = around + (MESSAGE_BYTES_MAX - 5 - record(around).to_bytes(&Unsealed).len());
    assert_eq!(record(largest).to_bytes(&Unsealed).len() + 5, MESSAGE_BYTES_MAX);
    assert_eq!(client.append(vec![record(largest)]).await, Ok(()));
    let refused = client.append(vec![record(largest + 1)]).await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_str()), (ErrorClass::Invalid, "message_too_large"));
}

fn connects_to(address: std::net::SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

#[tokio::test]
async fn a_service_that_is_silent_or_gone_is_unavailable() {
    let short = Deadlines { session: Duration::from_millis(200), ..deadlines() };
    let request = || acs_proto::VerifierRequest { username: "cpe".into() };

    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let channel = connects_to(silent.local_addr().unwrap());
    let error = ProvisioningClient::new(channel, short).verifier(request()).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Unavailable, "deadline_exceeded"));

    // It has the port and does not listen there: one that is given back may be another test's a moment later.
    let gone = tokio::net::TcpSocket::new_v4().unwrap();
    gone.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let channel = connects_to(gone.local_addr().unwrap());
    let error = ProvisioningClient::new(channel, deadlines()).verifier(request()).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Unavailable, "unavailable"));
}

#[tokio::test]
async fn a_malformed_request_is_invalid_and_a_malformed_reply_internal() {
    let service: Arc<dyn Provisioning> = Scripted::new(Ok(Said::Kept));
    let server = ProvisioningServer::new(service).into_service();
    let channel = connect(Server::builder().add_service(server)).await;
    let mut stub = v1::provisioning_client::ProvisioningClient::new(channel);
    let refused = stub.begin(v1::BeginRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().contains("BeginRequest.session is missing"), "{}", refused.message());
    let cancel = v1::CancelRequest { device: "no id".into(), task: "t".into(), principal: String::new() };
    assert_eq!(stub.cancel(cancel).await.unwrap_err().code(), tonic::Code::InvalidArgument);
}
