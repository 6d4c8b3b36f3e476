//! Builds the syncer from this checkout, and its image from the Containerfile that the release uses too.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::archive::Image;
use super::containerfile;
use crate::testbed::command::{command, run};

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
    let root = workspace()?;
    let program = compile(&root, profile).await?;
    let file = root.join("syncer/Containerfile");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let context = program.parent().context("a program without a directory")?;
    containerfile::parse(&text, context, SYNCER_IMAGE)
        .with_context(|| format!("in {}", file.display()))
}

/// A static program of this machine's architecture.
async fn compile(root: &Path, profile: Profile) -> Result<PathBuf> {
    let target = match std::env::consts::ARCH {
        "x86_64" => "x86_64-unknown-linux-gnu",
        "aarch64" => "aarch64-unknown-linux-gnu",
        other => bail!("no static build is known for {other}"),
    };
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--package", "vcluster-syncer", "--bin", "syncer"]);
    // With --target, build scripts and macros stay dynamic.
    cargo.args(["--target", target, "--message-format", "json-render-diagnostics"]);
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    let said = run(&mut cargo).await.context("the syncer does not compile")?;
    said.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .next_back()
        .context("cargo named no executable")
}

fn workspace() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the crate has no parent directory")?;
    if !root.join("syncer").is_dir() {
        bail!(
            "{} is not there any more; the test bed must be run from the checkout it was built in",
            root.display()
        );
    }
    Ok(root.into())
}
