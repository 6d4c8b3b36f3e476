//! What is known about a forwarder between two runs.
//!
//! Its process holds a lock on one file as long as it lives, whatever ends it, so a process id is never trusted that
//! was given to another process meanwhile.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{CliError, Result};

/// Where a running forwarder listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its process.
    pub pid: u32,
    /// Version of the program that it runs.
    pub version: String,
    /// Name of the virtual cluster.
    pub name: String,
    /// Its host namespace.
    pub namespace: String,
    /// Context of its host.
    pub context: String,
    /// Address that it listens on.
    pub address: IpAddr,
    /// Port that it listens on.
    pub port: u16,
    /// The only pod that it forwards to, when one was asked for.
    pub pod: Option<String>,
}

/// Names the files of one forwarder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    base: PathBuf,
}

impl Key {
    /// The same virtual cluster seen through another context has another forwarder, since it may have other rights.
    pub fn new(state_dir: &Path, server: &str, context: &str, namespace: &str, name: &str) -> Self {
        let identity = [server, context, namespace, name].join("\n");
        let digest = Sha256::digest(identity.as_bytes());
        let hash: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        Self { base: state_dir.join("forwarders").join(format!("{name}_{namespace}_{hash}")) }
    }

    /// From the path that the parent hands to the process.
    pub fn from_base(base: PathBuf) -> Self {
        Self { base }
    }

    /// The path that all file names of this forwarder start with.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// `NAME_NAMESPACE_HASH.extension`.
    fn file(&self, extension: &str) -> PathBuf {
        let mut path = self.base.clone().into_os_string();
        path.push(".");
        path.push(extension);
        path.into()
    }

    /// Its log.
    pub fn log(&self) -> PathBuf {
        self.file("log")
    }

    fn state(&self) -> PathBuf {
        self.file("json")
    }

    fn lock_file(&self) -> PathBuf {
        self.file("lock")
    }

    /// Makes the folder, readable by the owner only.
    pub fn make_folder(&self) -> std::io::Result<()> {
        let Some(folder) = self.base.parent() else { return Ok(()) };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)
    }

    /// The state, if the process that wrote it still lives.
    pub fn running(&self) -> Option<State> {
        // Read first: a probe of the lock could get in the way of a process that is just taking it.
        let state = self.read()?;
        let lock = File::open(self.lock_file()).ok()?;
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => self.read().filter(|again| *again == state),
            _ => None,
        }
    }

    /// The port of the last forwarder, which is taken again when it is free so that old kubeconfigs stay right.
    pub fn last_port(&self) -> Option<u16> {
        let text = fs::read_to_string(self.file("port")).ok()?;
        text.trim().parse().ok()
    }

    /// Says that this process is the forwarder, for as long as the returned file is open. None: another one is.
    ///
    /// # Errors
    /// When the state folder cannot be used.
    pub fn become_it(&self) -> Result<Option<File>> {
        let fail = |error: &dyn std::fmt::Display| {
            CliError::failed(format!("cannot use {}", self.lock_file().display()))
                .because(error.to_string())
        };
        self.make_folder().map_err(|error| fail(&error))?;
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.lock_file())
            .map_err(|error| fail(&error))?;
        match file.try_lock() {
            Ok(()) => {
                // Whatever a dead one left must not be taken for ours.
                let _ = fs::remove_file(self.state());
                Ok(Some(file))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(fail(&error)),
        }
    }

    /// Publishes the state at once and whole.
    ///
    /// # Errors
    /// When the state folder cannot be written.
    pub fn publish(&self, state: &State) -> Result<()> {
        let write = || -> std::io::Result<()> {
            let folder = self.base.parent().unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec(state)?)?;
            file.persist(self.state()).map_err(|error| error.error)?;
            fs::write(self.file("port"), state.port.to_string())
        };
        write().map_err(|error| {
            CliError::failed(format!("cannot write {}", self.state().display())).cause(&error)
        })
    }

    /// Removes the state of a forwarder that ended. Its port is remembered.
    pub fn forget(&self) {
        let _ = fs::remove_file(self.state());
    }

    /// Removes everything, when the virtual cluster is gone too.
    pub fn forget_all(&self) {
        for path in [self.state(), self.file("port"), self.log(), self.lock_file()] {
            let _ = fs::remove_file(path);
        }
    }

    /// The end of the log, for an error message.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines.get(lines.len().saturating_sub(4)..).unwrap_or_default();
        last.join("\n").replace("error: ", "").replace("cause: ", "")
    }

    fn read(&self) -> Option<State> {
        serde_json::from_slice(&fs::read(self.state()).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(dir: &Path) -> Key {
        Key::new(dir, "https://host", "kind", "ns", "a")
    }

    fn state() -> State {
        State {
            pid: 1,
            version: "0".into(),
            name: "a".into(),
            namespace: "ns".into(),
            context: "kind".into(),
            address: IpAddr::from([127, 0, 0, 1]),
            port: 10_400,
            pod: None,
        }
    }

    #[test]
    fn a_state_counts_only_while_its_process_lives() {
        let dir = tempfile::tempdir().unwrap();
        let key = key(dir.path());
        let lock = key.become_it().unwrap().unwrap();
        assert_eq!(key.running(), None, "nothing is published yet");
        key.publish(&state()).unwrap();
        assert_eq!(key.running(), Some(state()));
        assert!(key.become_it().unwrap().is_none(), "there is one already");
        drop(lock);
        assert_eq!(key.running(), None);
        assert_eq!(key.last_port(), Some(10_400));
        assert!(key.become_it().unwrap().is_some());
    }

    #[test]
    fn a_torn_state_is_no_state() {
        let dir = tempfile::tempdir().unwrap();
        let key = key(dir.path());
        let _lock = key.become_it().unwrap().unwrap();
        fs::write(key.state(), "{\"pid\": 1,").unwrap();
        assert_eq!(key.running(), None);
    }

    #[test]
    fn keys_differ_by_every_part() {
        let dir = Path::new("/s");
        let keys = [
            Key::new(dir, "s", "c", "n", "a"),
            Key::new(dir, "t", "c", "n", "a"),
            Key::new(dir, "s", "d", "n", "a"),
            Key::new(dir, "s", "c", "m", "a"),
            Key::new(dir, "s", "c", "n", "b"),
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!(keys.iter().skip(index + 1).all(|other| other != one));
        }
    }
}
