//! An orderly end: first everybody is asked to stop, then nobody waits any longer.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tells the rooms of the syncer to stop, and how long they have for it.
///
/// [`Shutdown::asked`] fires at SIGTERM, SIGINT or [`Shutdown::begin`]: take no new work, finish what is in flight.
/// [`Shutdown::overdue`] fires when the grace period is over or at a second signal: drop everything.
#[derive(Clone, Debug)]
pub struct Shutdown {
    asked: CancellationToken,
    overdue: CancellationToken,
    grace: Duration,
}

impl Shutdown {
    /// A shutdown that only [`Shutdown::begin`] starts. `grace` is the time between asking and giving up.
    pub fn new(grace: Duration) -> Self {
        Shutdown { asked: CancellationToken::new(), overdue: CancellationToken::new(), grace }
    }

    /// A shutdown that SIGTERM and SIGINT start.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub fn on_signals(grace: Duration) -> io::Result<Self> {
        let shutdown = Shutdown::new(grace);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let me = shutdown.clone();
        tokio::spawn(async move {
            for already in [false, true] {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if already {
                    tracing::warn!(signal = name, "second signal, stopping at once");
                    me.overdue.cancel();
                } else {
                    tracing::info!(signal = name, grace = ?me.grace, "stopping");
                    me.begin();
                }
            }
        });
        Ok(shutdown)
    }

    /// Starts the shutdown. More calls change nothing.
    pub fn begin(&self) {
        if self.asked.is_cancelled() {
            return;
        }
        self.asked.cancel();
        let (overdue, grace) = (self.overdue.clone(), self.grace);
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(grace) => overdue.cancel(),
                () = overdue.cancelled() => {}
            }
        });
    }

    /// Fires when no new work should be taken.
    pub fn asked(&self) -> &CancellationToken {
        &self.asked
    }

    /// Fires when whatever still runs should be dropped.
    pub fn overdue(&self) -> &CancellationToken {
        &self.overdue
    }

    /// Waits for the tasks that were told to stop. Answers how many were still running when the time was over.
    pub async fn finish(&self, tasks: &TaskTracker) -> usize {
        tasks.close();
        self.within_grace(tasks.wait()).await;
        tasks.len()
    }

    /// Runs `work` until it is done or the time is over.
    pub async fn within_grace<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.overdue.run_until_cancelled(work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tasks_that_stop_in_time_leave_nothing_behind() {
        let shutdown = Shutdown::new(Duration::from_secs(5));
        let tasks = TaskTracker::new();
        let asked = shutdown.asked().clone();
        tasks.spawn(async move { asked.cancelled().await });
        shutdown.begin();
        assert_eq!(shutdown.finish(&tasks).await, 0);
        assert!(!shutdown.overdue().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_hangs_is_given_up_after_the_grace_period() {
        let shutdown = Shutdown::new(Duration::from_secs(5));
        let tasks = TaskTracker::new();
        tasks.spawn(std::future::pending::<()>());
        let began = tokio::time::Instant::now();
        shutdown.begin();
        assert_eq!(shutdown.finish(&tasks).await, 1);
        assert_eq!(began.elapsed(), Duration::from_secs(5));
    }
}
