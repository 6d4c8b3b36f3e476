//! The bed's own kubectl, as administrator.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use super::command::{command, run, run_with};
use super::layout::Layout;
use super::programs::Programs;

/// Runs kubectl against the bed.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// kubectl for the bed with this layout.
    ///
    /// # Errors
    /// When it is not built.
    pub fn new(layout: &Layout, programs: &Programs) -> Result<Self> {
        Ok(Self {
            program: programs.path("kubernetes", "kubectl")?,
            kubeconfig: layout.kubeconfig(),
        })
    }

    /// kubectl for a bed that is up.
    pub fn of(layout: &Layout) -> Self {
        Self { program: layout.bin().join("kubectl"), kubeconfig: layout.kubeconfig() }
    }

    /// The same program for another cluster.
    pub fn with(&self, kubeconfig: PathBuf) -> Self {
        Self { program: self.program.clone(), kubeconfig }
    }

    /// A command, for streams or other settings than [`run`](Self::run) has.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut kubectl = command(&self.program);
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig).args(args);
        kubectl
    }

    /// Runs kubectl and returns what it printed.
    ///
    /// # Errors
    /// When it fails, with its words.
    pub async fn run(&self, args: &[&str]) -> Result<String> {
        run(&mut self.command(args)).await
    }

    /// Applies manifests.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub async fn apply(&self, manifests: &str) -> Result<()> {
        let args = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
        run_with(&mut self.command(&args), manifests).await.map(drop)
    }

    /// Runs kubectl and parses what it printed as JSON.
    ///
    /// # Errors
    /// When it fails or prints no JSON.
    pub async fn json(&self, args: &[&str]) -> Result<serde_json::Value> {
        let said = self.run(&[args, &["--output", "json"]].concat()).await?;
        serde_json::from_str(&said).context("kubectl printed no JSON")
    }
}
