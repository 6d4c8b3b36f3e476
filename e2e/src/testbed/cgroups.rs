//! The cgroups that kubelets put their pods under: one a node, in cgroup v1, v2 or both side by side.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Makes cgroup `name` in every mounted hierarchy.
///
/// # Errors
/// When a hierarchy cannot be written.
pub fn make(name: &str) -> Result<()> {
    for root in roots()? {
        let dir = root.join(name);
        std::fs::create_dir_all(&dir)
            .with_context(|| format!("cannot make cgroup {}", dir.display()))?;
        if root.join("cgroup.controllers").exists() {
            delegate(&root);
            delegate(&dir);
        }
        // v1 starts a cpuset empty, and then nothing can run in it.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if dir.join(file).exists() && !root.join("cgroup.controllers").exists() {
                let value = std::fs::read_to_string(root.join(file))?;
                std::fs::write(dir.join(file), value.trim())
                    .with_context(|| format!("cannot set {file} of {name}"))?;
            }
        }
    }
    Ok(())
}

/// Processes in any cgroup at or below `name`.
///
/// # Errors
/// When the list of mounts cannot be read.
pub fn processes(name: &str) -> Result<BTreeSet<i32>> {
    let mut found = BTreeSet::new();
    for root in roots()? {
        for dir in tree(&root.join(name)) {
            let pids = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            found.extend(
                pids.lines().filter_map(|pid| pid.parse::<i32>().ok()).filter(|pid| *pid > 0),
            );
        }
    }
    Ok(found)
}

/// Removes cgroup `name` and all below it.
///
/// # Errors
/// When one still holds a process.
pub fn remove(name: &str) -> Result<()> {
    for root in roots()? {
        for dir in tree(&root.join(name)).into_iter().rev() {
            match std::fs::remove_dir(&dir) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error)
                        .with_context(|| format!("cannot remove cgroup {}", dir.display()));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether `name` exists in any hierarchy.
pub fn exists(name: &str) -> bool {
    roots().is_ok_and(|roots| roots.iter().any(|root| root.join(name).exists()))
}

/// Where hierarchies are mounted.
fn roots() -> Result<Vec<PathBuf>> {
    let mounts =
        std::fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
    Ok(hierarchies(&mounts))
}

fn hierarchies(mounts: &str) -> Vec<PathBuf> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (dir, kind) = (fields.next()?, fields.next()?);
            matches!(kind, "cgroup" | "cgroup2").then(|| PathBuf::from(dir))
        })
        .collect()
}

/// Passes every controller on to the cgroups below. A controller that another hierarchy holds cannot be passed on,
/// and the kubelet says which one it misses.
fn delegate(dir: &Path) {
    let controllers = std::fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
    for controller in controllers.split_whitespace() {
        let _ = std::fs::write(dir.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// `dir` and all directories below it, parents first.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        todo.extend(
            entries
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
        found.push(dir);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_found() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n/dev/vda / ext4 rw 0 0\n";
        assert_eq!(
            hierarchies(mounts),
            [PathBuf::from("/sys/fs/cgroup/memory"), "/sys/fs/cgroup/unified".into()]
        );
        assert_eq!(
            hierarchies("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n"),
            [PathBuf::from("/sys/fs/cgroup")]
        );
    }
}
