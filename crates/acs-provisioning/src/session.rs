use std::sync::Arc;

use acs_planner::{
    CallAnswer, CallOutcome, Listing, NoAnswer, Planned, PlannedCall, StepInput, SummaryNews, Then, TreeNews, gone,
};
use acs_proto::{
    Answer, AnswerOutcome, Call, EndReply, EndRequest, ErrorClass, NextReply, NextRequest, ServiceError,
    UnansweredReason,
};
use acs_store::{CommitOutcome, HolderGuard, ObjectsPatch, Step, UpsertObject};
use acs_types::{
    DeviceId, EventId, FaultRecord, Holder, ModelKey, ModelNotes, ObjectRecord, Partition, SessionOutcome, SessionRef,
    SessionStamp, SummaryPatch, TaskState, Wanted,
};
use cwmp_model::{FaultFacts, FaultSide, Timestamp};
use fail::fail_point;

use crate::commit::{COMMIT_TRIES, Change};
use crate::error;
use crate::metrics::FaultLabels;
use crate::plans::Entry;
use crate::service::Inner;

/// One turn of a session: answers in, the next segment out.
struct Turn<'a> {
    session: &'a SessionRef,
    at: Timestamp,
    deadline: Timestamp,
    secrets: bool,
    answers: Vec<CallAnswer>,
    then: Then,
}

impl Inner {
    pub(crate) async fn next(&self, request: NextRequest) -> Result<NextReply, ServiceError> {
        let _turn = self.turn(&request.session.device).await;
        let turn = Turn {
            session: &request.session,
            at: request.at,
            // The front-end's clock may be minutes off; how long it waits is the same on both (P3).
            deadline: self.now().plus(request.deadline.since(request.at)),
            secrets: self.config.may_send_secrets(request.tls, request.auth, request.remote),
            answers: request.answers.into_iter().map(call_answer).collect(),
            then: Then::Plan,
        };
        let calls = self.take_turn(&turn).await?;
        Ok(NextReply { calls: calls.into_iter().map(call).collect() })
    }

    pub(crate) async fn end(self: &Arc<Self>, request: EndRequest) -> Result<EndReply, ServiceError> {
        let device = &request.session.device;
        let _turn = self.turn(device).await;
        fail_point!("end::before_answers");
        let turn = Turn {
            session: &request.session,
            at: request.at,
            deadline: request.at,
            secrets: false,
            answers: request.answers.into_iter().map(call_answer).collect(),
            then: if request.outcome == SessionOutcome::Drained { Then::HandOver } else { Then::Leave },
        };
        match self.take_turn(&turn).await {
            Ok(_) => {}
            // The newer session has seen to its tasks.
            Err(error) if error.class == ErrorClass::Superseded => {
                self.plans.remove(&request.session.session);
                return Ok(EndReply { wakes: false });
            }
            Err(error) => return Err(error),
        }
        fail_point!("end::after_answers");
        if turn.then == Then::HandOver {
            // The CPE goes on elsewhere with its cookie (P12, P13): the plan is kept for it. Should it not come back, the
            // deadline of what it has shows the outcome, and this wake-up comes for the rest.
            return Ok(EndReply { wakes: self.arm_wake_for_rest(device).await? });
        }
        let seen_at = self.plans.remove(&request.session.session).map(|entry| entry.seen_at);
        if request.outcome == SessionOutcome::Superseded {
            return Ok(EndReply { wakes: false });
        }
        let wakes = self.wake_for_rest(device, seen_at).await?;
        Ok(EndReply { wakes })
    }

    /// Wanted-now work that is left: what this session never saw wakes the device at once, the rest in growing steps.
    async fn wake_for_rest(
        self: &Arc<Self>,
        device: &DeviceId,
        seen_at: Option<Timestamp>,
    ) -> Result<bool, ServiceError> {
        let left = self.left_for_now(device).await?;
        if left.is_empty() {
            return Ok(false);
        }
        let unseen = left.iter().any(|created_at| seen_at.is_none_or(|seen| *created_at >= seen));
        self.arm_wake(device, self.now(), false).await?;
        if unseen {
            self.spawn_wake(device);
        }
        Ok(true)
    }

    /// Wanted-now work of a session that goes on elsewhere: the device is woken later, if it does not go on.
    async fn arm_wake_for_rest(&self, device: &DeviceId) -> Result<bool, ServiceError> {
        let left = !self.left_for_now(device).await?.is_empty();
        if left {
            self.arm_wake(device, self.now(), false).await?;
        }
        Ok(left)
    }

    /// When the wanted-now work that could be sent was created.
    async fn left_for_now(&self, device: &DeviceId) -> Result<Vec<Timestamp>, ServiceError> {
        let partition = self.store().partition(device).await.map_err(error::store)?;
        let now = self.now();
        Ok(partition.tasks.iter().filter(|task| wants_now(task, now)).map(|task| task.created_at).collect())
    }

