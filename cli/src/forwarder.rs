//! The small process that stays behind after `connect` and carries connections to a virtual cluster's API server.
//!
//! It listens on a port of this machine and opens, for each connection, a port-forward through the host's API server
//! to the control-plane pod. There is one per virtual cluster. A lock file says that it lives, a state file says where
//! it listens; both are in the state folder.

mod process;
mod serve;
mod state;
mod stream;
mod target;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::error::{CliError, Kind, Result};
use crate::host::Host;
use crate::kubeconfig::Files;

pub use process::detach;
pub use serve::{listen, serve};
pub use state::{Key, State};
pub use target::Target;

/// How long a forwarder may take to listen.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// How long a forwarder may take to end before it is made to.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// The forwarder that a command wants.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Name of the virtual cluster.
    pub name: String,
    /// Its host namespace.
    pub namespace: String,
    /// Context of its host.
    pub context: String,
    /// Address of the host's API server; part of what tells forwarders apart.
    pub server: String,
    /// Where the forwarder finds the context.
    pub files: Files,
    /// Address to listen on.
    pub address: IpAddr,
    /// Port to listen on; a free one when not given.
    pub port: Option<u16>,
    /// Forward to this pod only.
    pub pod: Option<String>,
    /// Folder for state and logs.
    pub state_dir: PathBuf,
    /// How much it logs.
    pub verbosity: u8,
}

impl Wanted {
    /// A forwarder on loopback for a virtual cluster of a host.
    pub fn new(host: &Host, name: &str, namespace: &str, state_dir: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            context: host.context.clone(),
            server: host.server.clone(),
            files: host.files.clone(),
            address: IpAddr::from([127, 0, 0, 1]),
            port: None,
            pod: None,
            state_dir,
            verbosity: 0,
        }
    }

    /// What tells this forwarder from others.
    pub fn key(&self) -> Key {
        Key::new(&self.state_dir, &self.server, &self.context, &self.namespace, &self.name)
    }

    fn is(&self, state: &State) -> bool {
        state.address == self.address
            && self.port.is_none_or(|port| port == state.port)
            && state.pod == self.pod
            && state.version == env!("CARGO_PKG_VERSION")
    }
}

/// Finds the forwarder or starts it; answers where it listens.
///
/// # Errors
/// When it cannot be started, with what it said; when the port is taken.
pub async fn ensure(wanted: &Wanted) -> Result<State> {
    let key = wanted.key();
    let mut prefer = key.last_port();
    if let Some(state) = key.running() {
        if wanted.is(&state) {
            return Ok(state);
        }
        prefer = Some(state.port);
        stop(&key).await?;
    }
    key.forget();
    let mut child = process::spawn(wanted, &key, prefer)?;
    let started = Instant::now();
    loop {
        if let Some(state) = key.running()
            && wanted.is(&state)
        {
            // It is on its own from here; nobody waits for it.
            return Ok(state);
        }
        if let Some(status) = child.try_wait().ok().flatten()
            && key.running().is_none()
        {
            let log = key.log_tail();
            let kind = if log.contains("in use") { Kind::Conflict } else { Kind::Failed };
            return Err(CliError::new(
                kind,
                format!("the forwarder of {} did not start", wanted.name),
            )
            .because(if log.is_empty() { status.to_string() } else { log })
            .hint(format!(
                "vcluster connect {} -n {} --background-proxy=false",
                wanted.name, wanted.namespace
            )));
        }
        if started.elapsed() > START_PATIENCE {
            return Err(CliError::new(
                Kind::Timeout,
                format!("the forwarder of {} did not start", wanted.name),
            )
            .because(format!("it does not listen after {} s", START_PATIENCE.as_secs()))
            .hint(format!("cat {}", key.log().display())));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Stops the forwarder, if there is one; says whether there was.
///
/// # Errors
/// When the process does not end.
pub async fn stop(key: &Key) -> Result<bool> {
    let Some(state) = key.running() else {
        key.forget();
        return Ok(false);
    };
    process::end(state.pid, false);
    let started = Instant::now();
    let mut forced = false;
    while key.running().is_some_and(|now| now.pid == state.pid) {
        if started.elapsed() > STOP_PATIENCE && !forced {
            process::end(state.pid, true);
            forced = true;
        }
        if started.elapsed() > STOP_PATIENCE * 2 {
            return Err(CliError::failed(format!(
                "the forwarder with process id {} does not end",
                state.pid
            ))
            .hint(format!("kill -9 {}", state.pid)));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    key.forget();
    Ok(true)
}
