use std::sync::Arc;

use acs_planner::{InformFacts, SessionPlan, evidence, is_runnable};
use acs_proto::{BeginReply, BeginRequest, ServiceError};
use acs_store::{CommitOutcome, HolderGuard, ObjectsPatch, Step, TaskFilter};
use acs_types::{
    DeviceId, EventBody, EventId, EventRecord, Holder, Obligation, Origin, PageRequest, Partition, SessionOutcome,
    SessionStamp, Task, TaskId, TaskKind, TaskSpec, TaskState, TransferRecord, TransferResult,
};
use cwmp_model::{Event, ParameterPath, Timestamp};
use fail::fail_point;

use crate::commit::{COMMIT_TRIES, Change, Conditions};
use crate::config::FirstContact;
use crate::error;
use crate::plans::Entry;
use crate::service::Inner;

/// An Inform as it came, live or from its record.
struct Arrived<'a> {
    device: &'a DeviceId,
    event_id: EventId,
    facts: InformFacts<'a>,
    /// Its session has just begun.
    live: bool,
    /// Whether secrets may go to it (P24).
    secrets: bool,
}

/// A device after an Inform was applied.
struct After {
    partition: Partition,
    /// A session with a larger stamp has been there.
    stale: bool,
    /// The largest stamp before this Inform; the default: none is known.
    last_stamp: SessionStamp,
    /// Tasks were made.
    created: bool,
}

impl Inner {
    pub(crate) async fn begin(&self, request: BeginRequest) -> Result<BeginReply, ServiceError> {
        let device = &request.session.device;
        let _turn = self.turn(device).await;
        let facts = facts_of(&request);
        let entry = Entry {
            plan: SessionPlan::new(facts.parameter_key()),
            root: facts.root().unwrap_or_default(),
            software_version: facts.summary_values().software_version,
            seen_at: self.now(),
            ..Entry::default()
        };
        let secrets = self.config.may_send_secrets(request.tls, request.auth, request.remote);
        let arrived = Arrived { device, event_id: request.event_id, facts, live: true, secrets };
        let after = self.apply_inform(&arrived).await?;
        // The same call again must not lose a plan that is at work.
        if self.plans.get(&request.session.session).is_none() {
            self.plans.put(request.session.session, entry, self.now());
        }
        let work = after.partition.tasks.iter().any(|task| is_runnable(task, request.at));
        let subscriber_id = after.partition.summary.map(|summary| summary.subscriber_id).unwrap_or_default();
        Ok(BeginReply { work, subscriber_id, stale: after.stale, last_stamp: after.last_stamp })
    }

