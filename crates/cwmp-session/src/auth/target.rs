/// The request that came, for comparing it with the `uri` of a Digest answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTarget<'a> {
    /// The target of the request line: `/cwmp?x=1`, or a whole URL as old proxies send it.
    pub target: &'a str,
    /// The `Host` header; without one the host of an absolute `uri` is not looked at.
    pub host: Option<&'a str>,
}

/// The path and query of a URL, `/` if it has none. A text without scheme is taken as a target already.
pub fn request_target(url: &str) -> &str {
    match split_url(url) {
        Some((_, "")) => "/",
        Some((_, target)) => target,
        None => url,
    }
}

impl RequestTarget<'_> {
    /// Whether `uri` means this request (CWMP-053): the same target, or the absolute form of it at the same host.
    pub(super) fn is_meant_by(&self, uri: &str) -> bool {
        if uri == self.target {
            return true;
        }
        let same_host = match (split_url(uri), self.host) {
            (Some((host, _)), Some(own)) => names_host(own, host),
            _ => true,
        };
        same_host && request_target(uri) == request_target(self.target)
    }
}

/// Some devices put a whole URL into `Host`.
fn names_host(own: &str, host: &str) -> bool {
    let own = split_url(own).map_or(own, |(host, _)| host);
    own.eq_ignore_ascii_case(host) || without_port(own).eq_ignore_ascii_case(without_port(host))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Host with port, and the rest, of an `http` or `https` URL.
fn split_url(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    Some(rest.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: RequestTarget<'_> = RequestTarget { target: "/cwmp?a=1", host: Some("acs.example:7547") };

    #[test]
    fn the_absolute_form_means_the_same_cwmp_053() {
        for uri in ["/cwmp?a=1", "http://acs.example:7547/cwmp?a=1", "HTTPS://ACS.example/cwmp?a=1"] {
            assert!(REQUEST.is_meant_by(uri), "{uri}");
        }
        for uri in ["", "/", "/cwmp", "/CWMP?a=1", "http://other.example/cwmp?a=1", "ftp://acs.example/cwmp?a=1"] {
            assert!(!REQUEST.is_meant_by(uri), "{uri}");
        }
    }

    #[test]
    fn a_host_header_with_a_whole_url_is_understood() {
        let request = RequestTarget { target: "/", host: Some("http://acs.example:7547/") };
        assert!(request.is_meant_by("http://acs.example:7547"));
        let proxied = RequestTarget { target: "http://acs.example/cwmp", host: None };
        assert!(proxied.is_meant_by("/cwmp"));
    }

    #[test]
    fn targets_of_urls() {
        assert_eq!(request_target("http://[2001:db8::1]:80/x?y"), "/x?y");
        assert_eq!(request_target("http://host"), "/");
        assert_eq!(request_target("/x"), "/x");
    }
}
