//! How much memory a plan takes, as far as a peer or a caller can make it grow.

use cwmp_codec::AcsRequest;

use super::{InFlight, Job, PlannedCall, Purpose, SessionPlan};
use crate::size::{entry_bytes, paths_bytes};

impl SessionPlan {
    /// Bytes it takes, about: texts counted exactly, what surrounds them estimated from above. For whoever keeps plans and
    /// has to bound them (P19).
    pub fn bytes(&self) -> usize {
        let jobs: usize = self.jobs.iter().map(|(id, job)| entry_bytes(id.as_str().len() + job.bytes())).sum();
        let in_flight: usize = self.in_flight.iter().map(InFlight::bytes).sum();
        let reads: usize = self.reads.keys().map(|id| entry_bytes(id.as_str().len())).sum();
        let names: usize = self.names.iter().map(|names| paths_bytes(names.told.iter().map(|info| &info.name))).sum();
        let last = self.last.iter().flatten().map(|id| entry_bytes(id.len())).sum::<usize>();
        let key = self.parameter_key.as_ref().map_or(0, String::len);
        size_of::<Self>() + jobs + in_flight + reads + names + last + key
    }
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Read(reader) => reader.bytes(),
            Self::Table(Some(instances)) => instances.len() * size_of::<u32>(),
            Self::Table(None) | Self::Key | Self::Vain => 0,
        }
    }
}

impl InFlight {
    fn bytes(&self) -> usize {
        let purpose = match &self.purpose {
            Purpose::Read(ask) => ask.bytes(),
            Purpose::Table(table) => table.as_str().len(),
            Purpose::Key | Purpose::Change => 0,
        };
        size_of::<Self>() + self.call.bytes() + purpose
    }
}

impl PlannedCall {
    fn bytes(&self) -> usize {
        let attempt = self.attempt.as_ref().map_or(0, |attempt| attempt.as_str().len());
        size_of::<Self>() + self.id.len() + self.task.as_str().len() + attempt + request_bytes(&self.request)
    }
}

fn request_bytes(request: &AcsRequest) -> usize {
    match request {
        AcsRequest::SetParameterValues(set) => {
            set.parameters.iter().map(|p| entry_bytes(p.name.as_str().len() + p.value.text.len())).sum()
        }
        AcsRequest::GetParameterValues(get) => paths_bytes(&get.names),
        AcsRequest::GetParameterNames(get) => get.path.as_str().len(),
        AcsRequest::Download(download) => download.url.len() + download.target_file_name.len(),
        _ => 0,
    }
}
