//! A user: a home folder, a kubeconfig, and our program in `PATH`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Command;

use super::said::Said;
use super::setting::Scenery;
use crate::testbed::command;

/// The programs that every user has.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Our program, as it was just built.
    pub vcluster: PathBuf,
    /// A folder with kubectl and helm.
    pub bin: PathBuf,
    /// What they make virtual clusters with.
    pub scenery: Arc<Scenery>,
}

/// A user with a home of their own. Nothing of the developer's environment gets in.
#[derive(Debug, Clone)]
pub struct Home {
    dir: PathBuf,
    tools: Tools,
    transcript: Arc<Mutex<String>>,
}

impl Home {
    /// Makes the folder `dir`, with a copy of `kubeconfig` in it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn make(dir: PathBuf, kubeconfig: &Path, tools: &Tools) -> Result<Self> {
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let home = Self { dir, tools: tools.clone(), transcript: Arc::default() };
        std::fs::copy(kubeconfig, home.kubeconfig())
            .with_context(|| format!("cannot copy {}", kubeconfig.display()))?;
        Ok(home)
    }

    /// The user's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }

    /// A file in the home folder, which is also where commands are run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a file into the home folder and returns its path as an argument.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.path(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.display().to_string())
    }

    /// A program as this user runs it.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = command(program);
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.tools.bin.display());
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", &self.dir)
            .env("KUBECONFIG", self.kubeconfig());
        command.current_dir(&self.dir);
        command
    }

    /// Our program as this user runs it. What it creates is made as the setting wants it.
    pub fn vcluster(&self, args: &[&str]) -> Command {
        let mut command = self.command(&self.tools.vcluster);
        match args {
            ["create", rest @ ..] => {
                let name = rest.iter().find(|word| !word.starts_with('-')).unwrap_or(&"");
                // Before the rest, which may end the options with `--`.
                command.arg("create").args(self.tools.scenery.arguments(name)).args(rest)
            }
            _ => command.args(args),
        };
        command
    }

    /// Runs our program to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn run(&self, args: &[&str]) -> Result<Said> {
        self.hear(&mut self.vcluster(args)).await
    }

    /// Runs a prepared command to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn hear(&self, command: &mut Command) -> Result<Said> {
        let line = shown(command);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.with_context(|| format!("cannot start `{line}`"))?;
        let output = child.wait_with_output().await?;
        let said = Said {
            line,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        let mut transcript = self.transcript.lock().unwrap_or_else(PoisonError::into_inner);
        transcript.push_str(&format!("{said}\n\n"));
        Ok(said)
    }

    /// What `vcluster list` says of a namespace.
    ///
    /// # Errors
    /// When it fails.
    pub async fn listed(&self, namespace: &str) -> Result<Vec<Value>> {
        let said = self.run(&["list", "-n", namespace, "--output", "json"]).await?.succeeds()?;
        Ok(serde_json::from_str(&said.stdout)?)
    }

    /// The current context of the kubeconfig.
    ///
    /// # Errors
    /// When kubectl cannot read it.
    pub async fn context(&self) -> Result<String> {
        let mut kubectl = self.command("kubectl");
        let said = self.hear(kubectl.args(["config", "current-context"])).await?.succeeds()?;
        Ok(said.stdout.trim().to_owned())
    }

    /// The forwarders that this user's commands left behind and that still run.
    pub fn forwarders(&self) -> Vec<Forwarder> {
        let folder = self.path(".local/state/vcluster/forwarders");
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
            .filter_map(|entry| {
                serde_json::from_slice::<Value>(&std::fs::read(entry.path()).ok()?).ok()
            })
            .filter_map(|state| {
                let pid = i32::try_from(state.get("pid")?.as_i64()?).ok()?;
                let port = u16::try_from(state.get("port")?.as_u64()?).ok()?;
                Some(Forwarder { pid, port })
            })
            .filter(|forwarder| self.started(forwarder.pid))
            .collect()
    }

    /// Ends what this user's commands left behind. Says how many there were.
    pub fn leave(&self) -> usize {
        let forwarders = self.forwarders();
        for forwarder in &forwarders {
            if let Some(pid) = Pid::from_raw(forwarder.pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        forwarders.len()
    }

    /// What this user ran, and what was answered.
    pub fn transcript(&self) -> String {
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a process lives that was started in this home; an id alone may by now be another process.
    fn started(&self, pid: i32) -> bool {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mark = format!("HOME={}", self.dir.display());
        environment.split(|byte| *byte == 0).any(|line| line == mark.as_bytes())
    }
}

/// A forwarder that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarder {
    /// Its process.
    pub pid: i32,
    /// The port that it listens on.
    pub port: u16,
}

fn shown(command: &Command) -> String {
    let command = command.as_std();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
