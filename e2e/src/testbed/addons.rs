//! What runs in the host cluster from the start: DNS, storage, metrics and, when asked for, load balancing.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::kubectl::Kubectl;
use super::kwok;
use super::layout::{Layout, Node};
use super::processes::Processes;
use super::programs::{COREDNS, LOCAL_PATH, METALLB, METRICS_SERVER, Programs};
use super::wait::until;

const BASE: [&str; 4] = [
    include_str!("../../manifests/kube-proxy.yaml"),
    include_str!("../../manifests/coredns.yaml"),
    include_str!("../../manifests/local-path.yaml"),
    include_str!("../../manifests/metrics-server.yaml"),
];
const METALLB_WORKLOADS: &str = include_str!("../../manifests/metallb.yaml");
const METALLB_POOL: &str = include_str!("../../manifests/metallb-pool.yaml");

/// Kinds of MetalLB's own manifest that are not taken over: its workloads and its webhook.
const METALLB_LEFT_OUT: [&str; 5] =
    ["Deployment", "DaemonSet", "Service", "Secret", "ValidatingWebhookConfiguration"];

/// As many as kubeadm starts, each on a node of its own: when a node is lost, names can still be looked up.
const DNS_REPLICAS: usize = 2;

/// How long workloads may take to be there.
const PATIENCE: &str = "--timeout=120s";

/// Applies everything, kwok's nodes included.
///
/// # Errors
/// When the API server refuses a manifest.
pub async fn apply(
    layout: &Layout,
    programs: &Programs,
    kubectl: &Kubectl,
    nodes: &[Node],
    load_balancer: bool,
) -> Result<()> {
    let mut manifests = kwok::nodes();
    for manifest in BASE {
        manifests += &fill(manifest, layout, nodes)?;
        manifests += "\n---\n";
    }
    if load_balancer {
        manifests += &metallb(programs)?;
        manifests += &fill(METALLB_WORKLOADS, layout, nodes)?;
    }
    kubectl.apply(&manifests).await?;
    if load_balancer {
        let pool = fill(METALLB_POOL, layout, nodes)?;
        // Its kinds were defined a moment ago.
        until("MetalLB's address pool", Duration::from_secs(20), || async {
            kubectl.apply(&pool).await.map(|()| true)
        })
        .await?;
    }
    Ok(())
}

/// Waits until all nodes are ready and all workloads available.
///
/// # Errors
/// When that takes too long; for a node that does not appear, with the end of its kubelet's log.
pub async fn ready(
    kubectl: &Kubectl,
    processes: &Processes,
    nodes: &[Node],
    load_balancer: bool,
) -> Result<()> {
    let missing = || async {
        let found = kubectl.run(&["get", "nodes", "--no-headers", "--output", "name"]).await?;
        let found: Vec<_> = found.lines().filter_map(|line| line.strip_prefix("node/")).collect();
        Ok::<_, anyhow::Error>(
            nodes.iter().filter(|node| !found.contains(&node.name.as_str())).collect::<Vec<_>>(),
        )
    };
    let registered = || async { Ok(missing().await?.is_empty()) };
    if let Err(error) =
        until("the registration of all nodes", Duration::from_secs(60), registered).await
    {
        let logs = missing().await.unwrap_or_default().into_iter();
        let logs: Vec<_> = logs.map(|node| processes.end_of_log(&node.kubelet())).collect();
        return Err(error.context(logs.join("\n")));
    }
    kubectl.run(&["wait", "node", "--all", "--for=condition=Ready", PATIENCE]).await?;
    kubectl
        .run(&[
            "wait",
            "deployment",
            "--all",
            "--all-namespaces",
            "--for=condition=Available",
            PATIENCE,
        ])
        .await?;
    if load_balancer {
        kubectl
            .run(&[
                "--namespace",
                "metallb-system",
                "rollout",
                "status",
                "daemonset/speaker",
                PATIENCE,
            ])
            .await?;
    }
    kubectl
        .run(&[
            "wait",
            "apiservice",
            "v1beta1.metrics.k8s.io",
            "--for=condition=Available",
            PATIENCE,
        ])
        .await
        .map(drop)
}

/// Puts values into a manifest's `${NAME}`s.
fn fill(manifest: &str, layout: &Layout, nodes: &[Node]) -> Result<String> {
    let mut filled = String::new();
    let mut rest = manifest;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').context("a manifest has a ${ without }")?;
        filled += before;
        filled += &match name {
            "COREDNS" => COREDNS.to_owned(),
            "LOCAL_PATH" => LOCAL_PATH.to_owned(),
            "METRICS_SERVER" => METRICS_SERVER.to_owned(),
            "METALLB" => METALLB.to_owned(),
            "DNS_IP" => layout.dns_ip().to_string(),
            "DNS_REPLICAS" => nodes.len().min(DNS_REPLICAS).to_string(),
            "VOLUMES" => layout.volumes().display().to_string(),
            "LOAD_BALANCER_RANGES" => json!(layout.load_balancer_ranges()).to_string(),
            unknown => bail!("a manifest asks for ${{{unknown}}}, which is not known"),
        };
        rest = after;
    }
    Ok(filled + rest)
}

/// Definitions and rights from MetalLB's own manifest.
fn metallb(programs: &Programs) -> Result<String> {
    let path = programs.path("metallb", "metallb-native.yaml")?;
    let text = std::fs::read_to_string(&path)?;
    let kept: Vec<&str> = text
        .split("\n---\n")
        .filter(|document| {
            let kind =
                document.lines().find_map(|line| line.strip_prefix("kind: ")).unwrap_or_default();
            !METALLB_LEFT_OUT.contains(&kind)
        })
        .collect();
    Ok(kept.join("\n---\n") + "\n---\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manifest_is_filled_completely() {
        let layout = Layout::new(3).unwrap();
        for manifest in BASE.into_iter().chain([METALLB_WORKLOADS, METALLB_POOL]) {
            let filled = fill(manifest, &layout, &layout.nodes(3)).unwrap();
            assert!(!filled.contains("${"), "{filled}");
            let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&filled).unwrap();
            assert!(documents.iter().all(|document| document["kind"].is_string()));
        }
        assert!(fill("a: ${NOBODY}", &layout, &[]).is_err());
    }
}
