use std::collections::BTreeMap;

use acs_planner::{InformFacts, TreeNews};
use acs_store::{ObjectsPatch, UpsertObject};
use acs_types::{
    DeviceId, EventBody, EventId, EventRecord, FaultRecord, InformRecord, RefusedInform, SessionOutcome, SessionRecord,
    SummaryPatch,
};
use cwmp_model::{Event, Timestamp};

/// What one record changes. Empty for records that change nothing here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch {
    /// What an Inform says of its device.
    pub summary: Option<(DeviceId, SummaryPatch)>,
    /// The values of an Inform (CWMP-138, CWMP-188); with `forget` after `0 BOOTSTRAP` (CWMP-185).
    pub objects: Option<(DeviceId, ObjectsPatch)>,
    /// A session that ended.
    pub session: Option<SessionRecord>,
    /// A fault of a device.
    pub fault: Option<(EventId, FaultRecord)>,
    /// A refused Inform.
    pub refused: Option<(EventId, RefusedInform)>,
    /// Provisioning has to see it.
    pub obliges: bool,
}

/// What a record changes. Pure: the same record always gives the same patch.
pub fn project(record: &EventRecord) -> Patch {
    project_news(record, true)
}

/// The same; without the values of an Inform unless they are new, because most repeat the last one's.
pub(crate) fn project_news(record: &EventRecord, values_are_new: bool) -> Patch {
    match (&record.body, &record.device) {
        (EventBody::Inform(inform), Some(device)) => project_inform(record, device, inform, values_are_new),
        (EventBody::Transfer(transfer), Some(device)) => {
            let fault = record.session.filter(|_| transfer.fault.code != 0).map(|session| FaultRecord {
                at: record.occurred_at,
                tenant: record.tenant.clone(),
                device: device.clone(),
                session,
                task: None,
                method: "TransferComplete".to_owned(),
                fault: transfer.fault.clone(),
            });
            Patch { fault: fault.map(|fault| (record.event_id, fault)), obliges: true, ..Patch::default() }
        }
        (EventBody::SessionEnded(session), device) => Patch {
            session: Some((**session).clone()),
            // What had no answer there may have been lost with one of our front-ends.
            obliges: session.outcome == SessionOutcome::Lost && device.is_some(),
            ..Patch::default()
        },
        (EventBody::Refused(refused), _) => {
            Patch { refused: Some((record.event_id, refused.clone())), ..Patch::default() }
        }
        // Tasks are the store's already, device changes come from here, the audit log is written before each change, totals are
        // for who counts.
        (
            EventBody::Inform(_)
            | EventBody::Transfer(_)
            | EventBody::Task(_)
            | EventBody::Device(_)
            | EventBody::Audit(_)
            | EventBody::ControlTotals(_),
            _,
        ) => Patch::default(),
    }
}

fn project_inform(record: &EventRecord, device: &DeviceId, inform: &InformRecord, values_are_new: bool) -> Patch {
    let Some(session) = record.session else { return Patch::default() };
    let facts = InformFacts::of_record(inform, session, record.position.stamp, &record.tenant, record.occurred_at);
    let mut summary = facts.summary_patch();
    summary.subscriber_id = Some(record.subscriber_id.clone()).filter(|subscriber| !subscriber.is_empty());
    let forget = facts.has(Event::Bootstrap);
    let upsert = if values_are_new || forget { values(inform, record.occurred_at) } else { Vec::new() };
    let objects = ObjectsPatch { stamp: record.position.stamp, forget, remove: Vec::new(), upsert, late: true };
    let is_empty = objects.upsert.is_empty() && !objects.forget;
    Patch {
        summary: Some((device.clone(), summary)),
        objects: (!is_empty).then(|| (device.clone(), objects)),
        obliges: facts.obliges(),
        ..Patch::default()
    }
}

fn values(inform: &InformRecord, at: Timestamp) -> Vec<UpsertObject> {
    let mut news = TreeNews::default();
    news.values(&inform.parameters, at);
    let objects: BTreeMap<_, _> = news.upsert;
    objects.into_values().map(|read| UpsertObject { object: read.object, complete: false }).collect()
}
