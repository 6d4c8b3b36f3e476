//! Starting and ending the forwarder's process.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use super::{Key, Wanted};
use crate::env_vars;
use crate::error::{CliError, Result};

/// Runs this program again as a forwarder. It leaves the terminal by itself and keeps nothing of ours open.
pub fn spawn(wanted: &Wanted, key: &Key, prefer: Option<u16>) -> Result<Child> {
    let fail = |error: &std::io::Error| {
        CliError::failed("cannot start the forwarder").because(error.to_string())
    };
    key.make_folder().map_err(|error| fail(&error))?;
    let log = File::create(key.log()).map_err(|error| fail(&error))?;
    let program = std::env::current_exe().map_err(|error| fail(&error))?;
    let files = std::env::join_paths(wanted.files.paths()).map_err(|error| {
        CliError::failed("cannot start the forwarder").because(error.to_string())
    })?;
    let mut command = Command::new(program);
    command
        .arg("forward")
        .arg(&wanted.name)
        .args(["--namespace", &wanted.namespace, "--context", &wanted.context])
        .args(["--address", &wanted.address.to_string()])
        .arg("--state")
        .arg(key.base())
        .args(["--log-output", "raw", "--verbose"])
        .env(env_vars::KUBECONFIG, files)
        .env_remove(env_vars::CI)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(|error| fail(&error))?)
        .stderr(log);
    if let Some(port) = wanted.port {
        command.args(["--local-port", &port.to_string()]);
    } else if let Some(port) = prefer {
        command.args(["--prefer-port", &port.to_string()]);
    }
    if let Some(pod) = &wanted.pod {
        command.args(["--pod", pod]);
    }
    for _ in 1..wanted.verbosity {
        command.arg("--verbose");
    }
    command.spawn().map_err(|error| fail(&error))
}

/// Leaves the session of the terminal, so that closing it or Ctrl-C in it does not end this process.
pub fn detach() {
    #[cfg(unix)]
    {
        // Refused only when this process leads a group already; then it has left.
        let _ = rustix::process::setsid();
        // A folder that is in use cannot be unmounted.
        let _ = std::env::set_current_dir("/");
    }
}

/// Asks a process to end, or makes it.
pub fn end(pid: u32, force: bool) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process};
        let signal = if force { Signal::KILL } else { Signal::TERM };
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // Gone already is as good.
            let _ = kill_process(pid, signal);
        }
    }
    #[cfg(not(unix))]
    {
        let mut command = Command::new("taskkill");
        command.args(["/PID", &pid.to_string()]);
        if force {
            command.arg("/F");
        }
        let _ = command.status();
    }
}
