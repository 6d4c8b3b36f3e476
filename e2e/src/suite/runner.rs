//! Runs promises, several at a time where they allow it.

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use futures::FutureExt as _;
use futures::stream::{self, StreamExt as _};
use tokio::sync::watch;

use super::evidence;
use super::promise::{Company, Promise};
use super::world::{self, Stage, World};

/// A promise that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// The same for those that take long on purpose.
const LONG_LIMIT: Duration = Duration::from_secs(90 * 60);

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many promises or tests held.
    pub passed: usize,
    /// The names of those that did not.
    pub failed: Vec<String>,
}

impl Tally {
    /// Adds how one ended.
    pub fn count(&mut self, name: &str, passed: bool) {
        if passed { self.passed += 1 } else { self.failed.push(name.to_owned()) }
    }

    /// Adds another run.
    pub fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
    }
}

/// Runs the promises, prints a line for each, and leaves what is known about those that fail in `evidence`.
///
/// Ctrl-C ends the run; what was made is removed all the same, and what was not tried counts as failed.
pub async fn run(stage: &Arc<Stage>, promises: &[Promise], jobs: usize, evidence: &Path) -> Tally {
    let (stop, stopped) = watch::channel(false);
    let watcher = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            say("interrupted; cleaning up");
            stop.send_replace(true);
        }
        // The channel stays open as long as promises run.
        std::future::pending::<()>().await;
    });
    let runner = Runner { stage: Arc::clone(stage), stopped, evidence: evidence.to_owned() };
    let (company, alone): (Vec<_>, Vec<_>) =
        promises.iter().partition(|promise| promise.company == Company::Any);
    let mut tally = Tally::default();
    for (promises, jobs) in [(company, jobs.max(1)), (alone, 1)] {
        let mut ended = stream::iter(promises)
            .map(|promise: &Promise| async { (promise.name, runner.attempt(promise).await) })
            .buffer_unordered(jobs);
        while let Some((name, kept)) = ended.next().await {
            tally.count(name, kept);
        }
    }
    if let Some(common) = stage.common()
        && let Err(error) = world::delete(common).await
    {
        say(&format!("the shared virtual cluster was not cleaned up: {error:#}"));
    }
    watcher.abort();
    tally
}

struct Runner {
    stage: Arc<Stage>,
    stopped: watch::Receiver<bool>,
    evidence: PathBuf,
}

impl Runner {
    /// Tries one promise, and says whether it held.
    async fn attempt(&self, promise: &Promise) -> bool {
        if *self.stopped.borrow() {
            return false;
        }
        let began = Instant::now();
        let world = World::new(Arc::clone(&self.stage));
        let outcome = self.limited(promise, world.clone()).await;
        let took = began.elapsed().as_secs_f64();
        let mut problem = outcome.err().map(|error| format!("{error:#}"));
        let mut seen = String::new();
        if problem.is_some() && !*self.stopped.borrow() {
            seen = evidence::collect(&world, &self.stage, &self.evidence.join(promise.name)).await;
        }
        let left = world.clean_up().await;
        if !left.is_empty() && !*self.stopped.borrow() {
            let lines = left.join("\n");
            problem =
                Some(problem.map_or_else(|| lines.clone(), |first| format!("{first}\n{lines}")));
        }
        let name = format!("[{}] {}", self.stage.setting(), promise.name);
        match &problem {
            None => say(&format!("ok      {name} ({took:.1} s)")),
            Some(problem) => say(&format!(
                "FAILED  {name} ({took:.1} s)\n        promised: {}\n{}\n{seen}",
                promise.about,
                indented(problem)
            )),
        }
        problem.is_none()
    }

    async fn limited(&self, promise: &Promise, world: World) -> Result<()> {
        let limit = if promise.company.takes_long() { LONG_LIMIT } else { LIMIT };
        let mut stopped = self.stopped.clone();
        tokio::select! {
            done = AssertUnwindSafe((promise.run)(world)).catch_unwind() => {
                done.unwrap_or_else(|panic| Err(anyhow!("it panicked: {}", words(panic.as_ref()))))
            }
            () = tokio::time::sleep(limit) => bail!("it did not end within {} s", limit.as_secs()),
            _ = stopped.wait_for(|stopped| *stopped) => bail!("interrupted"),
        }
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("        {line}\n")).collect()
}

/// A reader that went away is no reason to stop before everything is cleaned up.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{}", line.trim_end());
}
