use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use acs_proto::{
    BeginReply, BeginRequest, Call, CancelReply, EndReply, EndRequest, EnqueueReply, EnqueueRequest, ErrorClass,
    NextReply, NextRequest, Provisioning, ServiceError, TaskStream, VerifierReply, VerifierRequest, WakeOutcome,
};
use acs_types::{CpeVerifier, DeviceId, EventRecord, Secret, SessionStamp, Task, TaskId};
use async_trait::async_trait;
use cwmp_codec::{AcsRequest, GetParameterValues};
use cwmp_model::ParameterPath;

/// Does what a test told it to, and remembers what it was asked.
#[derive(Default)]
pub(crate) struct FakeProvisioning {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    verifiers: HashMap<String, CpeVerifier>,
    segments: VecDeque<Vec<Call>>,
    calls: usize,
    called: Vec<Called>,
    outbox: Vec<EventRecord>,
    down: bool,
    outbox_works: bool,
    panics: bool,
    superseded: bool,
    last_stamp: SessionStamp,
    delay: Duration,
}

/// What it was asked.
#[derive(Debug, Clone)]
pub(crate) enum Called {
    Verifier,
    Begin(Box<BeginRequest>),
    Next(NextRequest),
    End(EndRequest),
}

impl FakeProvisioning {
    pub(crate) fn knows(&self, username: &str, password: &str, device: Option<&str>) {
        let device = device.map(|d| d.parse().unwrap());
        let verifier = CpeVerifier { device, password: Secret::new(password) };
        self.state().verifiers.insert(username.to_owned(), verifier);
    }

    /// Wants these parameters read, one call each, in one segment; the calls' ids are `call-1`, `call-2` and so on from one segment to
    /// the next.
    pub(crate) fn wants_values(&self, calls: usize) {
        let mut state = self.state();
        let first = state.calls + 1;
        state.calls += calls;
        let call = |n: usize| Call {
            id: format!("call-{n}"),
            task: "task-1".parse().unwrap(),
            attempt: None,
            request: AcsRequest::GetParameterValues(GetParameterValues {
                names: vec![ParameterPath::new("Device.X").unwrap()],
            }),
        };
        state.segments.push_back((first..first + calls).map(call).collect());
    }

    /// Wants a request with an attempt sent.
    pub(crate) fn wants(&self, id: &str, request: AcsRequest) {
        let attempt = Some("attempt-1".parse().unwrap());
        let call = Call { id: id.to_owned(), task: "task-1".parse().unwrap(), attempt, request };
        self.state().segments.push_back(vec![call]);
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    pub(crate) fn set_outbox(&self, works: bool) {
        self.state().outbox_works = works;
    }

    pub(crate) fn panic_on_next(&self) {
        self.state().panics = true;
    }

    pub(crate) fn supersede(&self) {
        self.state().superseded = true;
    }

    /// Sessions of all devices had stamps up to this one.
    pub(crate) fn saw(&self, stamp: SessionStamp) {
        self.state().last_stamp = stamp;
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    pub(crate) fn called(&self) -> Vec<Called> {
        self.state().called.clone()
    }

    pub(crate) fn begins(&self) -> Vec<BeginRequest> {
        let begin = |called| if let Called::Begin(request) = called { Some(*request) } else { None };
        self.called().into_iter().filter_map(begin).collect()
    }

    pub(crate) fn nexts(&self) -> Vec<NextRequest> {
        let next = |called| if let Called::Next(request) = called { Some(request) } else { None };
        self.called().into_iter().filter_map(next).collect()
    }

    pub(crate) fn ends(&self) -> Vec<EndRequest> {
        let end = |called| if let Called::End(request) = called { Some(request) } else { None };
        self.called().into_iter().filter_map(end).collect()
    }

    pub(crate) fn verifier_calls(&self) -> usize {
        self.called().iter().filter(|c| matches!(c, Called::Verifier)).count()
    }

    pub(crate) fn outbox(&self) -> Vec<EventRecord> {
        self.state().outbox.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    async fn enter(&self, called: Called) -> Result<(), ServiceError> {
        let (down, delay) = {
            let mut state = self.state();
            state.called.push(called);
            (state.down, state.delay)
        };
        if delay > Duration::ZERO {
            tokio::time::sleep(delay).await;
        }
        if down { Err(unavailable()) } else { Ok(()) }
    }
}

fn unavailable() -> ServiceError {
    ServiceError::new(ErrorClass::Unavailable, "down", "provisioning is away")
}

fn not_here<T>() -> Result<T, ServiceError> {
    Err(ServiceError::new(ErrorClass::Internal, "not_here", "no front-end calls this"))
}

#[async_trait]
impl Provisioning for FakeProvisioning {
    async fn verifier(&self, request: VerifierRequest) -> Result<VerifierReply, ServiceError> {
        self.enter(Called::Verifier).await?;
        Ok(VerifierReply { verifier: self.state().verifiers.get(&request.username).cloned() })
    }

    async fn begin(&self, request: BeginRequest) -> Result<BeginReply, ServiceError> {
        let stamp = request.session.stamp;
        self.enter(Called::Begin(Box::new(request))).await?;
        let state = self.state();
        let (work, last_stamp) = (!state.segments.is_empty(), state.last_stamp);
        Ok(BeginReply { work, subscriber_id: "sub-1".to_owned(), stale: stamp < last_stamp, last_stamp })
    }

    async fn next(&self, request: NextRequest) -> Result<NextReply, ServiceError> {
        self.enter(Called::Next(request)).await?;
        let (panics, superseded) = {
            let state = self.state();
            (state.panics, state.superseded)
        };
        assert!(!panics, "a bug, on purpose");
        if superseded {
            return Err(ServiceError::new(ErrorClass::Superseded, "superseded", "a newer session holds the device"));
        }
        Ok(NextReply { calls: self.state().segments.pop_front().unwrap_or_default() })
    }

    async fn end(&self, request: EndRequest) -> Result<EndReply, ServiceError> {
        self.enter(Called::End(request)).await?;
        Ok(EndReply { wakes: false })
    }

    async fn append(&self, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        let mut state = self.state();
        if !state.outbox_works {
            return Err(unavailable());
        }
        state.outbox.extend(records);
        Ok(())
    }

    async fn observe(&self, _records: Vec<EventRecord>) -> Result<(), ServiceError> {
        not_here()
    }

    async fn enqueue(&self, _request: EnqueueRequest) -> Result<EnqueueReply, ServiceError> {
        not_here()
    }

    async fn cancel(&self, _device: &DeviceId, _task: &TaskId, _by: &str) -> Result<CancelReply, ServiceError> {
        not_here()
    }

    async fn retry(&self, _device: &DeviceId, _task: &TaskId, _by: &str) -> Result<Task, ServiceError> {
        not_here()
    }

    async fn watch(&self, _device: &DeviceId, _task: &TaskId) -> Result<TaskStream, ServiceError> {
        not_here()
    }

    async fn wake(&self, _device: &DeviceId) -> Result<WakeOutcome, ServiceError> {
        not_here()
    }
}

/// So that a test may hold it and the front-end, too.
pub(crate) fn shared() -> Arc<FakeProvisioning> {
    Arc::new(FakeProvisioning::default())
}