    async fn take_turn(&self, turn: &Turn<'_>) -> Result<Vec<PlannedCall>, ServiceError> {
        let SessionRef { device, session, .. } = turn.session;
        let mut kept = self.plans.get(session);
        // A session that goes on elsewhere goes on without a plan rather than with an empty one.
        let keep = kept.is_some() || turn.then == Then::Plan;
        if kept.is_none() && turn.then == Then::Plan {
            self.deps.metrics.plans_lost.inc();
        }
        // Set when the device is lost to a newer session.
        let mut lost_to = None;
        for _ in 0..COMMIT_TRIES {
            // A step changes the plan: every try begins with the one that is kept.
            let mut entry = kept.take().or_else(|| self.plans.get(session)).unwrap_or_default();
            entry.seen_at = self.now();
            let partition = self.store().partition(device).await.map_err(error::store)?;
            let then = if lost_to.is_some() { Then::Evidence } else { turn.then };
            // Where nothing is sent, nothing has to be known for it.
            let view = match then {
                Then::Plan => self.view(turn.session, &partition, &mut entry, turn.at).await?,
                _ => acs_planner::View { notes: entry.notes.clone().unwrap_or_default(), ..Default::default() },
            };
            let input = StepInput {
                session: *session,
                resume: turn.session.resume,
                at: turn.at,
                now: self.now(),
                deadline: turn.deadline,
                secrets: turn.secrets,
                tasks: &partition.tasks,
                view: &view,
                answers: &turn.answers,
                salt: self.salt(),
                then,
            };
            let mut planned = entry.plan.step(&input, &self.config.settings);
            let calls = std::mem::take(&mut planned.calls);
            match self.carry_out(turn.session, &partition, &mut entry, planned, then).await? {
                CommitOutcome::Applied => match lost_to {
                    None => {
                        if keep {
                            self.plans.put(*session, entry, self.now());
                        }
                        return Ok(calls);
                    }
                    Some(holder) => return Err(superseded(turn.session, &holder)),
                },
                CommitOutcome::Conflict { .. } | CommitOutcome::DeviceUnknown => {}
                // Nothing more is decided for this session; what its answers prove is kept.
                CommitOutcome::HolderLost { holder } => lost_to = Some(holder),
            }
        }
        Err(error::contended(device))
    }

    /// Writes what a plan says: what was read no later than the tasks that read it, intents before their calls are returned.
    async fn carry_out(
        &self,
        session: &SessionRef,
        partition: &Partition,
        entry: &mut Entry,
        planned: Planned,
        then: Then,
    ) -> Result<CommitOutcome, ServiceError> {
        let device = &session.device;
        let evidence_only = then == Then::Evidence;
        fail_point!("provisioning::before_answers");
        // Of a session that lost the device they were kept before it was known to.
        let faults = if evidence_only { Vec::new() } else { planned.faults };
        let patch = (!planned.summary.is_empty()).then(|| {
            entry.news += 1;
            summary_patch(planned.summary, session.stamp, entry.news)
        });
        let notes = planned.notes.zip(partition.summary.as_ref().map(|summary| entry.model(summary)));
        // Seldom there is any of these.
        tokio::try_join!(self.keep_faults(session, faults), self.keep_notes(notes.as_ref()))?;
        entry.notes = notes.map(|(notes, _)| notes).or_else(|| entry.notes.take());
        let credential = match planned.credential_proved {
            true => self.proved_credential(device).await?,
            false => None,
        };
        let objects = self.objects_patch(session, partition, planned.tree).await?;
        let step = Step { objects, summary: patch, credential, ..Step::default() };
        // Evidence is written as from outside a session: what the newer one wrote meanwhile has another revision, and the
        // decision is made anew beside it.
        let guard = match evidence_only {
            true => HolderGuard::Any,
            false => HolderGuard::Session(holder_of(session)),
        };
        let changes: Vec<Change> = planned.tasks.into_iter().map(Change::from).collect();
        let subscriber = partition.summary.as_ref().map_or("", |summary| &summary.subscriber_id);
        if changes.is_empty() {
            return self.commit_with(step, device, guard.into(), changes, subscriber).await;
        }
        fail_point!("provisioning::before_intent");
        let outcome = self.commit_with(step, device, guard.into(), changes, subscriber).await?;
        fail_point!("provisioning::after_intent");
        Ok(outcome)
    }

