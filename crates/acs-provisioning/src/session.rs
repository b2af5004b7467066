use std::sync::Arc;

use acs_planner::{
    CallAnswer, CallOutcome, Listing, NoAnswer, Planned, PlannedCall, StepInput, SummaryNews, TreeNews, gone,
};
use acs_proto::{
    Answer, AnswerOutcome, Call, EndReply, EndRequest, ErrorClass, NextReply, NextRequest, ServiceError,
    UnansweredReason,
};
use acs_store::{CommitOutcome, HolderGuard, ObjectsPatch, UpsertObject};
use acs_types::{
    DeviceId, EventId, FaultRecord, Holder, ObjectRecord, Partition, SessionOutcome, SessionRef, SessionStamp,
    SummaryPatch, TaskState, Wanted,
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
    more: bool,
}

impl Inner {
    pub(crate) async fn next(&self, request: NextRequest) -> Result<NextReply, ServiceError> {
        let _turn = self.turn(&request.session.device).await;
        let turn = Turn {
            session: &request.session,
            at: request.at,
            deadline: request.deadline,
            secrets: self.config.may_send_secrets(request.tls, request.auth, request.remote),
            answers: request.answers.into_iter().map(call_answer).collect(),
            more: true,
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
            more: false,
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
        let partition = self.store().partition(device).await.map_err(error::store)?;
        let now = self.now();
        let left: Vec<Timestamp> =
            partition.tasks.iter().filter(|task| wants_now(task, now)).map(|task| task.created_at).collect();
        if left.is_empty() {
            return Ok(false);
        }
        let unseen = left.iter().any(|created_at| seen_at.is_none_or(|seen| *created_at >= seen));
        self.arm_wake(device, now, false).await?;
        if unseen {
            self.spawn_wake(device);
        }
        Ok(true)
    }

    async fn take_turn(&self, turn: &Turn<'_>) -> Result<Vec<PlannedCall>, ServiceError> {
        let SessionRef { device, session, .. } = turn.session;
        let mut entry = self.plans.get(session).unwrap_or_else(|| {
            if turn.more {
                self.deps.metrics.plans_lost.inc();
            }
            Entry::default()
        });
        for _ in 0..COMMIT_TRIES {
            entry.seen_at = self.now();
            let partition = self.store().partition(device).await.map_err(error::store)?;
            // At the end nothing is sent, so nothing has to be known for it.
            let view = match turn.more {
                true => self.view(turn.session, &partition, &mut entry, turn.at).await?,
                false => acs_planner::View { notes: entry.notes.clone().unwrap_or_default(), ..Default::default() },
            };
            let mut tried = entry.clone();
            let input = StepInput {
                session: *session,
                resume: turn.session.resume,
                at: turn.at,
                deadline: turn.deadline,
                secrets: turn.secrets,
                tasks: &partition.tasks,
                view: &view,
                answers: &turn.answers,
                salt: self.salt(),
                more: turn.more,
            };
            let planned = tried.plan.step(&input, &self.config.settings);
            let calls = planned.calls.clone();
            match self.carry_out(turn.session, &partition, &mut tried, planned).await? {
                CommitOutcome::Applied => {
                    self.plans.put(*session, tried, self.now());
                    return Ok(calls);
                }
                CommitOutcome::Conflict { .. } | CommitOutcome::DeviceUnknown => {}
                CommitOutcome::HolderLost { holder } => {
                    let text =
                        format!("session {session} lost device {device} to the newer session {}", holder.session);
                    return Err(ServiceError::new(ErrorClass::Superseded, "superseded", text));
                }
            }
        }
        Err(error::contended(device))
    }

    /// Writes what a plan says: what was read before the tasks that read it, intents before their calls are returned.
    async fn carry_out(
        &self,
        session: &SessionRef,
        partition: &Partition,
        entry: &mut Entry,
        planned: Planned,
    ) -> Result<CommitOutcome, ServiceError> {
        let device = &session.device;
        fail_point!("provisioning::before_answers");
        self.keep_faults(session, planned.faults).await?;
        self.keep_tree(session, planned.tree).await?;
        if let (Some(notes), Some(summary)) = (planned.notes, &partition.summary) {
            let model = entry.model(summary);
            let mut kept = notes.clone();
            if model.software_version.is_empty() {
                // Nothing would tell when it does not hold any more (CWMP-223).
                kept.unsupported_methods.clear();
            }
            self.store().put_model_notes(&model, kept).await.map_err(error::store)?;
            entry.notes = Some(notes);
        }
        if !planned.summary.is_empty() {
            entry.news += 1;
            let patch = summary_patch(planned.summary, session.stamp, entry.news);
            self.store().patch_summary(device, patch).await.map_err(error::store)?;
        }
        if planned.credential_proved {
            self.credential_proved(device).await?;
        }
        fail_point!("provisioning::after_answers");
        if planned.tasks.is_empty() {
            return Ok(CommitOutcome::Applied);
        }
        let guard = HolderGuard::Session(Holder { session: session.session, stamp: session.stamp });
        let changes: Vec<Change> = planned.tasks.into_iter().map(Change::from).collect();
        let subscriber = partition.summary.as_ref().map_or("", |summary| &summary.subscriber_id);
        fail_point!("provisioning::before_intent");
        let outcome = self.commit(device, guard, changes, subscriber).await?;
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

    async fn keep_tree(&self, session: &SessionRef, news: TreeNews) -> Result<(), ServiceError> {
        if news.is_empty() {
            return Ok(());
        }
        let mut remove = news.remove;
        for listing in &news.listed {
            remove.extend(self.gone(&session.device, listing).await?);
        }
        let upsert =
            news.upsert.into_values().map(|read| UpsertObject { object: read.object, complete: read.complete });
        let upsert = upsert.collect();
        let patch = ObjectsPatch { stamp: session.stamp, remove, upsert, ..ObjectsPatch::default() };
        self.store().patch_objects(&session.device, patch).await.map_err(error::store)
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
