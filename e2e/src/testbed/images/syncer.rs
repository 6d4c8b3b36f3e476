//! Builds the syncer's programs from this checkout, and its image from the Containerfile that the release uses too.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use super::archive::Image;
use super::containerfile;
use crate::checkout;
use crate::testbed::run;

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

/// Compiles the syncer's programs and describes their image.
///
/// # Errors
/// When it does not compile; the compiler's words are in the error.
pub async fn build(profile: Profile) -> Result<Image> {
    compile(profile, "activator").await?;
    let program = compile(profile, "syncer").await?;
    let file = checkout::root()?.join("syncer/Containerfile");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let context = program.parent().context("a program without a directory")?;
    containerfile::parse(&text, context, SYNCER_IMAGE)
        .with_context(|| format!("in {}", file.display()))
}

/// Static, and with its relocations packed: they are all read at start, and would be a thirtieth of the program.
const RUSTFLAGS: &str = include_str!("../../../../syncer/rustflags");

/// How the activator is linked for its release: it hardly works, and its pages are most of what a sleeper costs. The
/// libraries are those of the syncer; a profile would compile them all once more.
const SMALL: &str = include_str!("../../../../syncer/rustflags-small");

/// A static program of this machine's architecture.
async fn compile(profile: Profile, program: &str) -> Result<PathBuf> {
    let target = match std::env::consts::ARCH {
        "x86_64" => "x86_64-unknown-linux-gnu",
        "aarch64" => "aarch64-unknown-linux-gnu",
        other => bail!("no static build is known for {other}"),
    };
    let mut cargo = checkout::cargo(&["rustc", "--package", "vcluster-syncer", "--bin", program])?;
    // With --target, build scripts and macros stay dynamic.
    cargo.args(["--target", target]).env("RUSTFLAGS", RUSTFLAGS.trim_end()).args(checkout::AS_JSON);
    if profile == Profile::Release {
        cargo.arg("--release");
        if program == "activator" {
            cargo.arg("--").args(SMALL.split_whitespace());
        }
    }
    let said = run(&mut cargo).await.with_context(|| format!("the {program} does not compile"))?;
    checkout::executable(&said, program)
}
