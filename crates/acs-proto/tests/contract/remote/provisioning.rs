use std::sync::{Arc, Mutex};

use acs_proto::remote::{ProvisioningClient, ProvisioningServer, REPEATS_MAX};
use acs_proto::{
    BeginReply, BeginRequest, CancelReply, EndReply, EndRequest, EnqueueReply, EnqueueRequest, ErrorClass, NextReply,
    NextRequest, Provisioning, ServiceError, TaskStream, VerifierReply, VerifierRequest, WakeOutcome,
};
use acs_types::{DeviceId, EventRecord, Task, TaskId};
use async_trait::async_trait;
use futures::StreamExt;
use proptest::strategy::{Just, Strategy};
use tonic::transport::Server;

use super::loopback::{connect, deadlines};
use super::sampled;
use crate::strategies as any;

/// What a method is asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    Verifier(VerifierRequest),
    Begin(BeginRequest),
    Next(NextRequest),
    End(EndRequest),
    Append(Vec<EventRecord>),
    Observe(Vec<EventRecord>),
    Enqueue(EnqueueRequest),
    Cancel(DeviceId, TaskId, String),
    Retry(DeviceId, TaskId, String),
    Watch(DeviceId, TaskId),
    Wake(DeviceId),
}

/// What it says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Verifier(VerifierReply),
    Begin(BeginReply),
    Next(NextReply),
    End(EndReply),
    Kept,
    Enqueue(EnqueueReply),
    Cancel(CancelReply),
    Retry(Task),
    Watch(Vec<Result<Task, ServiceError>>),
    Wake(WakeOutcome),
}

/// A service that says what it was told to say and remembers what it was asked.
pub(crate) struct Scripted {
    says: Result<Said, ServiceError>,
    asked: Mutex<Vec<Asked>>,
}

