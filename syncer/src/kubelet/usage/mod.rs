//! What the pods of a node use, in the forms that a kubelet offers.
//!
//! The numbers are the host's own: `metrics.k8s.io` PodMetrics of our pods, which the namespaced Role may read. The host's
//! kubelets themselves would need a cluster-wide `nodes/proxy`, which opens every container on the host; it is never
//! asked for. So there is what PodMetrics has (CPU rate and working set of each container), and nothing is made up.

pub(super) mod api;
mod counters;
mod exposition;
mod quantity;
mod samples;
mod summary;

use http::StatusCode;

use super::answers::{Answer, chain, page, plain};
use super::node::Shared;
use super::objects::Pod;
use super::serve::Node;

pub(super) use samples::Usage;
use samples::{PodSample, Unavailable};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// A virtual pod with what its twin uses. Containers that the host added are not in it.
struct PodUsage {
    pod: Pod,
    sample: PodSample,
}

/// `/metrics`: about the node.
pub(super) async fn node_metrics(node: &Node) -> Answer {
    match node.shared.pods.on(&node.name).await {
        Ok(pods) => page(StatusCode::OK, TEXT, exposition::node(&node.name, &pods)),
        Err(error) => plain(StatusCode::BAD_GATEWAY, chain(&error)),
    }
}

/// `/metrics/resource`, what metrics-server reads.
pub(super) async fn resource_metrics(node: &Node) -> Answer {
    answer(node, TEXT, |node, usage| {
        exposition::resource(&node.shared.usage.counters.advance(usage), usage)
    })
    .await
}

/// `/metrics/cadvisor`: those of cAdvisor's metrics that can be told.
pub(super) async fn container_metrics(node: &Node) -> Answer {
    answer(node, TEXT, |node, usage| {
        exposition::cadvisor(&node.shared.usage.counters.advance(usage), usage)
    })
    .await
}

/// `/stats/summary`
pub(super) async fn stats_summary(node: &Node) -> Answer {
    answer(node, JSON, |node, usage| summary::summary(&node.name, usage).to_string()).await
}

async fn answer(
    node: &Node,
    kind: &'static str,
    render: impl FnOnce(&Node, &[PodUsage]) -> String,
) -> Answer {
    match collect(node).await {
        Ok(usage) => page(StatusCode::OK, kind, render(node, &usage)),
        Err(unavailable @ Unavailable::Virtual(_)) => {
            plain(StatusCode::BAD_GATEWAY, format!("{}\n", chain(&unavailable)))
        }
        Err(unavailable) => {
            plain(StatusCode::NOT_IMPLEMENTED, format!("{}\n", chain(&unavailable)))
        }
    }
}

async fn collect(node: &Node) -> Result<Vec<PodUsage>, Unavailable> {
    let pods = node.shared.pods.on(&node.name).await.map_err(Unavailable::Virtual)?;
    of_pods(&node.shared, pods).await
}

/// What the host has measured of each; pods without numbers are left out.
async fn of_pods(shared: &Shared, found: Vec<Pod>) -> Result<Vec<PodUsage>, Unavailable> {
    let pods = &shared.pods;
    let mut collected = Vec::new();
    for pod in found {
        let names = &pod.metadata;
        let Some(host) = pods.directory.host_pod(&names.namespace, &names.name) else { continue };
        let samples = shared.usage.of_namespace(&pods.host, &host.namespace).await?;
        let Some(sample) = samples.get(&host.name) else { continue };
        let mut sample = sample.clone();
        let own = pod.containers();
        sample.containers.retain(|container| own.contains(container.name.as_str()));
        collected.push(PodUsage { pod, sample });
    }
    Ok(collected)
}
