use acs_store::{Error, ObjectsPatch, Store};
use acs_types::{DeviceId, EventId, FaultRecord, RefusedInform, SessionOutcome, SessionRecord, SummaryPatch};

use crate::project::Patch;

/// What a batch of records changes in the store. Written twice it is as once.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    objects: Vec<(DeviceId, ObjectsPatch)>,
    summaries: Vec<(DeviceId, SummaryPatch)>,
    sessions: Vec<SessionRecord>,
    faults: Vec<(EventId, FaultRecord)>,
    refused: Vec<(EventId, RefusedInform)>,
}

impl Writes {
    /// Behind what was added before.
    pub(crate) fn add(&mut self, patch: Patch) {
        let Patch { summary, objects, session, fault, refused, obliges: _ } = patch;
        self.objects.extend(objects);
        self.summaries.extend(summary);
        self.sessions.extend(session);
        self.faults.extend(fault);
        self.refused.extend(refused);
    }

    /// Writes it all. The values come first: a record that is done again is late then, and its values are there.
    pub(crate) async fn apply(mut self, store: &dyn Store) -> Result<(), Error> {
        self.drop_outdone(store).await?;
        for (device, patch) in self.objects {
            store.patch_objects(&device, patch).await?;
        }
        // Side by side, so that one sync serves all; a store does nothing for an empty list.
        tokio::try_join!(
            store.patch_summaries(self.summaries),
            store.put_sessions(self.sessions),
            store.put_faults(self.faults),
        )?;
        for (id, refusal) in self.refused {
            store.put_refused(id, refusal).await?;
        }
        Ok(())
    }

    /// The end that a front-end told counts, also where `lost` is read after it.
    async fn drop_outdone(&mut self, store: &dyn Store) -> Result<(), Error> {
        let mut outdone = Vec::new();
        for lost in self.sessions.iter().filter(|session| session.outcome == SessionOutcome::Lost) {
            let id = lost.at.session;
            let told = |session: &SessionRecord| session.at.session == id && session.outcome != SessionOutcome::Lost;
            if self.sessions.iter().any(told) || store.session(&id).await?.as_ref().is_some_and(told) {
                outdone.push(id);
            }
        }
        self.sessions
            .retain(|session| session.outcome != SessionOutcome::Lost || !outdone.contains(&session.at.session));
        Ok(())
    }
}
