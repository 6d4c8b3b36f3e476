//! Debian packages that the bed needs, installed when what they hold is missing.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::command::{command, run};
use super::progress::Progress;

/// A package is asked for by what it brings, not by name: another package (Docker's `containerd.io`, say) may
/// have brought it already, and installing Debian's own would remove that one.
const NEEDS: &[(&str, &str)] = &[
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/ptp", "containernetworking-plugins"),
    ("iptables", "iptables"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("conntrack", "conntrack"),
    ("cc", "gcc"),
    ("/usr/include/stdio.h", "libc6-dev"),
];

/// Installs the packages that are missing.
///
/// # Errors
/// When `apt-get` is missing or fails; nothing that is installed is ever removed for it.
pub async fn install_missing(progress: &Progress) -> Result<()> {
    let mut missing: Vec<&str> =
        NEEDS.iter().filter(|(what, _)| !present(what)).map(|(_, package)| *package).collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    progress.step(&format!("installing packages: {list}"), apt(&missing)).await.with_context(|| {
        format!("the test bed needs these packages: {list}\nhint: on Debian or Ubuntu: apt-get install {list}")
    })
}

/// Fresh package lists; without them apt knows no package, or only old ones.
///
/// # Errors
/// When `apt-get update` fails.
pub async fn refresh() -> Result<()> {
    run(command("apt-get").arg("update").arg("--quiet")).await.map(drop)
}

async fn apt(packages: &[&str]) -> Result<()> {
    refresh().await?;
    run(command("apt-get")
        .args(["install", "--yes", "--quiet", "--no-install-recommends", "--no-remove"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
    .await
    .map(drop)
}

fn present(what: &str) -> bool {
    if what.starts_with('/') { Path::new(what).exists() } else { which::which(what).is_ok() }
}
