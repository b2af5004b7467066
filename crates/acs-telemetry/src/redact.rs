/// HTTP headers whose values are never logged (P26): they carry credentials or a session.
const SECRET_HEADERS: [&str; 6] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "authentication-info", "x-api-key"];

/// Whether the value of this HTTP header is a secret; names are compared without case.
pub fn is_secret_header(name: &str) -> bool {
    SECRET_HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_cookies_are_secret_in_any_case() {
        for name in ["Authorization", "COOKIE", "set-cookie"] {
            assert!(is_secret_header(name), "{name}");
        }
        assert!(!is_secret_header("SOAPAction"));
    }
}
