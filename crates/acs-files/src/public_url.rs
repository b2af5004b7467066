use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::grant::TOKEN_MAX;

/// Longest URL that a CPE takes in Download (CWMP-332).
pub const URL_MAX: usize = 256;
/// Longest `public_url`.
pub const PUBLIC_URL_MAX: usize = 60;

/// The route under the public URL.
pub(crate) const ROUTE: &str = "/f/";
/// RFC 3986 section 2.3 lets these stand.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const EXTENSION_MAX: usize = 16;

// The longest token with a shortened name always fits.
const _: () = assert!(PUBLIC_URL_MAX + ROUTE.len() + TOKEN_MAX + "/file.".len() + EXTENSION_MAX <= URL_MAX);

/// What devices reach the server by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicUrl(String);

/// A `public_url` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` cannot be the URL of the file server: {why}")]
pub struct PublicUrlError {
    url: String,
    why: &'static str,
}

impl PublicUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, PublicUrlError> {
        let fail = |why| Err(PublicUrlError { url: text.chars().take(100).collect(), why });
        let text = text.trim_end_matches('/');
        if text.len() > PUBLIC_URL_MAX {
            return fail("it has more than 60 characters, and a device takes at most 256 with the token");
        }
        let Ok(uri) = text.parse::<Uri>() else { return fail("it is not a URL") };
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return fail("it must begin with `http://` or `https://`");
        }
        if uri.authority().is_none_or(|a| a.as_str().contains('@') || a.host().is_empty()) {
            return fail("it needs a host and no user information");
        }
        if uri.query().is_some() {
            return fail("it must have no query");
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL of a token. The file's name stands at its end, because some CPEs decide by it (RouterOS: `.alter`); if it is
    /// too long, `file` and its extension do.
    pub(crate) fn with(&self, token: &str, name: &str) -> String {
        let url = format!("{}{ROUTE}{token}", self.0);
        let whole = format!("{url}/{}", utf8_percent_encode(name, UNRESERVED));
        if whole.len() <= URL_MAX {
            return whole;
        }
        match name.rsplit_once('.') {
            Some((_, end))
                if (1..=EXTENSION_MAX).contains(&end.len()) && end.bytes().all(|b| b.is_ascii_alphanumeric()) =>
            {
                format!("{url}/file.{end}")
            }
            _ => url,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_ends_the_url_as_far_as_it_fits() {
        let base = format!("https://{}", "h".repeat(PUBLIC_URL_MAX - 8));
        let url = PublicUrl::parse(&base).unwrap();
        let token = "t".repeat(TOKEN_MAX);
        for name in
            ["a.bin".to_owned(), "x".repeat(128), format!("{}.alter", "ü".repeat(100)), format!("a.{}", "e".repeat(50))]
        {
            let whole = url.with(&token, &name);
            assert!(whole.len() <= URL_MAX, "{} {whole}", whole.len());
        }
        assert!(url.with(&token, &format!("{}.alter", "ü".repeat(100))).ends_with("/file.alter"));
        let short = PublicUrl::parse("http://h:7567/files/").unwrap();
        assert_eq!(short.with("t", "a b/ü.bin"), "http://h:7567/files/f/t/a%20b%2F%C3%BC.bin");
    }

    #[test]
    fn unusable_urls_are_refused() {
        for text in [
            "",
            "acs.example.net",
            "ftp://h",
            "http://",
            "http://u:p@h",
            "http://h/?x",
            "http://h h",
            &format!("http://{}", "h".repeat(54)),
        ] {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
        assert!(PublicUrl::parse(&format!("http://{}", "h".repeat(53))).is_ok());
        assert!(PublicUrl::parse("http://[::1]:7567").is_ok());
    }
}
