//! What was checked, how it ended and how long it took.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::suite::Tally;

/// The report.
pub struct Report {
    began: Instant,
    lines: Vec<Line>,
    passed: usize,
    failed: usize,
}

struct Line {
    name: String,
    took: Duration,
    fine: bool,
    notes: Vec<String>,
}

impl Default for Report {
    fn default() -> Self {
        Self { began: Instant::now(), lines: Vec::new(), passed: 0, failed: 0 }
    }
}

impl Report {
    /// Makes a check that holds or does not. Says which.
    pub async fn check(&mut self, name: &str, work: impl Future<Output = Result<()>>) -> bool {
        self.give(name, work).await.is_some()
    }

    /// Makes a check that gives something to go on with.
    pub async fn give<T>(
        &mut self,
        name: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Option<T> {
        let (outcome, took) = timed(name, work).await;
        self.passed += usize::from(outcome.is_ok());
        self.failed += usize::from(outcome.is_err());
        self.note(name, took, outcome.is_ok(), Vec::new());
        outcome.ok()
    }

    /// Makes a check that consists of many.
    pub async fn count(&mut self, name: &str, work: impl Future<Output = Result<Tally>>) {
        let (outcome, took) = timed(name, work).await;
        let whole = || Tally { passed: 0, failed: vec![name.to_owned()] };
        let tally = outcome.unwrap_or_else(|_| whole());
        let failed = tally.failed.len();
        self.passed += tally.passed;
        self.failed += failed;
        let mut notes = vec![format!("{} passed, {failed} failed", tally.passed)];
        notes.extend(tally.failed);
        self.note(name, took, failed == 0, notes);
    }

    /// Shows it all; the last line is for machines.
    pub fn close(self) -> ExitCode {
        say("\n==> summary");
        for Line { name, took, fine, notes } in &self.lines {
            let word = if *fine { "ok" } else { "FAILED" };
            let line = format!("{word:>8}  {:>7.1} s  {name}  ", took.as_secs_f64());
            say(&format!("{line}{}", notes.join("\n                       ")));
        }
        say(&format!("          {:>7.1} s  in all", self.began.elapsed().as_secs_f64()));
        say(&format!("{} passed, {} failed", self.passed, self.failed));
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn note(&mut self, name: &str, took: Duration, fine: bool, notes: Vec<String>) {
        self.lines.push(Line { name: name.to_owned(), took, fine, notes });
    }
}

async fn timed<T>(name: &str, work: impl Future<Output = Result<T>>) -> (Result<T>, Duration) {
    say(&format!("\n==> {name}"));
    let began = Instant::now();
    let outcome = work.await;
    if let Err(error) = &outcome {
        say(&format!("FAILED: {name}: {error:#}"));
    }
    (outcome, began.elapsed())
}

/// A reader that went away is no reason to stop before everything is taken down.
pub fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
