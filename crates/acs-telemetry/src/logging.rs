//! Log lines: one event a line, with fields instead of sentences, on standard error.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

/// How a process logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The form of a line.
    pub format: LogFormat,
    /// What is logged: directives `level` or `target=level`, separated by commas, for example `info,acs_connreq=debug`.
    pub filter: String,
}

impl Default for LogConfig {
    /// Text; our own news at `info`, libraries only at `warn`. A target in a directive is the begin of a name.
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "warn,lastmile=info,acs_=info".to_owned() }
    }
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

impl LogFormat {
    /// From its name in configuration: `text` or `json`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter does not parse.
    #[error("`{filter}` is not a log filter: {source}; write for example `info,acs_connreq=debug`")]
    Filter {
        /// As configured.
        filter: String,
        /// Why.
        source: ParseError,
    },
    /// A subscriber is already there.
    #[error("logging has begun already: {0}")]
    Begun(#[from] TryInitError),
}

/// Begins to log, for the whole process. Once, first thing in `main`.
pub fn init(config: &LogConfig) -> Result<(), LogError> {
    // A layer that exports traces by OTLP joins here, before the lines.
    Registry::default().with(lines(config, io::stderr, io::stderr().is_terminal())?).try_init()?;
    Ok(())
}

type BoxedLayer<S> = Box<dyn Layer<S> + Send + Sync>;

fn lines<S, W>(config: &LogConfig, writer: W, terminal: bool) -> Result<BoxedLayer<S>, LogError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&config.filter)
        .map_err(|source| LogError::Filter { filter: config.filter.clone(), source })?;
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    Ok(match config.format {
        LogFormat::Text => layer.with_ansi(terminal).with_filter(filter).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(config: &LogConfig, log: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let layer = lines(config, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(Registry::default().with(layer), log);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn our_news_is_logged_and_that_of_libraries_is_not() {
        let text = logged(&LogConfig::default(), || {
            tracing::info!(target: "acs_files", file = "fw.bin", "stored");
            tracing::info!(target: "lastmile::roles", "role begins");
            tracing::debug!(target: "acs_files", "detail");
            tracing::info!(target: "hyper::proto", "noise");
            tracing::warn!(target: "hyper::proto", "trouble");
        });
        assert!(text.contains("INFO acs_files: stored file=\"fw.bin\""), "{text}");
        assert!(text.contains("role begins"), "{text}");
        assert!(text.contains("trouble") && !text.contains("noise") && !text.contains("detail"), "{text}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let config = LogConfig { format: LogFormat::Json, filter: "info".into() };
        let text = logged(&config, || {
            tracing::info!(outcome = "accepted", "wake");
            tracing::info!("two\nlines");
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.lines().all(|l| l.starts_with('{') && l.ends_with('}')), "{text}");
        assert!(text.contains(r#""outcome":"accepted""#), "{text}");
    }

    #[test]
    fn a_wrong_filter_is_an_error_that_shows_it() {
        let config = LogConfig { filter: "acs_files=loud".into(), ..LogConfig::default() };
        let error = lines::<Registry, _>(&config, io::sink, false).err().unwrap().to_string();
        assert!(error.contains("`acs_files=loud` is not a log filter"), "{error}");
    }
}
