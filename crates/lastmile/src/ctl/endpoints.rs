use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::roles::assembly::write_private;

/// The file in a data folder that tells `lastmile ctl` where the running server is.
const FILE: &str = "endpoints.json";

/// Where a running server is reached, and with what. Readable by the owner of the data folder alone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Endpoints {
    /// `http://ADDRESS:PORT`.
    pub(crate) api: String,
    /// The administrator's token.
    pub(crate) token: String,
}

impl Endpoints {
    /// Those of a server whose API listens on `api`.
    pub(crate) fn new(api: SocketAddr, token: &str) -> Self {
        Self { api: format!("http://{}", crate::config::reachable(api)), token: token.to_owned() }
    }

    /// Puts them into a data folder.
    pub(crate) fn write(&self, data: &Path) -> anyhow::Result<()> {
        write_private(&data.join(FILE), &serde_json::to_string_pretty(self)?)
    }

    /// Takes them from a data folder; `None`: no server runs there, as far as is known.
    pub(crate) fn read(data: &Path) -> Option<Self> {
        serde_json::from_str(&std::fs::read_to_string(data.join(FILE)).ok()?).ok()
    }

    /// The server has stopped.
    pub(crate) fn remove(data: &Path) {
        let _ = std::fs::remove_file(data.join(FILE));
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints").field("api", &self.api).finish_non_exhaustive()
    }
}
