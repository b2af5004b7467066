//! Dies at a named step, for crash tests: `LASTMILE_ABORT_AT=name` or `name:n` for the n-th time it comes there.
//!
//! Only test builds can: without the feature `failpoints` of `fail` the steps are no code at all.

use std::sync::atomic::{AtomicU64, Ordering};

/// The variable that says where.
pub(crate) const VARIABLE: &str = "LASTMILE_ABORT_AT";

/// Reads the variable and makes the process die there. The error says what is wrong with it.
pub(crate) fn arm() -> Result<(), String> {
    if !fail::has_failpoints() {
        return Ok(());
    }
    let Ok(text) = std::env::var(VARIABLE) else { return Ok(()) };
    let (name, nth) = parse(&text).ok_or_else(|| format!("{VARIABLE}: `{text}` is not NAME or NAME:N"))?;
    let hits = AtomicU64::new(0);
    let abort = move || {
        if hits.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            // No destructor, no flush: as close to kill -9 as a process can do to itself.
            std::process::abort();
        }
    };
    fail::cfg_callback(name, abort).map_err(|error| format!("{VARIABLE}: {error}"))
}

/// `session::post:3` is the third `session::post`.
fn parse(text: &str) -> Option<(&str, u64)> {
    let counted = text.rsplit_once(':').filter(|(name, n)| !name.ends_with(':') && n.parse::<u64>().is_ok());
    let (name, nth) = match counted {
        Some((name, n)) => (name, n.parse().ok()?),
        None => (text, 1),
    };
    (!name.is_empty() && nth > 0).then_some((name, nth))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_variable_names_a_step_and_a_count() {
        assert_eq!(parse("begin::before_commit"), Some(("begin::before_commit", 1)));
        assert_eq!(parse("begin::before_commit:7"), Some(("begin::before_commit", 7)));
        assert_eq!(parse("begin:2"), Some(("begin", 2)));
        for wrong in ["", ":3", "begin:0"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
