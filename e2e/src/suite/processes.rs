//! The processes of containers: the bed's nodes share this machine's kernel, so they can be stopped and killed here.

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::space::text;

/// Sends a signal to the processes of one container of a pod, and says how many there were.
///
/// # Errors
/// When the container has none.
pub fn signal(pod: &Value, container: &str, signal: Signal) -> Result<usize> {
    let pids = of_container(pod, container)?;
    for pid in &pids {
        // One that ended meanwhile needs no signal.
        let _ = kill_process(*pid, signal);
    }
    Ok(pids.len())
}

/// The processes of one container of a pod.
///
/// # Errors
/// When it does not run.
pub fn of_container(pod: &Value, container: &str) -> Result<Vec<Pid>> {
    let name = text(pod, "/metadata/name");
    let statuses = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
        .into_iter()
        .filter_map(|list| pod.get("status")?.get(list)?.as_array())
        .flatten();
    let id = statuses
        .clone()
        .find(|status| text(status, "/name") == container)
        .and_then(|status| text(status, "/containerID").split_once("//"))
        .map(|(_, id)| id)
        .with_context(|| format!("pod {name} has no container {container} that was started"))?;
    let pids: Vec<Pid> = std::fs::read_dir("/proc")
        .context("cannot read /proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
                .is_ok_and(|cgroups| cgroups.contains(id))
        })
        .filter_map(Pid::from_raw)
        .collect();
    ensure!(!pids.is_empty(), "container {container} of pod {name} has no process");
    Ok(pids)
}
