//! This checkout, and the programs that are built from it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use crate::testbed::{command, run};

/// The top of the checkout.
///
/// # Errors
/// When it has been moved since this program was built in it.
pub fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the crate has no parent directory")?;
    if !root.join("syncer").is_dir() {
        bail!(
            "{} is not there any more; this program must be run from the checkout it was built in",
            root.display()
        );
    }
    Ok(root.into())
}

/// cargo, at the top of the checkout.
///
/// # Errors
/// As [`root`].
pub fn cargo(args: &[&str]) -> Result<Command> {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()?).args(args);
    Ok(cargo)
}

/// Runs a build and returns the program called `name` that it made.
///
/// # Errors
/// When it does not compile, with the compiler's words.
pub async fn built(build: &mut Command, name: &str) -> Result<PathBuf> {
    executable(&run(build.args(AS_JSON)).await?, name)
}

/// Makes cargo say on standard output what it made, in a form for [`executable`].
pub const AS_JSON: [&str; 2] = ["--message-format", "json-render-diagnostics"];

/// The program called `name` among what cargo said it made.
///
/// # Errors
/// When it is not.
pub fn executable(said: &str, name: &str) -> Result<PathBuf> {
    said.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message.pointer("/target/name").is_some_and(|target| target == name))
        .filter(|message| message.pointer("/profile/test").is_some_and(|test| test == false))
        .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .next_back()
        .with_context(|| format!("cargo named no program called {name}"))
}

/// Builds our command-line program, quickly.
///
/// # Errors
/// When it does not compile, with the compiler's words.
pub async fn vcluster() -> Result<PathBuf> {
    built(&mut cargo(&["build", "--package", "vcluster-cli", "--bin", "vcluster"])?, "vcluster")
        .await
        .context("the command-line program does not compile")
}
