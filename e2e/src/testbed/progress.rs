//! Says what is being done: moving lines on a terminal, plain lines elsewhere.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Where steps are shown. All of it goes to standard error.
pub struct Progress {
    sink: Sink,
    started: Instant,
}

enum Sink {
    Terminal(MultiProgress),
    Lines,
    Silent,
}

impl Progress {
    /// Shows steps on standard error.
    pub fn new() -> Self {
        let sink = if std::io::stderr().is_terminal() {
            Sink::Terminal(MultiProgress::new())
        } else {
            Sink::Lines
        };
        Self { sink, started: Instant::now() }
    }

    /// Shows nothing.
    pub fn silent() -> Self {
        Self { sink: Sink::Silent, started: Instant::now() }
    }

    /// Time since this was made.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Does `work` as a step called `what`: says that it began, and how it ended.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn step<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let bar = self.begin(what);
        let began = Instant::now();
        let outcome = work.await;
        let word = if outcome.is_ok() { "done" } else { "FAILED" };
        self.end(bar, &format!("{word:>6}  {what} ({:.1} s)", began.elapsed().as_secs_f64()));
        outcome
    }

    /// Says one thing.
    pub fn note(&self, line: &str) {
        self.end(None, &format!("  note  {line}"));
    }

    fn begin(&self, what: &str) -> Option<ProgressBar> {
        match &self.sink {
            Sink::Terminal(bars) => {
                let bar = bars.add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template("{spinner:>6}  {msg} {elapsed}") {
                    bar.set_style(style);
                }
                bar.set_message(what.to_owned());
                bar.enable_steady_tick(Duration::from_millis(120));
                Some(bar)
            }
            Sink::Lines => {
                say(&format!("   ...  {what}"));
                None
            }
            Sink::Silent => None,
        }
    }

    fn end(&self, bar: Option<ProgressBar>, line: &str) {
        match &self.sink {
            Sink::Terminal(bars) => {
                if let Some(bar) = bar {
                    bar.finish_and_clear();
                }
                bars.suspend(|| say(line));
            }
            Sink::Lines => say(line),
            Sink::Silent => {}
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// A reader that went away is no reason to stop half-way.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