    async fn keep_faults(&self, session: &SessionRef, faults: Vec<(String, FaultRecord)>) -> Result<(), ServiceError> {
        if faults.is_empty() {
            return Ok(());
        }
        let base = EventId::from_bytes(*session.session.as_bytes());
        let mut records = Vec::with_capacity(faults.len());
        for (call, fault) in faults {
            let facts = FaultFacts::of(fault.fault.code);
            let known = facts.side == FaultSide::Cpe && facts.codes.0 == facts.codes.1;
            let code = if known { fault.fault.code.to_string() } else { "other".to_owned() };
            self.deps.metrics.faults.get_or_create(&FaultLabels { code }).inc();
            records.push((EventId::derived(&base, &format!("fault {call}")), fault));
        }
        self.store().put_faults(records).await.map_err(error::store)
    }

    async fn keep_notes(&self, notes: Option<&(ModelNotes, ModelKey)>) -> Result<(), ServiceError> {
        let Some((notes, model)) = notes else { return Ok(()) };
        let mut kept = notes.clone();
        if model.software_version.is_empty() {
            // Nothing would tell when it does not hold any more (CWMP-223).
            kept.unsupported_methods.clear();
        }
        self.store().put_model_notes(model, kept).await.map_err(error::store)
    }

    /// What was read, as it is to be kept. News of a session that is not the device's newest any more come late: they add to
    /// what is known, and take nothing away.
    async fn objects_patch(
        &self,
        session: &SessionRef,
        partition: &Partition,
        news: TreeNews,
    ) -> Result<Option<ObjectsPatch>, ServiceError> {
        if news.is_empty() {
            return Ok(None);
        }
        let own = holder_of(session);
        let late = partition.holder.is_some_and(|holder| (holder.stamp, holder.session) > (own.stamp, own.session));
        let mut remove = Vec::new();
        if !late {
            remove = news.remove;
            for listing in &news.listed {
                remove.extend(self.gone(&session.device, listing).await?);
            }
        }
        let upsert = news
            .upsert
            .into_values()
            .map(|read| UpsertObject { object: read.object, complete: read.complete && !late });
        let upsert = upsert.collect();
        Ok(Some(ObjectsPatch { stamp: session.stamp, remove, upsert, late, ..ObjectsPatch::default() }))
    }

    async fn gone(&self, device: &DeviceId, listing: &Listing) -> Result<Vec<cwmp_model::ParameterPath>, ServiceError> {
        let known: Vec<ObjectRecord> = self.store().objects(device, &listing.within).await.map_err(error::store)?;
        Ok(gone(listing, known.iter().map(|object| &object.path)))
    }

    fn salt(&self) -> u64 {
        let mut bytes = [0; 8];
        self.deps.random.fill(&mut bytes);
        u64::from_ne_bytes(bytes)
    }
}

fn holder_of(session: &SessionRef) -> Holder {
    Holder { session: session.session, stamp: session.stamp }
}

fn superseded(session: &SessionRef, holder: &Holder) -> ServiceError {
    let SessionRef { device, session, .. } = session;
    let text = format!("session {session} lost device {device} to the newer session {}", holder.session);
    ServiceError::new(ErrorClass::Superseded, "superseded", text)
}

/// Whether a task is wanted now and could be sent if a session came.
pub(crate) fn wants_now(task: &acs_types::Task, now: Timestamp) -> bool {
    task.wanted == Wanted::Now && task.state == TaskState::Queued && task.expires_at.is_none_or(|expires| expires > now)
}

/// What is learned in a session is newer than its Inform, and older than the next session.
fn summary_patch(news: SummaryNews, stamp: SessionStamp, step: i64) -> SummaryPatch {
    SummaryPatch {
        stamp: SessionStamp::from_micros(stamp.as_micros().saturating_add(step)),
        root: news.root,
        software_version: news.software_version,
        hardware_version: news.hardware_version,
        provisioning_code: news.provisioning_code,
        connection_request_url: news.connection_request_url,
        parameter_key: news.parameter_key,
        discovered_at: news.discovered_at,
        ..SummaryPatch::default()
    }
}

fn call(planned: PlannedCall) -> Call {
    Call { id: planned.id, task: planned.task, attempt: planned.attempt, request: planned.request }
}

fn call_answer(answer: Answer) -> CallAnswer {
    let outcome = match answer.outcome {
        AnswerOutcome::Response(response) => CallOutcome::Response(response),
        AnswerOutcome::Fault(fault) => CallOutcome::Fault(fault),
        AnswerOutcome::Unanswered(UnansweredReason::NotSent) => CallOutcome::None(NoAnswer::NotSent),
        AnswerOutcome::Unanswered(UnansweredReason::Silence | UnansweredReason::Unusable) => {
            CallOutcome::None(NoAnswer::Lost)
        }
    };
    CallAnswer { id: answer.id, attempt: answer.attempt, at: answer.at, outcome }
}
