//! The bed's processes by name: stopped, started, and started again when they end, as an init system does.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Error, Result};

use super::processes::{Process, Processes};
use super::progress::Progress;
use super::{Signal, TestBed};

/// How soon a process that ended is started again.
const PERIOD: Duration = Duration::from_secs(1);

impl TestBed {
    /// Sends a signal to a process of the bed (`kube-apiserver`, `kubelet-node1`, ...).
    ///
    /// # Errors
    /// When the bed has no process of that name.
    pub fn signal(&self, component: &str, signal: Signal) -> Result<()> {
        self.process(component)?.signal(signal);
        Ok(())
    }

    /// Kills a process of the bed and starts it again as it was.
    ///
    /// # Errors
    /// When the bed has no process of that name, or it does not start.
    pub async fn restart(&self, component: &str) -> Result<()> {
        self.stop(component).await?;
        self.start(component)
    }

    /// Kills a process of the bed, which then is not to run, and waits for its end.
    ///
    /// # Errors
    /// When the bed has no process of that name.
    pub async fn stop(&self, component: &str) -> Result<()> {
        Processes::of(&self.layout).stop(component).await
    }

    /// Starts a process of the bed as it was, if it has ended.
    ///
    /// # Errors
    /// When the bed has no process of that name, or it does not start.
    pub fn start(&self, component: &str) -> Result<()> {
        Processes::of(&self.layout).start_ended(component)
    }

    /// Does `work`, and meanwhile starts again what ends of the bed by itself: a host has an init system.
    ///
    /// # Errors
    /// When a process cannot be started. `work` is given up then.
    pub async fn supervised<T>(
        &self,
        progress: &Progress,
        work: impl Future<Output = T>,
    ) -> Result<T> {
        let processes = Processes::of(&self.layout);
        tokio::select! {
            done = work => Ok(done),
            failed = processes.supervise(progress) => Err(failed),
        }
    }

    /// A process of the bed, for its id and arguments.
    ///
    /// # Errors
    /// When there is none of that name; the message names those there are.
    pub fn process(&self, component: &str) -> Result<Process> {
        Processes::of(&self.layout).find(component)
    }

    /// The log file of a process.
    ///
    /// # Errors
    /// When the bed has no process of that name.
    pub fn log(&self, component: &str) -> Result<PathBuf> {
        let processes = Processes::of(&self.layout);
        Ok(processes.log(&processes.find(component)?.spec.name))
    }
}

impl Processes {
    /// Starts again all that ended or was stopped. Returns how many did.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn revive(&self, progress: &Progress) -> Result<usize> {
        self.revive_those(progress, |_| true)
    }

    /// Starts again what ends by itself, for as long as it is polled. Returns why one cannot be started.
    pub async fn supervise(&self, progress: &Progress) -> Error {
        loop {
            tokio::time::sleep(PERIOD).await;
            if let Err(error) = self.revive_those(progress, |process| process.wanted) {
                return error;
            }
        }
    }

    /// Starts a process again as it was, if it has ended.
    ///
    /// # Errors
    /// When there is none of that name, or it cannot be started.
    pub fn start_ended(&self, name: &str) -> Result<()> {
        // One at a time looks whether it has ended.
        let _lock = self.starting()?;
        let process = self.find(name)?;
        if !process.alive() {
            self.start(process.spec)?;
        }
        Ok(())
    }

    fn revive_those(&self, progress: &Progress, which: impl Fn(&Process) -> bool) -> Result<usize> {
        // What is stopped meanwhile waits until it is looked at no more.
        let _lock = self.starting()?;
        let ended = self.all().into_iter().filter(|process| which(process) && !process.alive());
        let mut count = 0;
        for process in ended {
            let name = &process.spec.name;
            progress
                .note(&format!("{name} had ended; starting it again. {}", self.end_of_log(name)));
            self.start(process.spec)?;
            count += 1;
        }
        Ok(count)
    }
}
