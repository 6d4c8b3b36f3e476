//! Ends a bed: processes, mounts, namespaces, cgroups and files, whatever state it is in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::Signal;

use super::cgroups;
use super::layout::{Layout, MOST_NODES};
use super::network;
use super::nodes::pod_network_name;
use super::processes::{self, Processes};
use super::wait::until;

/// Where the CNI library keeps results; there is no setting for it.
const CNI_RESULTS: &str = "/var/lib/cni/results";
/// Where the kubelet links containers' logs; there is no setting for it.
const LOG_LINKS: &str = "/var/log/containers";

/// Removes everything of the bed. What is not there is no error.
///
/// # Errors
/// When something is still there afterwards; the message says what.
pub async fn down(layout: &Layout) -> Result<()> {
    let all = Processes::of(layout).all();
    for process in &all {
        // Nothing of a bed is worth a graceful end: its store goes too.
        process.signal(Signal::KILL);
    }
    for process in &all {
        process.stop(Signal::KILL, Duration::from_secs(10)).await?;
    }
    let sockets = shim_sockets(layout);
    until("the end of all containers", Duration::from_secs(20), || async {
        let living = living(layout)?;
        for pid in &living {
            processes::kill(*pid, Signal::KILL);
        }
        Ok(living.is_empty())
    })
    .await?;
    for socket in sockets {
        let _ = std::fs::remove_file(socket);
    }
    for mount in mounts(layout)?.iter().rev() {
        unmount(mount, UnmountFlags::DETACH)
            .with_context(|| format!("cannot unmount {}", mount.display()))?;
    }
    network::remove(layout).await?;
    for name in cgroup_names(layout) {
        // A process that was killed leaves its cgroup a little later.
        until(&format!("the removal of cgroup {name}"), Duration::from_secs(10), || async {
            cgroups::remove(&name).map(|()| true)
        })
        .await?;
    }
    forget_network_results(layout);
    remove_log_links(layout);
    let state = layout.state().to_owned();
    tokio::task::spawn_blocking(move || remove_tree(&state))
        .await
        .context("the state was not removed")??;
    let left = leftovers(layout)?;
    if !left.is_empty() {
        bail!("still there:\n  {}", left.join("\n  "));
    }
    Ok(())
}

/// What is there of the bed: processes, mounts, namespaces, links, cgroups and files.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn leftovers(layout: &Layout) -> Result<Vec<String>> {
    let mut left: Vec<String> =
        living(layout)?.iter().map(|pid| format!("process {pid}")).collect();
    let running = Processes::of(layout).all().into_iter().filter(super::processes::Process::alive);
    left.extend(running.map(|process| format!("process {} ({})", process.pid, process.spec.name)));
    left.extend(mounts(layout)?.iter().map(|mount| format!("mount {}", mount.display())));
    left.extend(
        network::namespaces(layout).into_iter().map(|name| format!("network namespace {name}")),
    );
    let link = Path::new("/sys/class/net").join(layout.root_link());
    left.extend(link.exists().then(|| format!("link {}", layout.root_link())));
    left.extend(
        cgroup_names(layout)
            .into_iter()
            .filter(|name| cgroups::exists(name))
            .map(|name| format!("cgroup {name}")),
    );
    left.extend(layout.state().exists().then(|| format!("directory {}", layout.state().display())));
    Ok(left)
}

/// Processes of the bed that no record names: containers, which are in its cgroups, and the shims of its containerds.
fn living(layout: &Layout) -> Result<BTreeSet<i32>> {
    let mut found = BTreeSet::new();
    for name in cgroup_names(layout) {
        found.extend(cgroups::processes(&name)?);
    }
    found.extend(shims_in(layout.state())?);
    found.retain(|pid| processes::start_time(*pid).is_some());
    Ok(found)
}

/// The shims of containerds that have their state in `dir`: a shim names its containerd's socket among its arguments.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn shims_in(dir: &Path) -> Result<BTreeSet<i32>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir("/proc").context("cannot read /proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if is_shim_in(dir, &line) {
            found.insert(pid);
        }
    }
    Ok(found)
}

fn is_shim_in(dir: &Path, cmdline: &[u8]) -> bool {
    let line = String::from_utf8_lossy(cmdline);
    let mut words = line.split('\0');
    words.next().is_some_and(|program| program.ends_with("containerd-shim-runc-v2"))
        && words.any(|word| Path::new(word).starts_with(dir))
}

/// Shims listen outside of the bed's state, under names that are hashes.
fn shim_sockets(layout: &Layout) -> Vec<PathBuf> {
    let mut sockets = Vec::new();
    for number in 1..=MOST_NODES {
        let tasks = layout.node(number).dir.join("run/io.containerd.runtime.v2.task/k8s.io");
        for task in std::fs::read_dir(tasks).into_iter().flatten().flatten() {
            if let Ok(address) = std::fs::read_to_string(task.path().join("address")) {
                sockets.extend(address.trim().strip_prefix("unix://").map(PathBuf::from));
            }
        }
    }
    sockets
}

/// Mounts at or below the bed's state, outer ones first.
fn mounts(layout: &Layout) -> Result<Vec<PathBuf>> {
    let table =
        std::fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
    Ok(table
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        // The only characters of ours that the kernel could have escaped are spaces.
        .map(|path| PathBuf::from(path.replace("\\040", " ")))
        .filter(|path| path.starts_with(layout.state()))
        .collect())
}

fn cgroup_names(layout: &Layout) -> Vec<String> {
    (1..=MOST_NODES).map(|number| layout.node(number).netns).collect()
}

/// Results are called NETWORK-CONTAINER-INTERFACE; each container has one of the loopback network too.
fn forget_network_results(layout: &Layout) {
    let prefix = format!("{}-", pod_network_name(layout));
    for entry in std::fs::read_dir(CNI_RESULTS).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(&prefix)) else {
            continue;
        };
        if let Some((container, _)) = rest.split_once('-') {
            let _ = std::fs::remove_file(
                Path::new(CNI_RESULTS).join(format!("cni-loopback-{container}-lo")),
            );
        }
        let _ = std::fs::remove_file(entry.path());
    }
}

fn remove_log_links(layout: &Layout) {
    for entry in std::fs::read_dir(LOG_LINKS).into_iter().flatten().flatten() {
        if std::fs::read_link(entry.path()).is_ok_and(|target| target.starts_with(layout.state())) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn remove_tree(state: &Path) -> Result<()> {
    match std::fs::remove_dir_all(state) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", state.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shims_of_this_bed_are_taken() {
        let layout = Layout::new(0).unwrap();
        let shim = |socket: &str| {
            format!("/usr/bin/containerd-shim-runc-v2\0-namespace\0k8s.io\0-address\0{socket}\0")
        };
        let own = layout.node(1).containerd_socket().display().to_string();
        assert!(is_shim_in(layout.state(), shim(&own).as_bytes()));
        assert!(!is_shim_in(layout.state(), shim("/run/containerd/containerd.sock").as_bytes()));
        // Another bed's state has a path that begins with the same letters.
        let other = Layout::new(1).unwrap().node(1).containerd_socket().display().to_string();
        assert!(!is_shim_in(layout.state(), shim(&other).as_bytes()));
        assert!(!is_shim_in(layout.state(), format!("vi\0{own}\0").as_bytes()));
    }
}
