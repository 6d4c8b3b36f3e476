//! Keeps certificates fresh while the syncer runs.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use vcluster_config::Config;

use super::RunArgs;
use super::publish;
use crate::certs::renewal::{Renewal, RenewalSettings};
use crate::certs::{Pki, Surroundings, own_server};
use crate::engine::api::Api;
use crate::namespace::Namespace;
use crate::shutdown::Shutdown;

/// What the syncer has in memory of the PKI for as long as it runs: its own login, and the authority that signs virtual
/// nodes' certificates.
const IN_MEMORY: [&str; 4] =
    ["syncer.crt", "ca.crt", "kubelet-client-ca.crt", "front-proxy-ca.crt"];

/// Starts to renew; programs reload the files by themselves.
///
/// # Errors
/// When the certificates that `syncer init` wrote cannot be read.
pub fn start(
    args: &RunArgs,
    config: &Config,
    host: &Api,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let settings = RenewalSettings {
        namespace: Namespace::new(host.client().clone(), &args.namespace),
        around: Surroundings {
            name: args.name.clone(),
            namespace: args.namespace.clone(),
            pod_addresses: args.pod_ips.clone(),
            node_addresses: args.host_ips.clone(),
        },
        config: Arc::new(config.clone()),
        directory: args.pki.clone(),
        server: own_server(config),
    };
    let pki = Renewal::start(settings, &TaskTracker::new(), shutdown.asked())
        .with_context(|| format!("the certificates cannot be read from {}", args.pki.display()))?;
    tokio::spawn(follow(pki, args.clone(), config.clone(), host.clone(), shutdown.clone()));
    Ok(())
}

async fn follow(
    mut changes: watch::Receiver<Arc<Pki>>,
    args: RunArgs,
    config: Config,
    host: Api,
    shutdown: Shutdown,
) {
    let mut known = Arc::clone(&changes.borrow_and_update());
    while changes.changed().await.is_ok() {
        let now = Arc::clone(&changes.borrow_and_update());
        if IN_MEMORY.iter().any(|file| known.get(file).ok() != now.get(file).ok()) {
            // Once a year, and the API stays up meanwhile: simpler than to swap them under open connections.
            tracing::info!("the syncer's own certificates were renewed, it starts again with them");
            shutdown.begin();
            return;
        }
        if let Err(error) = publish::kubeconfigs(&host, &config, &args).await {
            tracing::error!(error = %format!("{error:#}"), "renewed kubeconfigs are not handed out");
        }
        known = now;
    }
}
