use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cwmp_codec::TransferComplete;
use cwmp_model::Timestamp;
use tokio::sync::Notify;

use crate::Device;
use crate::session::SessionReport;

/// What waits to be done between two sessions of a device.
const ERRANDS_MAX: usize = 16;
/// Events that wait for the end of a session.
const LATER_MAX: usize = 64;

/// One device of a fleet, shared by its task, its transfers, the connection-request listener and its handle.
pub(crate) struct Slot {
    pub(crate) index: usize,
    pub(crate) serial: String,
    /// The last segment of its connection-request URL.
    pub(crate) secret_path: String,
    state: Mutex<SlotState>,
    /// Wakes the device's task.
    pub(crate) wake: Notify,
    /// Something ended: a session, an errand, a transfer.
    pub(crate) settled: Notify,
}

pub(crate) struct SlotState {
    pub(crate) device: Device,
    pub(crate) phase: Phase,
    /// Open a session now, whatever the retry wait says (CWMP-175).
    pub(crate) urgent: bool,
    /// Events that came while a session was open; they are for the next one.
    later: Vec<(String, String)>,
    /// A connection request was accepted while a session was open (CWMP-415).
    pub(crate) request_waits: bool,
    errands: VecDeque<Errand>,
    /// Files that are being fetched.
    pub(crate) transfers_open: usize,
    /// Counts factory resets: a transfer of an earlier life is forgotten.
    pub(crate) life: u64,
    /// CurrentTime of the last Inform.
    pub(crate) last_inform: Timestamp,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) last_report: Option<SessionReport>,
}

/// What the device is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not up yet, or restarting: it answers nothing.
    Off,
    Idle,
    InSession,
}

/// What a device does between sessions.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Restart; `command_key` if the ACS asked for it.
    Restart { command_key: Option<String> },
    /// Restart into new firmware and report.
    Upgrade { version: String, transfer: Box<TransferComplete> },
    /// Become factory-new.
    FactoryReset,
}

impl Slot {
    pub(crate) fn new(index: usize, device: Device, secret_path: String) -> Self {
        let serial = device.identity.serial_number.clone();
        let state = SlotState {
            device,
            phase: Phase::Off,
            urgent: false,
            later: Vec::new(),
            request_waits: false,
            errands: VecDeque::new(),
            transfers_open: 0,
            life: 0,
            last_inform: Timestamp::from_micros(0),
            completed: 0,
            failed: 0,
            last_report: None,
        };
        Self { index, serial, secret_path, state: Mutex::new(state), wake: Notify::new(), settled: Notify::new() }
    }

    /// Never held over an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happened that wants a session at once.
    pub(crate) fn add_event(&self, code: &str, command_key: &str) {
        self.state().add_event(code, command_key);
        self.wake.notify_one();
    }

    /// `false`: too much waits already.
    pub(crate) fn add_errand(&self, errand: Errand) -> bool {
        let added = self.state().add_errand(errand);
        self.wake.notify_one();
        added
    }
}

impl SlotState {
    pub(crate) fn add_event(&mut self, code: &str, command_key: &str) {
        if self.phase != Phase::InSession {
            self.device.add_event(code, command_key);
            self.urgent = true;
        } else if self.later.len() < LATER_MAX {
            self.later.push((code.to_owned(), command_key.to_owned()));
        }
    }

    pub(crate) fn add_errand(&mut self, errand: Errand) -> bool {
        let room = self.errands.len() < ERRANDS_MAX;
        if room {
            self.errands.push_back(errand);
        }
        room
    }

    pub(crate) fn next_errand(&mut self) -> Option<Errand> {
        self.errands.pop_front()
    }

    /// The session is over: what came meanwhile is next.
    pub(crate) fn leave_session(&mut self) {
        self.phase = Phase::Idle;
        for (code, command_key) in std::mem::take(&mut self.later) {
            self.add_event(&code, &command_key);
        }
        if std::mem::take(&mut self.request_waits) {
            self.add_event("6 CONNECTION REQUEST", "");
        }
    }

    /// Nothing waits, nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle && !self.device.has_events() && self.errands.is_empty() && self.transfers_open == 0
    }
}
