//! Limits of the machine that a cluster in a cluster runs into: raised when they are lower, never lowered.

use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, getrlimit, setrlimit};

use super::progress::Progress;

/// Kernel settings and the least that a bed needs. They count per user, and everything here runs as root: an API
/// server alone watches a dozen files, and there is one in every virtual cluster.
const LEAST: [(&str, u64); 2] = [
    ("/proc/sys/fs/inotify/max_user_instances", 8192),
    ("/proc/sys/fs/inotify/max_user_watches", 524_288),
];

/// Free bytes that a bed with a dozen virtual clusters writes at most.
const LEAST_SPACE: u64 = 3 << 30;

/// Says when the disk under `path` is nearly full: kubelets and databases fail on that in ways that do not name it.
///
/// # Errors
/// When the file system cannot be asked.
pub fn check_space(path: &Path, progress: &Progress) -> Result<()> {
    let disk = rustix::fs::statvfs(path)
        .with_context(|| format!("cannot ask how full {} is", path.display()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < LEAST_SPACE {
        progress.note(&format!(
            "only {} MB are free on the disk of {}, and a bed may write {} MB",
            free >> 20,
            path.display(),
            LEAST_SPACE >> 20
        ));
    }
    Ok(())
}

/// Raises what is too low, for the machine (until its next start) and for the processes that a bed starts.
///
/// # Errors
/// When a kernel setting cannot be read or written.
pub fn raise(progress: &Progress) -> Result<()> {
    for (file, least) in LEAST {
        let now = std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        if now.trim().parse::<u64>().is_ok_and(|now| now < least) {
            std::fs::write(file, least.to_string())
                .with_context(|| format!("cannot raise {file} to {least}"))?;
            progress.note(&format!("raised {file} from {} to {least}", now.trim()));
        }
    }
    // As services of a distribution have it; a shell's soft limit is often 1024.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).context("cannot raise the limit of open files")
}
