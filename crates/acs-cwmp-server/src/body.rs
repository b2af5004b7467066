//! The body of a POST: read within limits of time, rate and size, inflated, and given a charset.

use std::io::{Read, Write};

use bytes::{Bytes, BytesMut};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::HttpLimits;

/// A body as the CPE meant it.
#[derive(Debug)]
pub(crate) struct RequestBody<'a> {
    /// Decompressed.
    pub(crate) bytes: Bytes,
    /// Bytes as they came.
    pub(crate) wire_bytes: u64,
    /// The `charset` of Content-Type (CWMP-031).
    pub(crate) charset: Option<String>,
    /// Held as long as a large body is in memory.
    pub(crate) _large: Option<SemaphorePermit<'a>>,
}

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// More bytes than allowed, as they came or inflated (CWMP-030).
    #[error("the body has more than {limit} bytes")]
    TooLarge {
        /// How many are allowed.
        limit: usize,
    },
    /// A coding that is not gzip, deflate or identity, or more than one (CWMP-027).
    #[error("the body has a content coding other than one gzip or deflate")]
    Coding,
    /// The compressed bytes are damaged.
    #[error("the compressed body is damaged")]
    Damaged,
    /// It came too slowly (CWMP-531).
    #[error("the body came too slowly")]
    Slow,
    /// The connection broke, or the framing is wrong.
    #[error("the body did not come whole")]
    Broken,
    /// Too many large bodies at a time.
    #[error("too many large bodies are being read")]
    Busy,
}

impl BodyError {
    /// What to answer; all of them close the connection.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Coding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Damaged | Self::Broken => StatusCode::BAD_REQUEST,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The name in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "body_too_large",
            Self::Coding => "content_coding",
            Self::Damaged => "compressed_body_damaged",
            Self::Slow => "body_slow",
            Self::Broken => "body_broken",
            Self::Busy => "large_bodies_busy",
        }
    }
}

/// Reads a body of at most `max_bytes`.
pub(crate) async fn read<'a>(
    headers: &HeaderMap,
    body: Incoming,
    max_bytes: usize,
    limits: &HttpLimits,
    large_bodies: &'a Semaphore,
) -> Result<RequestBody<'a>, BodyError> {
    let coding = Coding::of(headers)?;
    if declared_length(headers).is_some_and(|length| length > max_bytes as u64) {
        return Err(BodyError::TooLarge { limit: max_bytes });
    }
    let mut reader = Reader { max_bytes, limits, large_bodies, large: None, started: Instant::now(), wire_bytes: 0 };
    let mut bytes = reader.all(body).await?;
    if coding != Coding::Identity && !bytes.is_empty() {
        if reader.large.is_none() {
            // It may inflate to a large one.
            reader.large = Some(reader.permit().await?);
        }
        bytes = inflate(coding, bytes, max_bytes).await?;
        if bytes.len() <= HttpLimits::LARGE_BODY_BYTES {
            reader.large = None;
        }
    }
    Ok(RequestBody { bytes, wire_bytes: reader.wire_bytes, charset: charset(headers), _large: reader.large })
}

struct Reader<'a, 'b> {
    max_bytes: usize,
    limits: &'b HttpLimits,
    large_bodies: &'a Semaphore,
    large: Option<SemaphorePermit<'a>>,
    started: Instant,
    wire_bytes: u64,
}

impl<'a> Reader<'a, '_> {
    async fn all(&mut self, mut body: Incoming) -> Result<Bytes, BodyError> {
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(data) = self.next(&mut body).await? {
            self.wire_bytes += data.len() as u64;
            if self.wire_bytes > self.max_bytes as u64 {
                return Err(BodyError::TooLarge { limit: self.max_bytes });
            }
            if self.wire_bytes > HttpLimits::LARGE_BODY_BYTES as u64 && self.large.is_none() {
                self.large = Some(self.permit().await?);
            }
            if first.is_empty() {
                first = data;
            } else {
                rest.extend_from_slice(&data);
            }
        }
        if rest.is_empty() {
            return Ok(first);
        }
        let mut whole = BytesMut::with_capacity(first.len() + rest.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&rest);
        Ok(whole.freeze())
    }

    async fn next(&self, body: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
        if body.is_end_stream() {
            return Ok(None);
        }
        loop {
            let frame = tokio::time::timeout_at(self.deadline(), body.frame());
            match frame.await.map_err(|_| BodyError::Slow)? {
                None => return Ok(None),
                Some(Err(_)) => return Err(BodyError::Broken),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        if Instant::now() > self.deadline() {
                            return Err(BodyError::Slow);
                        }
                        return Ok(Some(data));
                    }
                    // Trailers say nothing to us.
                    Err(_) => {}
                },
            }
        }
    }

    /// When the next bytes have to be here: the more came, the later, up to the limit for a whole body.
    fn deadline(&self) -> Instant {
        let earned = self.wire_bytes / self.limits.body_bytes_per_second.max(1);
        let by_rate = self.limits.body_grace + std::time::Duration::from_secs(earned);
        self.started + by_rate.min(self.limits.body)
    }

    async fn permit(&self) -> Result<SemaphorePermit<'a>, BodyError> {
        let deadline = self.started + self.limits.body_grace;
        match tokio::time::timeout_at(deadline, self.large_bodies.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(BodyError::Busy),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Deflate,
}

