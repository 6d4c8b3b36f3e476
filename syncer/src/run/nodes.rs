//! Serves the kubelet API of each virtual node at the port that its host Service names.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use vcluster_syncer_core::json::Value;
use vcluster_syncer_core::resource::{NODES, SERVICES};
use vcluster_syncer_core::{Host, Key, Object, Settings, Virtual, kinds, labels};

use super::RunArgs;
use crate::admin::{Gate, Health};
use crate::engine::Engine;
use crate::engine::api::Api;
use crate::kubelet::{
    CaPurpose, ClientTrust, DEFAULT_STREAMS, HostPod, KubeletConfig, KubeletMetrics,
    KubeletServers, NodeEndpoint, NodeSigner, PodDirectory,
};
use crate::shutdown::Shutdown;

/// The names of host pods are a function of those of virtual pods.
struct Names(Settings);

impl PodDirectory for Names {
    fn host_pod(&self, namespace: &str, name: &str) -> Option<HostPod> {
        let key = kinds::namespaced_host_key(&Virtual(Key::new(namespace, name)), &self.0);
        Some(HostPod { namespace: key.namespace().to_owned(), name: key.name().to_owned() })
    }
}

/// Serves virtual nodes from now on, following the node Services.
///
/// # Errors
/// When certificates are missing or no client can be made.
#[expect(clippy::too_many_arguments, reason = "called once, by the wiring")]
pub fn serve(
    args: &RunArgs,
    settings: &Settings,
    host: &Api,
    inside: &Api,
    engine: Engine,
    metrics: KubeletMetrics,
    health: &Health,
    shutdown: Shutdown,
) -> anyhow::Result<Arc<KubeletServers>> {
    let read = |name: &str| {
        let path = args.pki.join(name);
        std::fs::read_to_string(&path)
            .with_context(|| format!("certificate {} cannot be read", path.display()))
    };
    let servers = KubeletServers::new(
        KubeletConfig {
            host: host.client().clone(),
            inside: inside.client().clone(),
            directory: Arc::new(Names(settings.clone())),
            metrics_selector: format!("{}={}", labels::MANAGED_BY, settings.name),
            signer: NodeSigner::from_pem(&read("ca.crt")?, &read("ca.key")?)?,
            clients: ClientTrust {
                ca_pem: read("kubelet-client-ca.crt")?,
                purpose: CaPurpose::ApiServerOnly,
            },
            bind: None,
            streams: DEFAULT_STREAMS,
            metrics,
        },
        shutdown,
    )?;
    let servers = Arc::new(servers);
    servers.report_reach(health.register("kubelet-path", Gate::Notice));
    tokio::spawn(follow(Arc::clone(&servers), engine));
    Ok(servers)
}

async fn follow(servers: Arc<KubeletServers>, engine: Engine) {
    let mut changes = engine.node_changes();
    let mut served: BTreeMap<String, NodeEndpoint> = BTreeMap::new();
    loop {
        let wanted: BTreeMap<String, NodeEndpoint> =
            engine.host_objects(&SERVICES, &NODES).iter().filter_map(endpoint).collect();
        for (node, endpoint) in &wanted {
            if served.get(node) == Some(endpoint) {
                continue;
            }
            match servers.ensure(node, endpoint.clone()).await {
                Ok(_) => {
                    served.insert(node.clone(), endpoint.clone());
                }
                Err(error) => {
                    tracing::error!(node, %error, "the kubelet API of a virtual node is not served")
                }
            }
        }
        for node in served.keys().filter(|node| !wanted.contains_key(*node)) {
            servers.remove(node).await;
        }
        served.retain(|node, _| wanted.contains_key(node));
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// The node that a host Service stands for, and where it is served.
fn endpoint(service: &Host<Object>) -> Option<(String, NodeEndpoint)> {
    let node = service.annotation(labels::OBJECT_NAME)?.to_owned();
    let port = service.items_at(&["spec", "ports"]).first()?.get("targetPort")?.as_u64()?;
    let addresses = service.items_at(&["spec", "clusterIPs"]).iter().filter_map(Value::as_str);
    let addresses: Vec<IpAddr> = addresses.filter_map(|address| address.parse().ok()).collect();
    Some((node, NodeEndpoint { port: u16::try_from(port).ok()?, addresses, names: Vec::new() }))
}
