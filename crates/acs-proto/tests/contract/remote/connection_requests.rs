use std::sync::{Arc, Mutex};

use acs_proto::remote::{ConnectionRequestsClient, ConnectionRequestsServer};
use acs_proto::{ConnectionRequests, ServiceError, WakeOutcome, WakeRequest};
use async_trait::async_trait;
use tonic::transport::Server;

use super::loopback::{connect, deadlines};
use super::sampled;
use crate::strategies as any;

struct Scripted {
    says: Result<WakeOutcome, ServiceError>,
    asked: Mutex<Vec<WakeRequest>>,
}

#[async_trait]
impl ConnectionRequests for Scripted {
    async fn wake(&self, request: WakeRequest) -> Result<WakeOutcome, ServiceError> {
        self.asked.lock().unwrap().push(request);
        self.says.clone()
    }
}

#[tokio::test]
async fn a_connection_request_is_the_same_in_process_and_remote_and_never_repeated() {
    let outcomes = sampled(&any::wake_outcome()).into_iter().map(Ok);
    let errors = sampled(&any::service_error()).into_iter().map(Err);
    for (request, says) in sampled(&any::wake_request()).into_iter().cycle().zip(outcomes.chain(errors)) {
        let service = Arc::new(Scripted { says: says.clone(), asked: Mutex::default() });
        let server = ConnectionRequestsServer::new(service.clone()).into_service();
        let channel = connect(Server::builder().add_service(server)).await;
        let client = ConnectionRequestsClient::new(channel, deadlines());
        assert_eq!(client.wake(request.clone()).await, says);
        assert_eq!(*service.asked.lock().unwrap(), [request]);
    }
}
