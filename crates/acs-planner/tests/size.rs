//! What a plan says of its memory (P19).
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

use acs_planner::{CallAnswer, CallOutcome, SessionPlan, Settings, StepInput, Then, View};
use acs_types::{DeviceId, Origin, SessionId, Task, TaskId, TaskSpec, Tenant};
use cwmp_codec::{CpeResponse, GetParameterNamesResponse, ParameterInfo};
use cwmp_model::{ParameterPath, Timestamp};

#[test]
fn p19_a_plan_counts_the_names_that_a_device_tells() {
    let device: DeviceId = "00AABB-1".parse().unwrap();
    let id = TaskId::of("alice", &device, "1");
    let origin = Origin::Request { principal: "alice".into() };
    let task = Task::queued(id, Tenant::default(), device, TaskSpec::Discover, origin, Timestamp::default());
    let view = View { root: ParameterPath::new("Device.").unwrap(), ..View::default() };
    let mut sizes = Vec::new();
    for count in [0, 1000, 2000] {
        let mut plan = SessionPlan::new(None);
        let step = |plan: &mut SessionPlan, answers: &[CallAnswer]| {
            let input = StepInput {
                session: SessionId::from_bytes([1; 16]),
                resume: 0,
                at: Timestamp::default(),
                now: Timestamp::default(),
                deadline: Timestamp::from_seconds(60),
                secrets: true,
                tasks: std::slice::from_ref(&task),
                view: &view,
                answers,
                salt: 1,
                then: Then::Plan,
            };
            plan.step(&input, &Settings::default()).calls
        };
        let calls = step(&mut plan, &[]);
        let name = |n: usize| ParameterPath::new(&format!("Device.X_Acme.Parameter{n:05}")).unwrap();
        let parameters = (0..count).map(|n| ParameterInfo { name: name(n), writable: true }).collect();
        let told = CpeResponse::GetParameterNames(GetParameterNamesResponse { parameters });
        let outcome = CallOutcome::Response(told);
        let answer = CallAnswer { id: calls[0].id.clone(), attempt: None, at: Timestamp::default(), outcome };
        step(&mut plan, &[answer]);
        sizes.push(plan.bytes());
    }
    let text = "Device.X_Acme.Parameter00000".len();
    for (fewer, more) in [(sizes[0], sizes[1]), (sizes[1], sizes[2])] {
        assert!(more - fewer >= 1000 * text, "each name counts with its text: {sizes:?}");
        assert!(more - fewer <= 1000 * 10 * text, "and not for more than it may take: {sizes:?}");
    }
}
