use std::path::PathBuf;
use std::time::Duration;

/// How files are kept and served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the bytes lie; made if missing. Only this process writes there.
    pub folder: PathBuf,
    /// What devices reach the server by: `http://` or `https://`, host, port, perhaps a path; at most 60 characters, so that
    /// every signed URL has at most 256 (CWMP-332).
    pub public_url: String,
    /// Most bytes of a file.
    pub max_file_bytes: u64,
    /// Most uploads at a time; 1 to 1,000.
    pub max_uploads: usize,
    /// An upload that sends nothing for so long is dropped.
    pub upload_idle_timeout: Duration,
    /// Most transfers at a time (CWMP-353); further ones get 503 with Retry-After.
    pub max_transfers: usize,
    /// Most transfers of one device at a time. Above 1, because a device that lost its connection comes back before its old
    /// one is given up.
    pub max_transfers_per_device: usize,
    /// Retry-After is drawn between half of this and one and a half.
    pub retry_after: Duration,
    /// Most connections at a time; further ones wait to be accepted.
    pub max_connections: usize,
    /// Longest time for a TLS handshake, for the head of a request, and between two requests of a connection.
    pub head_timeout: Duration,
    /// A connection that takes no byte for so long is closed.
    pub stall_timeout: Duration,
    /// How long transfers may go on when the process is asked to end.
    pub drain_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("files"),
            public_url: "http://127.0.0.1:7567".to_owned(),
            max_file_bytes: 1 << 30,
            max_uploads: 8,
            upload_idle_timeout: Duration::from_secs(60),
            max_transfers: 64,
            max_transfers_per_device: 2,
            retry_after: Duration::from_secs(60),
            max_connections: 256,
            head_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(20),
        }
    }
}
