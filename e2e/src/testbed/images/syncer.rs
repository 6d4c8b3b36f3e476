//! Builds the syncer's programs from this checkout, and its image from the Containerfile that the release uses too.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use super::archive::Image;
use super::containerfile;
use crate::checkout;

/// The image's name; its tag is the workspace's version.
pub const SYNCER_IMAGE: &str = concat!("ghcr.io/vcluster-rs/syncer:", env!("CARGO_PKG_VERSION"));

/// How the syncer is compiled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Profile {
    /// As it is released.
    #[default]
    Release,
    /// Quickly.
    Dev,
}

/// Compiles the syncer and describes its image.
///
/// # Errors
/// When it does not compile; the compiler's words are in the error.
pub async fn build(profile: Profile) -> Result<Image> {
    let program = compile(profile).await?;
    let file = checkout::root()?.join("syncer/Containerfile");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let context = program.parent().context("a program without a directory")?;
    containerfile::parse(&text, context, SYNCER_IMAGE)
        .with_context(|| format!("in {}", file.display()))
}

/// Static, and with its relocations packed: they are all read at start, and would be a thirtieth of the program.
const RUSTFLAGS: &str = include_str!("../../../../syncer/rustflags");

/// A static program of this machine's architecture.
async fn compile(profile: Profile) -> Result<PathBuf> {
    let target = match std::env::consts::ARCH {
        "x86_64" => "x86_64-unknown-linux-gnu",
        "aarch64" => "aarch64-unknown-linux-gnu",
        other => bail!("no static build is known for {other}"),
    };
    let mut cargo = checkout::cargo(&["build", "--package", "vcluster-syncer", "--bins"])?;
    // With --target, build scripts and macros stay dynamic.
    cargo.args(["--target", target]).env("RUSTFLAGS", RUSTFLAGS.trim_end());
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    checkout::built(&mut cargo, "syncer").await.context("the syncer does not compile")
}