impl Coding {
    /// One coding at most: nested ones are how a small body becomes a huge one.
    fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        let mut found = Self::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            let text = value.to_str().map_err(|_| BodyError::Coding)?;
            for name in text.split(',').map(str::trim).filter(|n| !n.is_empty()) {
                let coding = Self::parse(name)?;
                match (found, coding) {
                    (_, Self::Identity) => {}
                    (Self::Identity, coding) => found = coding,
                    _ => return Err(BodyError::Coding),
                }
            }
        }
        Ok(found)
    }

    fn parse(name: &str) -> Result<Self, BodyError> {
        const NAMES: [(&str, Coding); 4] = [
            ("gzip", Coding::Gzip),
            ("x-gzip", Coding::Gzip),
            ("deflate", Coding::Deflate),
            ("identity", Coding::Identity),
        ];
        let known = NAMES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        known.map(|(_, coding)| coding).ok_or(BodyError::Coding)
    }
}

async fn inflate(coding: Coding, bytes: Bytes, max_bytes: usize) -> Result<Bytes, BodyError> {
    // Inflating a small body stops after a chunk of output; only then is it known to be work for another thread.
    if let Ok(inflated) = inflate_up_to(coding, &bytes, HttpLimits::LARGE_BODY_BYTES.min(max_bytes)) {
        return Ok(inflated);
    }
    let inflated = tokio::task::spawn_blocking(move || inflate_up_to(coding, &bytes, max_bytes)).await;
    inflated.unwrap_or(Err(BodyError::Damaged))
}

fn inflate_up_to(coding: Coding, bytes: &[u8], max_bytes: usize) -> Result<Bytes, BodyError> {
    match coding {
        Coding::Identity => Ok(Bytes::copy_from_slice(bytes)),
        Coding::Gzip => read_up_to(MultiGzDecoder::new(bytes), max_bytes),
        // RFC 9110 says zlib; some peers send it bare.
        Coding::Deflate if looks_like_zlib(bytes) => read_up_to(ZlibDecoder::new(bytes), max_bytes),
        Coding::Deflate => read_up_to(DeflateDecoder::new(bytes), max_bytes),
    }
}

/// RFC 1950 section 2.2.
fn looks_like_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [cmf, flags, ..] if cmf & 0x0F == 8 && (u16::from(*cmf) << 8 | u16::from(*flags)) % 31 == 0)
}

fn read_up_to(decoder: impl Read, max_bytes: usize) -> Result<Bytes, BodyError> {
    let mut inflated = Vec::new();
    let mut decoder = decoder.take(max_bytes as u64 + 1);
    std::io::copy(&mut decoder, &mut VecWriter(&mut inflated)).map_err(|_| BodyError::Damaged)?;
    if inflated.len() > max_bytes {
        return Err(BodyError::TooLarge { limit: max_bytes });
    }
    Ok(inflated.into())
}

/// Grows with what is really there, so that memory follows the inflated size and not its limit.
struct VecWriter<'a>(&'a mut Vec<u8>);

impl Write for VecWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// The `charset` parameter, whatever the type is (CWMP-009, CWMP-031).
fn charset(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes)?;
    let text = std::str::from_utf8(value).ok()?;
    text.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn headers(name: http::header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn cwmp_027_gzip_and_both_forms_of_deflate_are_read() {
        let plain = b"<Envelope/>".repeat(50);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&plain).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(&plain).unwrap();
        for (coding, bytes) in [
            (Coding::Gzip, gzip(&plain)),
            (Coding::Deflate, zlib.finish().unwrap()),
            (Coding::Deflate, bare.finish().unwrap()),
        ] {
            assert_eq!(inflate_up_to(coding, &bytes, plain.len()).unwrap(), plain, "CWMP-027: {coding:?}");
        }
    }

    #[test]
    fn cwmp_030_the_limit_counts_inflated_bytes_at_its_edge() {
        let bomb = gzip(&vec![b' '; 100_000]);
        assert!(bomb.len() < 1000);
        assert_eq!(inflate_up_to(Coding::Gzip, &bomb, 100_000).unwrap().len(), 100_000);
        assert_eq!(inflate_up_to(Coding::Gzip, &bomb, 99_999), Err(BodyError::TooLarge { limit: 99_999 }));
    }

    #[test]
    fn cwmp_027_other_and_nested_codings_are_refused() {
        for (value, coding) in [
            ("gzip", Ok(Coding::Gzip)),
            ("X-GZIP", Ok(Coding::Gzip)),
            ("identity", Ok(Coding::Identity)),
            ("identity, deflate", Ok(Coding::Deflate)),
            ("", Ok(Coding::Identity)),
            ("br", Err(BodyError::Coding)),
            ("compress", Err(BodyError::Coding)),
            ("gzip, gzip", Err(BodyError::Coding)),
            ("deflate,gzip", Err(BodyError::Coding)),
        ] {
            assert_eq!(Coding::of(&headers(CONTENT_ENCODING, value)), coding, "CWMP-027: {value}");
        }
    }

    #[test]
    fn damaged_gzip_is_an_error_and_no_panic_p20() {
        let mut bytes = gzip(b"hello hello hello");
        bytes.truncate(bytes.len() - 6);
        assert_eq!(inflate_up_to(Coding::Gzip, &bytes, 1000), Err(BodyError::Damaged));
        assert_eq!(inflate_up_to(Coding::Deflate, b"\x78\x9c\xff\xff", 1000), Err(BodyError::Damaged));
    }

    #[test]
    fn cwmp_031_charset_is_read_from_any_type() {
        for (value, expected) in [
            ("text/xml; charset=utf-8", Some("utf-8")),
            ("text/xml;Charset=\"ISO-8859-1\"", Some("ISO-8859-1")),
            ("text/plain ; a=b; charset='latin1'", Some("latin1")),
            ("text/xml", None),
            ("", None),
            ("text/xml; charset=", None),
        ] {
            assert_eq!(charset(&headers(CONTENT_TYPE, value)).as_deref(), expected, "CWMP-031: {value}");
        }
    }
}
