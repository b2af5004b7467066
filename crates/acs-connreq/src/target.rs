use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::uri::PathAndQuery;
use url::Url;

/// Longest ConnectionRequestURL that is read; the data models allow 256 characters.
const URL_MAX: usize = 512;

/// A ConnectionRequestURL, read: `http`, a host, a port and what stands in the request line.
///
/// Host and number forms are read by the rules of the WHATWG URL standard, so `0x7f.1` and `2130706433` are addresses here
/// and not names that a resolver would take for one later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host.
    pub host: Host,
    /// Port; 80 where the URL has none.
    pub port: u16,
    /// The `Host` header: host, and port if it is not 80 (RFC 9110 section 7.2).
    pub authority: String,
    /// Path and query; a URL without a path has `/` (RFC 9112 section 3.2.1).
    pub path_and_query: PathAndQuery,
}

/// The host of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name: lower case, punycode, without the dot at its end.
    Name(String),
    /// An address.
    V4(Ipv4Addr),
    /// An address in brackets (CWMP-421).
    V6(Ipv6Addr),
}

/// Why a text is no usable ConnectionRequestURL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Empty: the device takes no connection requests (CWMP-421).
    #[error("the device has told no ConnectionRequestURL")]
    Empty,
    /// Longer than 512 bytes.
    #[error("the ConnectionRequestURL has more than {URL_MAX} bytes")]
    TooLong,
    /// Does not parse.
    #[error("the ConnectionRequestURL cannot be read: {0}")]
    Unreadable(String),
    /// Not `http` (CWMP-410).
    #[error("the ConnectionRequestURL has scheme `{0}`; only `http` is allowed")]
    Scheme(String),
    /// `http://user:password@…`.
    #[error(
        "the ConnectionRequestURL holds user information; credentials are set as ConnectionRequestUsername and Password"
    )]
    UserInformation,
}

impl Target {
    /// Reads a ConnectionRequestURL.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if text.len() > URL_MAX {
            return Err(TargetError::TooLong);
        }
        if text.contains(|c: char| c.is_control() || c == '\\') {
            return Err(TargetError::Unreadable("it has control characters or `\\`".into()));
        }
        let url = Url::parse(text).map_err(|e| TargetError::Unreadable(e.to_string()))?;
        if url.scheme() != "http" {
            return Err(TargetError::Scheme(url.scheme().chars().take(20).collect()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::UserInformation);
        }
        Self::of(&url).ok_or_else(|| TargetError::Unreadable("its host or path cannot be used".into()))
    }

    fn of(url: &Url) -> Option<Self> {
        let host = match url.host()? {
            url::Host::Ipv4(address) => Host::V4(address),
            url::Host::Ipv6(address) => Host::V6(address),
            url::Host::Domain(name) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                if name.is_empty() {
                    return None;
                }
                Host::Name(name)
            }
        };
        let authority = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        let path_and_query = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Some(Self { host, port: url.port_or_known_default()?, authority, path_and_query: path_and_query.parse().ok()? })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_as_devices_tell_them() {
        let cases = [
            ("http://198.18.0.7:7547/cr?id=1", "198.18.0.7", 7547, "198.18.0.7:7547", "/cr?id=1"),
            // quirks.md: a URL without a path
            ("http://198.18.0.7:7547", "198.18.0.7", 7547, "198.18.0.7:7547", "/"),
            (" http://CPE.Example.net./x \n", "cpe.example.net", 80, "cpe.example.net.", "/x"),
            // CWMP-421
            ("http://[2001:db8::7]:58000/", "[2001:db8::7]", 58000, "[2001:db8::7]:58000", "/"),
            ("http://h?x#part", "h", 80, "h", "/?x"),
        ];
        for (text, host, port, authority, path) in cases {
            let target = Target::parse(text).unwrap();
            assert_eq!(
                (
                    target.host.to_string().as_str(),
                    target.port,
                    target.authority.as_str(),
                    target.path_and_query.as_str()
                ),
                (host, port, authority, path),
                "{text}"
            );
        }
    }

    #[test]
    fn other_texts_are_refused() {
        assert_eq!(Target::parse("  "), Err(TargetError::Empty));
        // CWMP-410
        assert_eq!(Target::parse("https://198.18.0.7/"), Err(TargetError::Scheme("https".into())));
        assert_eq!(Target::parse("gopher://198.18.0.7/"), Err(TargetError::Scheme("gopher".into())));
        assert_eq!(Target::parse("http://a:b@198.18.0.7/"), Err(TargetError::UserInformation));
        assert_eq!(Target::parse("http://a@198.18.0.7/"), Err(TargetError::UserInformation));
        for text in [
            "http://",
            "http:///",
            "/cr",
            "http://a b/",
            "http://h/\r\nX: y",
            "http:\\\\h",
            "http://1.2.3.4.5/",
            "http://./",
        ] {
            assert!(
                matches!(Target::parse(text), Err(TargetError::Unreadable(_))),
                "{text:?} {:?}",
                Target::parse(text)
            );
        }
        let at_limit = format!("http://h/{}", "x".repeat(URL_MAX - "http://h/".len()));
        assert!(Target::parse(&at_limit).is_ok());
        assert_eq!(Target::parse(&format!("{at_limit}x")), Err(TargetError::TooLong));
    }
}