    pub(crate) async fn observe(self: &Arc<Self>, records: Vec<EventRecord>) -> Result<(), ServiceError> {
        for record in &records {
            let Some(device) = &record.device else { continue };
            match &record.body {
                EventBody::Inform(inform) => {
                    let Some(session) = record.session else { continue };
                    let _turn = self.turn(device).await;
                    let facts = InformFacts::of_record(
                        inform,
                        session,
                        record.position.stamp,
                        &record.tenant,
                        record.occurred_at,
                    );
                    let secrets = self.config.may_send_secrets(inform.tls, inform.auth, inform.remote);
                    let arrived = Arrived { device, event_id: record.event_id, facts, live: false, secrets };
                    if self.apply_inform(&arrived).await?.created {
                        self.work_waits(device).await?;
                    }
                }
                EventBody::Transfer(transfer) => {
                    let _turn = self.turn(device).await;
                    self.apply_transfer(device, transfer).await?;
                }
                EventBody::SessionEnded(ended) if ended.outcome == SessionOutcome::Lost => {
                    self.session_lost(device, &ended.at.session).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Applies what an Inform proves and obliges to, in an order that may stop anywhere: what is forgotten first, then the
    /// tasks, then the device itself if it is new. Everything is as once when it is done again.
    async fn apply_inform(&self, arrived: &Arrived<'_>) -> Result<After, ServiceError> {
        let Arrived { device, facts, live, .. } = arrived;
        for _ in 0..COMMIT_TRIES {
            let partition = self.store().partition(device).await.map_err(error::store)?;
            let (stale, last_stamp) = (is_stale(&partition, facts), last_stamp(&partition));
            let obligations = self.obligations(arrived, &partition).await?;
            let forgets = facts.has(Event::Bootstrap);
            if forgets {
                self.forget_connection_request_credential(device, facts.stamp).await?;
            }
            let arrival = facts.arrival(*live && !stale);
            let mut changes = Vec::new();
            let mut proved = false;
            for task in &partition.tasks {
                let mut after = task.clone();
                if evidence::arrived(&mut after, &arrival) {
                    proved |= after.spec == TaskSpec::SetCredentials && after.state == TaskState::ResolvedApplied;
                    changes.push(Change::of(task, after, facts.at));
                }
            }
            let sends_credential = obligations.iter().any(|task| task.spec == TaskSpec::SetCredentials);
            let credential = if proved {
                self.proved_credential(device).await?
            } else if sends_credential {
                // Drawn here, it takes no write of its own when it is sent.
                self.credential_to_send(device, facts.stamp).await?
            } else {
                None
            };
            let created = !obligations.is_empty();
            changes.extend(obligations.into_iter().map(Change::new));
            fail_point!("begin::before_commit");
            let tasks = after_changes(&partition.tasks, &changes);
            let guard = match *live && !stale {
                true => HolderGuard::Session(Holder { session: facts.session, stamp: facts.stamp }),
                false => HolderGuard::Any,
            };
            let step = Step {
                credential,
                // `0 BOOTSTRAP`: what was believed of the device is forgotten (CWMP-185), once per event.
                objects: forgets.then(|| ObjectsPatch { stamp: facts.stamp, forget: true, ..ObjectsPatch::default() }),
                // Last, so that a device that is known has its obligations.
                then: partition.summary.is_none().then(|| facts.summary_patch()),
                ..Step::default()
            };
            let subscriber = partition.summary.as_ref().map_or("", |summary| &summary.subscriber_id);
            // Deleted since it was read, it is a new device, with what that obliges to.
            let conditions = Conditions { holder: guard, device_known: partition.summary.is_some() };
            if self.commit_with(step, device, conditions, changes, subscriber).await? != CommitOutcome::Applied {
                continue;
            }
            fail_point!("begin::after_commit");
            return Ok(After { partition: Partition { tasks, ..partition }, stale, last_stamp, created });
        }
        Err(error::contended(device))
    }

    /// The tasks that an Inform obliges us to and that are not there yet (`design.md` §4.7).
    async fn obligations(&self, arrived: &Arrived<'_>, partition: &Partition) -> Result<Vec<Task>, ServiceError> {
        let Arrived { device, facts, event_id, .. } = arrived;
        let mut wanted: Vec<(Obligation, TaskSpec)> = Vec::new();
        if facts.has(Event::Bootstrap) || is_first_contact(partition, facts) {
            match self.config.first_contact {
                FirstContact::None => {}
                FirstContact::Credentials => wanted.push((Obligation::FirstContact, TaskSpec::SetCredentials)),
                FirstContact::Discover => {
                    wanted.push((Obligation::FirstContact, TaskSpec::Discover));
                    wanted.push((Obligation::FirstContact, TaskSpec::SetCredentials));
                }
            }
        }
        if let Some(paths) = missing_after_boot(facts, partition) {
            wanted.push((Obligation::Boot, TaskSpec::GetValues { paths }));
        }
        // A credential is a secret: a device that may not have it gets none, and is woken without (P24).
        wanted.retain(|(_, spec)| arrived.secrets || *spec != TaskSpec::SetCredentials);
        let mut tasks = Vec::new();
        for (obligation, spec) in wanted {
            let origin = Origin::Obligation(obligation);
            let kind = spec.kind();
            let id = TaskId::of_obligation(device, kind.as_str(), &event_id.to_string());
            let same = |task: &Task| task.spec.kind() == kind && (task.origin == origin || kind != TaskKind::GetValues);
            if partition.tasks.iter().any(same)
                || self.store().task(device, &id).await.map_err(error::store)?.is_some()
                || !arrived.live && self.was_served_since(device, kind, facts.at).await?
            {
                continue;
            }
            let created_at = self.next_created_at(device, tasks.last()).await?;
            tasks.push(Task::queued(id, facts.tenant.clone(), (*device).clone(), spec, origin, created_at));
        }
        Ok(tasks)
    }

    /// Whether a task of that kind ended well since then: then an older event obliges to nothing more.
    async fn was_served_since(&self, device: &DeviceId, kind: TaskKind, at: Timestamp) -> Result<bool, ServiceError> {
        let filter = TaskFilter { kinds: vec![kind.as_str().to_owned()], ..TaskFilter::default() };
        let tasks = self.store().list_tasks(device, &filter, &PageRequest::first(5)).await.map_err(error::store)?;
        Ok(tasks.items.iter().any(|task| task.state.is_success() && task.updated_at >= at))
    }

    /// Creation times grow strictly within a device (P6).
    pub(crate) async fn next_created_at(
        &self,
        device: &DeviceId,
        before: Option<&Task>,
    ) -> Result<Timestamp, ServiceError> {
        let page = PageRequest::first(1);
        let newest = self.store().list_tasks(device, &TaskFilter::default(), &page).await.map_err(error::store)?;
        let last = newest.items.first().into_iter().chain(before).map(|task| task.created_at).max();
        let step = std::time::Duration::from_micros(1);
        let now = self.now();
        Ok(last.map_or(now, |last| now.max(last.plus(step))))
    }

    async fn apply_transfer(&self, device: &DeviceId, transfer: &TransferRecord) -> Result<(), ServiceError> {
        fail_point!("observe::before_transfer");
        let result =
            TransferResult { start_time: transfer.start_time.clone(), complete_time: transfer.complete_time.clone() };
        for _ in 0..COMMIT_TRIES {
            let partition = self.store().partition(device).await.map_err(error::store)?;
            let mut changes = Vec::new();
            for task in &partition.tasks {
                let mut after = task.clone();
                if evidence::transferred(&mut after, &transfer.command_key, &transfer.fault, &result) {
                    changes.push(Change::of(task, after, self.now()));
                }
            }
            if changes.is_empty() {
                return Ok(());
            }
            let subscriber = partition.summary.as_ref().map_or("", |summary| &summary.subscriber_id);
            if self.commit(device, HolderGuard::Any, changes, subscriber).await? == CommitOutcome::Applied {
                fail_point!("observe::after_transfer");
                return Ok(());
            }
        }
        Err(error::contended(device))
    }
}

/// Of its sessions so far.
fn last_stamp(partition: &Partition) -> SessionStamp {
    let held = partition.holder.map(|holder| holder.stamp);
    let seen = partition.summary.as_ref().map(|summary| summary.last_stamp);
    held.max(seen).unwrap_or_default()
}

fn is_stale(partition: &Partition, facts: &InformFacts<'_>) -> bool {
    let by_holder =
        partition.holder.is_some_and(|holder| (holder.stamp, holder.session) > (facts.stamp, facts.session));
    by_holder || partition.summary.as_ref().is_some_and(|summary| summary.last_stamp > facts.stamp)
}

/// The device is new, or this is the only Inform it ever sent: some never send `0 BOOTSTRAP`.
fn is_first_contact(partition: &Partition, facts: &InformFacts<'_>) -> bool {
    partition.summary.as_ref().is_none_or(|summary| {
        summary.first_seen == facts.at
            || summary.last_session == facts.session && summary.first_seen == summary.last_inform
    })
}

/// `1 BOOT`: what may have changed and the Inform does not tell (CWMP-187).
fn missing_after_boot(facts: &InformFacts<'_>, partition: &Partition) -> Option<Vec<ParameterPath>> {
    if !facts.has(Event::Boot) {
        return None;
    }
    let known = || partition.summary.as_ref().map(|summary| summary.root.clone());
    let root = facts.root().or_else(known).filter(|root| !root.as_str().is_empty())?;
    let told = facts.summary_values();
    let names = [
        ("DeviceInfo.SoftwareVersion", told.software_version.is_none()),
        ("ManagementServer.ConnectionRequestURL", told.connection_request_url.is_none()),
    ];
    let missing = names.into_iter().filter(|(_, missing)| *missing).filter_map(|(name, _)| root.child(name).ok());
    Some(missing.collect::<Vec<_>>()).filter(|paths| !paths.is_empty())
}

fn after_changes(before: &[Task], changes: &[Change]) -> Vec<Task> {
    let changed = |task: &Task| changes.iter().find(|change| change.task.id == task.id).map(|change| &change.task);
    let kept = before.iter().map(|task| changed(task).unwrap_or(task));
    let new = changes.iter().filter(|change| change.expected.is_none()).map(|change| &change.task);
    kept.chain(new).cloned().collect()
}

/// The Inform of a session that begins, as it stands in the request.
fn facts_of(request: &BeginRequest) -> InformFacts<'_> {
    let BeginRequest { session, inform, .. } = request;
    InformFacts {
        session: session.session,
        stamp: session.stamp,
        tenant: &request.tenant,
        at: request.at,
        identity: &inform.device,
        events: inform.events.iter().map(|event| (&*event.code, &*event.command_key)).collect(),
        parameters: &inform.parameters,
        cwmp_version: request.version.as_str(),
        remote: request.remote,
        auth: request.auth,
    }
}
