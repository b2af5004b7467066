use std::sync::Arc;
use std::time::Duration;

use cwmp_model::Timestamp;

use crate::clock::FOREVER;
use crate::config::FirstContact;
use crate::fleet::Shared;
use crate::ledger::Fact;
use crate::schedule::{Schedule, retry_intervals};
use crate::session::{self, Ended};
use crate::slot::{Errand, Phase, Slot};
use crate::transfer;

/// The life of one device: sessions when they are due, errands between them. Ends only with its task.
pub(crate) async fn run(fleet: Arc<Shared>, slot: Arc<Slot>) {
    let mut runner = Runner::start(fleet, slot).await;
    loop {
        match runner.next() {
            Next::Errand(errand) => runner.do_errand(errand).await,
            // A session needs much more room than the waiting between sessions.
            Next::Session => Box::pin(runner.session()).await,
            Next::Wait(until) => runner.wait(until).await,
        }
    }
}

struct Runner {
    fleet: Arc<Shared>,
    slot: Arc<Slot>,
    schedule: Schedule,
}

enum Next {
    Errand(Errand),
    Session,
    Wait(Timestamp),
}

impl Runner {
    async fn start(fleet: Arc<Shared>, slot: Arc<Slot>) -> Self {
        let number = fleet.config.device_number(slot.index, "start");
        let spread = |within: Duration| {
            let micros = u64::try_from(within.as_micros()).unwrap_or(u64::MAX).max(1);
            Duration::from_micros(number % micros)
        };
        if let FirstContact::Within(within) = fleet.config.first_contact {
            tokio::time::sleep(spread(within)).await;
        }
        let now = fleet.clock.now();
        // Devices that come up together do not stay together.
        let mut schedule = Schedule::new(now, now.minus(spread(fleet.config.periodic)));
        if fleet.config.first_contact == FirstContact::Triggered {
            schedule.hold(now);
        }
        slot.state().phase = Phase::Idle;
        Self { fleet, slot, schedule }
    }

    fn next(&mut self) -> Next {
        let now = self.fleet.clock.now();
        let mut state = self.slot.state();
        if let Some(errand) = state.next_errand() {
            state.phase = Phase::Off;
            return Next::Errand(errand);
        }
        let periodic = self.schedule.periodic_at(&state.device.model);
        if periodic.is_some_and(|at| at <= now) {
            self.schedule.periodic_due(now);
            state.add_event("2 PERIODIC", "");
        }
        if state.device.has_events() && (state.urgent || self.schedule.may_open(now)) {
            return Next::Session;
        }
        // Without anything to say there is no retry (CWMP-175).
        let retry = if state.device.has_events() { self.schedule.hold_until() } else { None };
        let soonest = [self.schedule.periodic_at(&state.device.model), retry].into_iter().flatten().min();
        Next::Wait(soonest.unwrap_or_else(|| now.plus(FOREVER)))
    }

    async fn wait(&self, until: Timestamp) {
        self.slot.settled.notify_waiters();
        tokio::select! {
            () = self.fleet.clock.sleep_until(until) => {}
            () = self.slot.wake.notified() => {}
        }
    }

    async fn session(&mut self) {
        let ended = session::run(&self.fleet, &self.slot).await;
        self.plan_next(&ended);
        self.fleet.save(&self.slot);
        for call in ended.downloads {
            self.fleet.spawn(transfer::run(self.fleet.clone(), self.slot.clone(), call, ended.life));
        }
        if let Some(observe) = &self.fleet.observer {
            observe(&ended.report);
        }
        self.slot.settled.notify_waiters();
    }

    fn plan_next(&mut self, ended: &Ended) {
        let now = self.fleet.clock.now();
        let config = &self.fleet.config;
        let told = ended.report.failure.as_ref().and_then(session::SessionFailure::retry_after);
        match told {
            Some(wait) if config.honour_retry_after => self.schedule.told(now, wait),
            _ if ended.report.failure.is_some() || ended.undelivered => {
                let intervals = retry_intervals(&self.slot.state().device.model);
                self.schedule.failed(now, config.retry, intervals, rand::random());
            }
            _ => self.schedule.completed(),
        }
    }

    /// The device is off meanwhile.
    async fn do_errand(&mut self, errand: Errand) {
        let key = match &errand {
            Errand::Restart { command_key } => command_key.clone().unwrap_or_default(),
            Errand::Upgrade { .. } | Errand::FactoryReset => String::new(),
        };
        self.fleet.note(&self.slot.serial, Fact::RebootStarted { key: key.clone() });
        tokio::time::sleep(self.fleet.config.boot_time).await;
        let is_reset = matches!(errand, Errand::FactoryReset);
        let software_version = {
            let mut state = self.slot.state();
            match errand {
                Errand::Restart { command_key } => state.device.restart(command_key.as_deref()),
                Errand::Upgrade { version, transfer } => {
                    state.device.set_factory("DeviceInfo.SoftwareVersion", &version);
                    state.device.restart(None);
                    state.device.transferred(*transfer);
                }
                Errand::FactoryReset => {
                    state.life += 1;
                    state.transfers_open = 0;
                    state.device.become_factory_new();
                }
            }
            state.phase = Phase::Idle;
            state.urgent = true;
            state.device.model.text("DeviceInfo.SoftwareVersion").to_owned()
        };
        self.fleet.save(&self.slot);
        if is_reset {
            self.fleet.note(&self.slot.serial, Fact::FactoryReset);
        }
        self.fleet.note(&self.slot.serial, Fact::RebootEnded { key, software_version });
        self.schedule.restarted();
    }
}
