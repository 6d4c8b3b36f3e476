//! Structured logs on stderr, and a level that can be changed while the syncer runs.

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, reload};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: one line, fields as `key=value`.
    #[default]
    Text,
    /// For log collectors: one JSON object a line.
    Json,
}

/// Why a level was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Neither a level nor filter directives.
    #[error(
        "{0:?} is neither a level (off, error, warn, info, debug, trace) nor a list of directives such as \
         `info,vcluster_syncer::kubelet=debug`"
    )]
    Level(String),
    /// The directives do not parse.
    #[error("log directives {directives:?} are not valid")]
    Directives {
        /// As they were given.
        directives: String,
        /// What the parser says.
        #[source]
        source: ParseError,
    },
    /// The subscriber is gone or there was one already.
    #[error("the log filter cannot be installed: {0}")]
    Install(String),
}

/// Changes the level of a running syncer.
#[derive(Clone)]
pub struct LogLevel {
    filter: reload::Handle<Targets, Registry>,
    directives: Arc<Mutex<String>>,
}

impl LogLevel {
    /// Makes `directives` (a level, or a list such as `info,vcluster_syncer::kubelet=debug`) the filter from now on.
    ///
    /// # Errors
    /// When they do not parse; the old filter stays.
    pub fn set(&self, directives: &str) -> Result<(), LogError> {
        let directives = directives.trim();
        let filter = parse(directives)?;
        self.filter.reload(filter).map_err(|error| LogError::Install(error.to_string()))?;
        *self.directives.lock().unwrap_or_else(PoisonError::into_inner) = directives.to_owned();
        Ok(())
    }

    /// The directives in force.
    pub fn current(&self) -> String {
        self.directives.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Installs the process's log output. Call it once.
///
/// # Errors
/// When `directives` do not parse or another subscriber is installed already.
pub fn init(format: LogFormat, directives: &str) -> Result<LogLevel, LogError> {
    let (subscriber, level) =
        subscriber(format, directives, std::io::stderr, std::io::stderr().is_terminal())?;
    subscriber.try_init().map_err(|error| LogError::Install(error.to_string()))?;
    Ok(level)
}

fn subscriber<W>(
    format: LogFormat,
    directives: &str,
    writer: W,
    colour: bool,
) -> Result<(impl Subscriber + Send + Sync, LogLevel), LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let directives = directives.trim();
    let (filter, handle) = reload::Layer::new(parse(directives)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(colour).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    let level =
        LogLevel { filter: handle, directives: Arc::new(Mutex::new(directives.to_owned())) };
    Ok((tracing_subscriber::registry().with(filter).with(lines), level))
}

/// A bare word must be a level: as a directive, a misspelt `debgu` would be the name of a module and turn all others
/// off. A bare `debug` speaks of the syncer, not of the HTTP library's every frame; `trace` is everything.
fn parse(directives: &str) -> Result<Targets, LogError> {
    let bare = directives.chars().all(|c| c.is_ascii_alphanumeric());
    if directives.is_empty() {
        return Err(LogError::Level(String::new()));
    }
    let expanded = match directives.parse::<LevelFilter>() {
        Ok(LevelFilter::DEBUG) => {
            "debug,hyper=info,hyper_util=info,rustls=info,tower=info,kube_client=off".to_owned()
        }
        // The client reports each failed request as an error of its own, although the caller judges and reports it.
        Ok(level @ (LevelFilter::INFO | LevelFilter::WARN | LevelFilter::ERROR)) => {
            format!("{level},kube_client=off")
        }
        Err(_) if bare => return Err(LogError::Level(directives.to_owned())),
        Ok(_) | Err(_) => directives.to_owned(),
    };
    expanded
        .parse::<Targets>()
        .map_err(|source| LogError::Directives { directives: directives.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Sink {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_level_can_be_changed_while_running() {
        let sink = Sink::default();
        let writer = sink.clone();
        let (subscriber, level) =
            subscriber(LogFormat::Text, "info", move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!("before");
            level.set(" debug\n").unwrap();
            tracing::debug!("after");
            level.set("warn").unwrap();
            tracing::info!("late");
        });
        assert!(!sink.text().contains("before"));
        assert!(sink.text().contains("after"));
        assert!(!sink.text().contains("late"));
        assert_eq!(level.current(), "warn");
    }

    #[test]
    fn json_lines_are_flat_objects() {
        let sink = Sink::default();
        let writer = sink.clone();
        let (subscriber, _level) =
            subscriber(LogFormat::Json, "info", move || writer.clone(), true).unwrap();
        tracing::subscriber::with_default(subscriber, || tracing::info!(node = "n1", "listening"));
        let line: vcluster_syncer_core::json::Value = serde_json::from_str(&sink.text()).unwrap();
        assert_eq!(line["message"], "listening");
        assert_eq!(line["node"], "n1");
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn nonsense_is_refused_and_the_old_filter_stays() {
        let (_subscriber, level) = subscriber(LogFormat::Text, "info", io::sink, false).unwrap();
        for bad in ["debgu", "", "a=b=c", "info,vcluster=loud"] {
            assert!(level.set(bad).is_err(), "{bad:?} was taken");
        }
        assert_eq!(level.current(), "info");
        level.set("info,vcluster_syncer::kubelet=debug").unwrap();
    }
}
