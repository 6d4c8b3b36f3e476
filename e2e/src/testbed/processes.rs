//! The bed's long-lived processes: started detached, written down, found again by later commands.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde::{Deserialize, Serialize};

use super::command::tail;
use super::layout::Layout;
use super::lock;
use super::network;
use super::wait::until;

/// Set in the environment of every process of a bed, to the bed's prefix.
pub const MARK: &str = "VCLUSTER_TESTBED";

/// How a process is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// Its name in `status` and `logs`.
    pub name: String,
    /// The network namespace it runs in.
    pub netns: String,
    /// Program and arguments.
    pub argv: Vec<String>,
}

/// A process as it was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Process {
    /// How it was started.
    pub spec: Spec,
    /// Its process id.
    pub pid: i32,
    /// When it started, in clock ticks since the machine's boot. An id alone may by now be another process.
    started: u64,
    /// Whether it is to run: not after [`Processes::stop`].
    pub wanted: bool,
}

/// The processes of one bed.
#[derive(Debug, Clone)]
pub struct Processes {
    records: PathBuf,
    logs: PathBuf,
    mark: String,
}

impl Processes {
    /// The processes of the bed with this layout.
    pub fn of(layout: &Layout) -> Self {
        Self { records: layout.processes(), logs: layout.logs(), mark: layout.prefix() }
    }

    /// Starts a process that lives on when this one ends.
    ///
    /// # Errors
    /// When the program cannot be started or its record not written.
    pub fn start(&self, spec: Spec) -> Result<Process> {
        std::fs::create_dir_all(&self.records)?;
        std::fs::create_dir_all(&self.logs)?;
        let path = self.log(&spec.name);
        let log = OpenOptions::new().create(true).append(true).open(&path)?;
        let (program, args) = spec.argv.split_first().context("a process without a program")?;
        let mut command = Command::new(program);
        command
            .args(args)
            .env(MARK, &self.mark)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // A group of its own: Ctrl-C at the terminal is not meant for it.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = network::inside(&spec.netns, || {
            command.spawn().with_context(|| format!("cannot start {program}"))
        })?;
        let pid = i32::try_from(child.id())?;
        let started = start_time(pid)
            .with_context(|| format!("{} ended at once; see {}", spec.name, path.display()))?;
        let process = Process { spec, pid, started, wanted: true };
        self.write_down(&process)?;
        Ok(process)
    }

    /// Kills a process, which then is not to run, and waits for its end.
    ///
    /// # Errors
    /// When there is none of that name, or it does not end.
    pub async fn stop(&self, name: &str) -> Result<()> {
        let process = {
            let _lock = self.starting()?;
            let mut process = self.find(name)?;
            process.wanted = false;
            self.write_down(&process)?;
            process
        };
        process.stop(Signal::KILL, Duration::from_secs(10)).await
    }

    /// Keeps others from starting processes of the bed, and from saying that one is not to run, for as long as the file
    /// is open.
    ///
    /// # Errors
    /// When the lock's file cannot be made.
    pub fn starting(&self) -> Result<File> {
        lock::exclusive(&self.records.join("starting.lock"))
    }

    fn write_down(&self, process: &Process) -> Result<()> {
        let record = self.records.join(format!("{}.json", process.spec.name));
        let fresh = record.with_extension("new");
        std::fs::write(&fresh, serde_json::to_vec(process)?)?;
        std::fs::rename(&fresh, &record)
            .with_context(|| format!("cannot write {}", record.display()))
    }

    /// All processes that were started and not stopped since, by name.
    pub fn all(&self) -> Vec<Process> {
        let Ok(entries) = std::fs::read_dir(&self.records) else { return Vec::new() };
        let mut all: Vec<Process> = entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
            .filter_map(|entry| serde_json::from_slice(&std::fs::read(entry.path()).ok()?).ok())
            .collect();
        all.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        all
    }

    /// The process called `name`.
    ///
    /// # Errors
    /// When there is none; the message names those there are.
    pub fn find(&self, name: &str) -> Result<Process> {
        let all = self.all();
        let names: Vec<String> = all.iter().map(|process| process.spec.name.clone()).collect();
        all.into_iter().find(|process| process.spec.name == name).with_context(|| {
            format!("no process is called {name}; there are: {}", names.join(", "))
        })
    }

    /// Where a process writes its log.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// Waits until `ready`, but not longer than the process lives.
    ///
    /// # Errors
    /// When the process ends or `limit` passes; the end of its log is in the message.
    pub async fn ready<F: Future<Output = Result<bool>>>(
        &self,
        process: &Process,
        limit: Duration,
        mut ready: impl FnMut() -> F,
    ) -> Result<()> {
        let name = &process.spec.name;
        let died = || bail!("{name} ended");
        until(name, limit, || {
            let alive = process.alive();
            let asked = ready();
            async move { if alive { asked.await } else { Ok(true) } }
        })
        .await
        .and_then(|()| if process.alive() { Ok(()) } else { died() })
        .with_context(|| self.end_of_log(name))
    }

    /// What a process said last.
    pub fn end_of_log(&self, name: &str) -> String {
        let log = self.log(name);
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        format!("the end of {}:\n{}", log.display(), tail(&said, 15))
    }
}

impl Process {
    /// Whether this very process still runs.
    pub fn alive(&self) -> bool {
        // A child of ours that ended stays a zombie until somebody asks for it.
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
        start_time(self.pid) == Some(self.started)
    }

    /// Sends a signal, if this very process still runs.
    pub fn signal(&self, signal: Signal) {
        if self.alive() {
            kill(self.pid, signal);
        }
    }

    /// Sends `signal` and waits until the process is gone.
    ///
    /// # Errors
    /// When it is still there after `limit`.
    pub async fn stop(&self, signal: Signal, limit: Duration) -> Result<()> {
        self.signal(signal);
        until(&format!("the end of {}", self.spec.name), limit, || async { Ok(!self.alive()) })
            .await
    }
}

/// Sends a signal. A process that is gone is no error.
pub fn kill(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// When the process started, or nothing when it is gone or a zombie.
pub fn start_time(pid: i32) -> Option<u64> {
    parse_start_time(
        &std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?,
    )
}

/// `proc_pid_stat(5)`: field 3 is the state, field 22 the start time. Field 2 is a name that may hold anything.
fn parse_start_time(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_time_is_read_past_any_name() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 7777 1 2 3";
        assert_eq!(parse_start_time(stat), Some(7777));
        assert_eq!(parse_start_time(&stat.replace(" S ", " Z ")), None);
        assert!(start_time(i32::try_from(std::process::id()).unwrap()).is_some());
    }
}
