use std::time::Duration;

/// Bytes of one gRPC message: room for the largest answer of a device (a whole parameter tree). The receiver refuses more, so
/// that the sender learns why.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a file's content in one message of an upload.
pub const CONTENT_PART_BYTES_MAX: usize = 256 * 1024;
/// What a message of the file service has beside content.
pub(super) const FILE_MESSAGE_BYTES_MAX: usize = CONTENT_PART_BYTES_MAX + 16 * 1024;
/// How often an idempotent call is made again while the service is unavailable, within its one deadline.
pub const REPEATS_MAX: u32 = 2;
/// How long to wait before each of them; longer for the later ones.
pub(super) const REPEAT_PAUSE: Duration = Duration::from_millis(50);

/// How long a process that is silent is waited for, at most, before an idempotent call is made to another one.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(3);

/// Bytes of an error's text; more is cut off. Errors travel as HTTP/2 headers, 16 KiB in all.
pub(super) const ERROR_TEXT_BYTES_MAX: usize = 2048;
/// Bytes of an error's details with text and field problems; problems beyond are left out.
pub(super) const ERROR_DETAIL_BYTES_MAX: usize = 4096;
/// Bytes of the text in `grpc-message`, which is for people who watch the wire.
pub(super) const ERROR_MESSAGE_BYTES_MAX: usize = 512;

/// How long calls may take, repeats included. A call that has not ended by then is [`crate::ErrorClass::Unavailable`]
/// with code `deadline_exceeded`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// `verifier`, `begin`: a CPE waits, and goes on without them.
    pub session: Duration,
    /// `next`, `end`: they take the answers of a session.
    pub turn: Duration,
    /// `append`, `observe`.
    pub records: Duration,
    /// `cancel`, `retry`, opening of `watch`, `sign`, `remove`.
    pub request: Duration,
    /// `wake` and `enqueue`, which may dial a device.
    pub wake: Duration,
    /// `store`.
    pub upload: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            session: Duration::from_secs(5),
            turn: Duration::from_secs(20),
            records: Duration::from_secs(3),
            request: Duration::from_secs(10),
            wake: Duration::from_secs(30),
            upload: Duration::from_secs(15 * 60),
        }
    }
}