impl Scripted {
    pub(crate) fn new(says: Result<Said, ServiceError>) -> Arc<Self> {
        Arc::new(Self { says, asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn answer<T>(&self, asked: Asked, pick: impl FnOnce(Said) -> Option<T>) -> Result<T, ServiceError> {
        self.asked.lock().unwrap().push(asked);
        self.says.clone().map(|said| pick(said).expect("the script fits the method"))
    }
}

macro_rules! pick {
    ($variant:ident) => {
        |said| match said {
            Said::$variant(reply) => Some(reply),
            _ => None,
        }
    };
}

#[async_trait]
impl Provisioning for Scripted {
    async fn verifier(&self, request: VerifierRequest) -> Result<VerifierReply, ServiceError> {
        self.answer(Asked::Verifier(request), pick!(Verifier))
    }

    async fn begin(&self, request: BeginRequest) -> Result<BeginReply, ServiceError> {
        self.answer(Asked::Begin(request), pick!(Begin))
    }

    async fn next(&self, request: NextRequest) -> Result<NextReply, ServiceError> {
        self.answer(Asked::Next(request), pick!(Next))
    }

    async fn end(&self, request: EndRequest) -> Result<EndReply, ServiceError> {
        self.answer(Asked::End(request), pick!(End))
    }

    async fn append(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        self.answer(Asked::Append(records), |said| (said == Said::Kept).then_some(()))
    }

    async fn observe(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        self.answer(Asked::Observe(records), |said| (said == Said::Kept).then_some(()))
    }

    async fn enqueue(&self, request: EnqueueRequest) -> Result<EnqueueReply, ServiceError> {
        self.answer(Asked::Enqueue(request), pick!(Enqueue))
    }

    async fn cancel(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<CancelReply, ServiceError> {
        self.answer(Asked::Cancel(device.clone(), task.clone(), principal.to_owned()), pick!(Cancel))
    }

    async fn retry(&self, device: &DeviceId, task: &TaskId, principal: &str) -> Result<Task, ServiceError> {
        self.answer(Asked::Retry(device.clone(), task.clone(), principal.to_owned()), pick!(Retry))
    }

    async fn watch(&self, device: &DeviceId, task: &TaskId) -> Result<TaskStream, ServiceError> {
        let states = self.answer(Asked::Watch(device.clone(), task.clone()), pick!(Watch))?;
        Ok(Box::pin(futures::stream::iter(states)))
    }

    async fn wake(&self, device: &DeviceId) -> Result<WakeOutcome, ServiceError> {
        self.answer(Asked::Wake(device.clone()), pick!(Wake))
    }
}

async fn ask(service: &dyn Provisioning, asked: Asked) -> Result<Said, ServiceError> {
    Ok(match asked {
        Asked::Verifier(request) => Said::Verifier(service.verifier(request).await?),
        Asked::Begin(request) => Said::Begin(service.begin(request).await?),
        Asked::Next(request) => Said::Next(service.next(request).await?),
        Asked::End(request) => Said::End(service.end(request).await?),
        Asked::Append(records) => service.append(records).await.map(|()| Said::Kept)?,
        Asked::Observe(records) => service.observe(records).await.map(|()| Said::Kept)?,
        Asked::Enqueue(request) => Said::Enqueue(service.enqueue(request).await?),
        Asked::Cancel(device, task, principal) => Said::Cancel(service.cancel(&device, &task, &principal).await?),
        Asked::Retry(device, task, principal) => Said::Retry(service.retry(&device, &task, &principal).await?),
        Asked::Watch(device, task) => Said::Watch(service.watch(&device, &task).await?.collect().await),
        Asked::Wake(device) => Said::Wake(service.wake(&device).await?),
    })
}

pub(crate) async fn client(service: Arc<dyn Provisioning>) -> ProvisioningClient {
    let router = Server::builder().add_service(ProvisioningServer::new(service).into_service());
    ProvisioningClient::new(connect(router).await, deadlines())
}

/// Asks the service itself and the one behind gRPC: both are asked the same and say the same.
async fn same_in_process_and_remote<A, S>(asked: A, said: S, idempotent: bool)
where
    A: Strategy<Value = Asked>,
    S: Strategy<Value = Said>,
{
    let replies = sampled(&said).into_iter().map(Ok);
    let errors = sampled(&any::service_error()).into_iter().map(Err).take(8);
    for (asked, says) in sampled(&asked).into_iter().cycle().zip(replies.chain(errors)) {
        let (local, behind) = (Scripted::new(says.clone()), Scripted::new(says));
        let remote = client(behind.clone()).await;
        let from_local = ask(&*local, asked.clone()).await;
        let from_remote = ask(&remote, asked.clone()).await;
        assert_eq!(from_local, from_remote);
        assert_eq!(local.asked(), std::slice::from_ref(&asked));
        let unavailable = matches!(&from_local, Err(error) if error.class == ErrorClass::Unavailable);
        let times = if idempotent && unavailable { REPEATS_MAX as usize + 1 } else { 1 };
        assert_eq!(behind.asked(), vec![asked; times]);
    }
}

#[tokio::test]
async fn verifier() {
    let asked = any::verifier_request().prop_map(Asked::Verifier);
    same_in_process_and_remote(asked, any::verifier_reply().prop_map(Said::Verifier), true).await;
}

#[tokio::test]
async fn begin() {
    let asked = any::begin_request().prop_map(Asked::Begin);
    same_in_process_and_remote(asked, any::begin_reply().prop_map(Said::Begin), true).await;
}

#[tokio::test]
async fn next_is_never_repeated() {
    let asked = any::next_request().prop_map(Asked::Next);
    same_in_process_and_remote(asked, any::next_reply().prop_map(Said::Next), false).await;
}

#[tokio::test]
async fn end_is_never_repeated() {
    let asked = any::end_request().prop_map(Asked::End);
    same_in_process_and_remote(asked, any::end_reply().prop_map(Said::End), false).await;
}

#[tokio::test]
async fn append() {
    same_in_process_and_remote(any::events().prop_map(Asked::Append), Just(Said::Kept), true).await;
}

#[tokio::test]
async fn observe() {
    same_in_process_and_remote(any::events().prop_map(Asked::Observe), Just(Said::Kept), true).await;
}

#[tokio::test]
async fn enqueue() {
    let asked = any::enqueue_request().prop_map(Asked::Enqueue);
    same_in_process_and_remote(asked, any::enqueue_reply().prop_map(Said::Enqueue), true).await;
}

#[tokio::test]
async fn cancel_is_never_repeated() {
    let asked = (any::device(), any::task_id(), any::text()).prop_map(|(d, t, p)| Asked::Cancel(d, t, p));
    same_in_process_and_remote(asked, any::cancel_reply().prop_map(Said::Cancel), false).await;
}

#[tokio::test]
async fn retry_is_never_repeated() {
    let asked = (any::device(), any::task_id(), any::text()).prop_map(|(d, t, p)| Asked::Retry(d, t, p));
    same_in_process_and_remote(asked, any::task().prop_map(Said::Retry), false).await;
}

#[tokio::test]
async fn watch() {
    let asked = (any::device(), any::task_id()).prop_map(|(device, task)| Asked::Watch(device, task));
    same_in_process_and_remote(asked, any::watched().prop_map(Said::Watch), true).await;
}

#[tokio::test]
async fn wake_is_never_repeated() {
    let asked = any::device().prop_map(Asked::Wake);
    same_in_process_and_remote(asked, any::wake_outcome().prop_map(Said::Wake), false).await;
}
