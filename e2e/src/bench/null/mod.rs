//! The null syncer: mirrors the benchmark's pods with the least requests there can be, and does nothing else.
//!
//! It shows what the two API servers allow on this machine at this hour. It knows the benchmark's pods only, keeps
//! nothing safe, and handles no fault: a request that fails ends it. It is a process of its own, so that what it costs
//! can be seen too.

mod mirror;
mod translate;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::api::Api;
use mirror::Mirror;

/// What it prints when it watches both sides.
pub const READY: &str = "mirroring";

/// Arguments of the process.
#[derive(Debug, Clone, clap::Args)]
pub struct NullSyncer {
    /// The host's kubeconfig
    #[arg(long)]
    pub host: PathBuf,
    /// The virtual cluster's kubeconfig
    #[arg(long)]
    pub inside: PathBuf,
    /// The virtual cluster's namespace on the host
    #[arg(long)]
    pub namespace: String,
    /// The virtual cluster's name
    #[arg(long)]
    pub name: String,
    /// Label selector of the pods to mirror
    #[arg(long)]
    pub selector: String,
}

/// Mirrors until it is killed.
///
/// # Errors
/// When a request fails.
pub fn run(args: &NullSyncer) -> Result<()> {
    // One thread, as the syncer has.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let host = Api::open(&args.host).await?;
        let inside = Api::open(&args.inside).await?;
        make_nodes(&inside).await?;
        let mut watch_inside = inside.watch("/api/v1/pods", &args.selector).await?;
        let pods = format!("/api/v1/namespaces/{}/pods", args.namespace);
        let mut watch_host = host.watch(&pods, &args.selector).await?;
        writeln!(std::io::stdout(), "{READY}")?;
        let mut mirror = Mirror::new(host, inside, args);
        loop {
            tokio::select! {
                line = watch_inside.next() => mirror.inside(line?)?,
                line = watch_host.next() => mirror.host(line?)?,
                landed = mirror.landed() => landed?,
            }
            mirror.start_flights();
        }
    })
}

/// Pods bound to nodes that are not there would be collected.
async fn make_nodes(inside: &Api) -> Result<()> {
    for number in 0..crate::testbed::KWOK_NODES {
        let name = format!("kwok-{number}");
        let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } });
        inside.ensure("/api/v1/nodes", &node).await.context("a virtual node cannot be made")?;
    }
    Ok(())
}
