//! Keeps certificates fresh while the syncer runs.

mod turn;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use vcluster_config::{Config, DistroKind};
use vcluster_syncer_core::Rule;
use vcluster_syncer_core::json::Value;

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

/// What k3s takes from us at its start only: the names and the days of its own serving certificate are those of ours.
const AT_START: &str = "apiserver.crt";

/// What a distribution that is one program needs of the host: the syncer deletes its own pod.
pub const RULES: &[Rule] =
    &[Rule { group: "", resources: &["pods"], verbs: &["delete", "get"], in_admin: true }];

/// Between two tries to delete the pod.
const AGAIN: Duration = Duration::from_secs(10);

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
        let differs = |file: &str| known.get(file).ok() != now.get(file).ok();
        let distro = config.control_plane.distro.kind();
        let own = IN_MEMORY.into_iter().any(differs);
        if distro.is_one_program() && (own || distro == DistroKind::K3s && differs(AT_START)) {
            tracing::info!(
                distro = distro.key(),
                "certificates were renewed, the pod starts again with them"
            );
            my_turn(&args, &config, &host, &shutdown).await;
            restart_pod(&args, &host, &shutdown).await;
            return;
        }
        if own {
            // Once a year, and the API stays up meanwhile: simpler than to swap them under open connections.
            tracing::info!("the syncer's own certificates were renewed, it starts again with them");
            my_turn(&args, &config, &host, &shutdown).await;
            shutdown.begin();
            return;
        }
        if let Err(error) = publish::kubeconfigs(&host, &config, &args).await {
            tracing::error!(error = %format!("{error:#}"), "renewed kubeconfigs are not handed out");
        }
        known = now;
    }
}

/// All replicas hear of new certificates at the same moment.
async fn my_turn(args: &RunArgs, config: &Config, host: &Api, shutdown: &Shutdown) {
    let namespace = Namespace::new(host.client().clone(), &args.namespace);
    let replicas = config.control_plane.stateful_set.high_availability.replicas;
    let turn = turn::come(&namespace, &args.pod, replicas);
    let _stopped = shutdown.asked().run_until_cancelled(turn).await;
}

/// Deletes this pod, which the StatefulSet then makes again. A distribution that makes its certificates by itself does so
/// at its start only, and nobody else can start a container again.
async fn restart_pod(args: &RunArgs, host: &Api, shutdown: &Shutdown) {
    let namespace = Namespace::new(host.client().clone(), &args.namespace);
    // One that was made again under the name, while this one was lost with its node, is not ours to end.
    let is_this = |pod: &Value| {
        pod.pointer("/metadata/uid").and_then(Value::as_str) == Some(args.pod_uid.as_str())
    };
    let delete = async || match namespace.get("pods", &args.pod).await?.filter(is_this) {
        Some(pod) => namespace.delete("pods", &pod).await,
        None => Ok(()),
    };
    while let Err(error) = delete().await {
        tracing::error!(%error, "the pod cannot be deleted, trying again");
        tokio::select! {
            () = shutdown.asked().cancelled() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}
