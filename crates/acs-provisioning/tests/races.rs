//! A task created at any moment of a session, the cache emptied and the process restarted in between (F7): a device that
//! only comes when it is woken serves every task soon (P1, P14).
#![allow(clippy::unwrap_used, reason = "a test stops where something does not hold")]

mod support;

use acs_proto::Answer;
use acs_provisioning::FirstContact;
use acs_store::SessionCache;
use acs_types::{SessionOutcome, SessionRef, TaskSpec};
use proptest::prelude::*;
use support::cpe::Cpe;
use support::*;

#[derive(Debug, Clone, Copy)]
enum Op {
    Enqueue(u8),
    /// The front-end does its next thing.
    Front,
    ClearCache,
    Restart,
    TimePasses,
}

/// Where the front-end stands.
enum Front {
    Idle,
    /// To ask for a segment with these answers.
    Ask(SessionRef, Vec<Answer>),
    /// Nothing came: the hint is looked at before the last answer.
    LookAtHint(SessionRef),
    End(SessionRef),
}

struct Race {
    world: World,
    cpe: Cpe,
    front: Front,
    /// Connection requests that the device has followed.
    followed: usize,
    count: u32,
}

fn spec(kind: u8, count: u32) -> TaskSpec {
    match kind % 4 {
        0 => get_values("Device.DeviceInfo."),
        1 => set_values("Device.X_Group0.P1", &count.to_string()),
        2 => TaskSpec::AddObject { object: path("Device.X_Table."), values: Vec::new() },
        _ => TaskSpec::Refresh { path: path("Device.X_Group0.") },
    }
}

impl Race {
    async fn new() -> Self {
        let (world, mut cpe) = (World::new(config()), new_cpe());
        world.known_device(&mut cpe).await;
        Self { world, cpe, front: Front::Idle, followed: 0, count: 0 }
    }

    async fn apply(&mut self, op: Op) {
        match op {
            Op::Enqueue(kind) => {
                self.count += 1;
                self.world.enqueue(&self.count.to_string(), spec(kind, self.count)).await;
            }
            Op::Front => self.front().await,
            Op::ClearCache => self.world.sessions.clear(),
            Op::Restart => self.world.restart(),
            Op::TimePasses => {
                self.world.pass(3);
                self.world.fire().await;
            }
        }
        settle().await;
    }

    async fn front(&mut self) {
        self.front = match std::mem::replace(&mut self.front, Front::Idle) {
            Front::Idle => {
                // It comes only when it is asked to.
                if self.world.wakes.count() == self.followed {
                    return;
                }
                self.followed = self.world.wakes.count();
                let session = self.world.session_ref();
                match self.world.begin(&session, &self.cpe, &[("6 CONNECTION REQUEST", "")]).await.work {
                    true => Front::Ask(session, Vec::new()),
                    false => Front::LookAtHint(session),
                }
            }
            Front::Ask(session, answers) => {
                let calls = self.world.next(&session, answers).await.unwrap().calls;
                match calls.is_empty() {
                    true => Front::LookAtHint(session),
                    false => {
                        let (answers, _) = send(&mut self.cpe, &calls, self.world.now());
                        Front::Ask(session, answers)
                    }
                }
            }
            Front::LookAtHint(session) => match self.world.sessions.take_hint(&device()).await.unwrap() {
                true => Front::Ask(session, Vec::new()),
                false => Front::End(session),
            },
            Front::End(session) => {
                self.world.end(&session, SessionOutcome::Completed, Vec::new()).await;
                Front::Idle
            }
        };
    }

    /// Everything is done within two minutes, without a session that nobody asked for.
    async fn drain(&mut self) {
        for _ in 0..40 {
            for _ in 0..50 {
                self.apply(Op::Front).await;
            }
            if self.world.tasks().await.iter().all(|task| task.state.is_final()) {
                break;
            }
            self.apply(Op::TimePasses).await;
        }
        for task in self.world.tasks().await {
            assert!(task.state.is_success(), "{task:?}");
            assert!(task.attempts.len() <= 1, "sent once: {task:?}");
        }
        let added = self.cpe.seen.iter().filter(|seen| seen.starts_with("AddObject")).count();
        assert_eq!(self.cpe.tree.instances(&path("Device.X_Table.")).len(), added);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn no_task_is_forgotten_f7(ops in prop::collection::vec(prop_oneof![
        3 => (0..4u8).prop_map(Op::Enqueue),
        9 => Just(Op::Front),
        1 => Just(Op::ClearCache),
        1 => Just(Op::Restart),
        1 => Just(Op::TimePasses),
    ], 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut race = Race::new().await;
            for op in ops {
                race.apply(op).await;
            }
            race.drain().await;
        });
    }
}

#[tokio::test]
async fn what_a_bootstrap_obliges_to_wakes_the_device_when_the_process_dies_in_its_session_p7_f5() {
    let mut config = config();
    config.first_contact = FirstContact::Credentials;
    let (mut world, cpe) = (World::new(config), new_cpe());
    let session = world.session_ref();
    assert!(world.begin(&session, &cpe, &[BOOTSTRAP]).await.work);
    // Killed after its InformResponse: nobody tells the end, the device does not come back by itself.
    world.restart();
    world.sessions.clear();
    for _ in 0..15 {
        world.pass(1);
        world.fire().await;
    }
    assert_eq!(world.wakes.count(), 1, "what it obliges to waits in the queue");
}

#[tokio::test]
async fn a_task_that_goes_back_to_the_queue_wakes_the_device_when_the_process_dies_p1() {
    let (mut world, mut cpe) = (World::new(config()), new_cpe());
    world.known_device(&mut cpe).await;
    world.enqueue("1", set_values("InternetGatewayDevice.DeviceInfo.ProvisioningCode", "x")).await;
    let first = world.session_ref();
    world.begin(&first, &cpe, &[PERIODIC]).await;
    assert_eq!(world.next(&first, Vec::new()).await.unwrap().calls.len(), 1);
    // While it is on its way nothing is wanted, so the chain of wake-ups ends.
    world.pass(15);
    world.fire().await;
    let second = world.session_ref();
    world.begin(&second, &cpe, &[PERIODIC]).await;
    world.restart();
    world.sessions.clear();
    let before = world.wakes.count();
    for _ in 0..15 {
        world.pass(1);
        world.fire().await;
    }
    assert_eq!(world.wakes.count(), before + 1, "it waits in the queue again, and nobody else knows");
}
