use std::time::Duration;

/// What connections and bodies may take. Every field is an inclusive maximum (CWMP-030, CWMP-531, P19).
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Open connections in all; one more is closed at once.
    pub connections: usize,
    /// Open connections from one address.
    pub connections_per_source: usize,
    /// From accept to the end of the TLS handshake.
    pub tls_handshake: Duration,
    /// From the first byte of a request to the end of its header.
    pub header: Duration,
    /// Bytes of a request's header.
    pub header_bytes: usize,
    /// Lines of a request's header.
    pub header_lines: usize,
    /// From accept to the first byte, and between two requests. Longer than the session time-out, because a CPE that
    /// returns no cookie has nothing but its connection (CWMP-023).
    pub idle: Duration,
    /// For a whole body.
    pub body: Duration,
    /// How long a body may come slower than [`HttpLimits::body_bytes_per_second`].
    pub body_grace: Duration,
    /// The least rate of a body after the grace.
    pub body_bytes_per_second: u64,
    /// A peer that takes none of the response for so long is gone.
    pub write: Duration,
    /// Bytes of a body that belongs to a session, after decompression (CWMP-030).
    pub body_bytes: usize,
    /// Bytes of a body that belongs to no session yet, after decompression: an Inform, or something worse.
    pub first_body_bytes: usize,
    /// Bodies over [`HttpLimits::LARGE_BODY_BYTES`] in memory at a time; others wait within [`HttpLimits::body`].
    pub large_bodies: usize,
    /// Challenges on one connection without an accepted Inform in between; then it is closed.
    pub challenges: u32,
}

impl HttpLimits {
    /// A body over this counts as large, and is inflated and decoded beside the reactor.
    pub const LARGE_BODY_BYTES: usize = 64 << 10;
    /// Cookies of our name that are tried per request; further ones are ignored.
    pub const COOKIES: usize = 4;
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_source: 2_000,
            tls_handshake: Duration::from_secs(10),
            header: Duration::from_secs(15),
            header_bytes: 32 << 10,
            header_lines: 100,
            idle: Duration::from_secs(75),
            body: Duration::from_secs(120),
            body_grace: Duration::from_secs(10),
            body_bytes_per_second: 512,
            write: Duration::from_secs(30),
            body_bytes: 16 << 20,
            first_body_bytes: 1 << 20,
            large_bodies: 32,
            challenges: 8,
        }
    }
}
