//! Five nodes without a kubelet: kwok says that whatever is bound to them runs. For scale.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::control_plane::{flag, text};
use super::layout::Layout;
use super::pki::Pki;
use super::processes::{Processes, Spec};
use super::programs::Programs;

/// kwok's health port, in plain HTTP.
pub const HEALTH_PORT: u16 = 10247;
/// How many nodes it plays.
pub const NODES: usize = 5;
/// The stages of kwok's own module that make pods Running at once.
const STAGES: &[&str] = &[
    "node-initialize.yaml",
    "node-heartbeat-with-lease.yaml",
    "pod-ready.yaml",
    "pod-complete.yaml",
    "pod-delete.yaml",
];

/// Starts kwok.
///
/// # Errors
/// When it cannot be started.
pub fn start(layout: &Layout, programs: &Programs, pki: &Pki, processes: &Processes) -> Result<()> {
    let mut stages = String::new();
    for stage in STAGES {
        stages += &std::fs::read_to_string(programs.path("kwok", stage)?)?;
        stages += "\n---\n";
    }
    let config = layout.in_state("kwok-stages.yaml");
    std::fs::write(&config, stages)
        .with_context(|| format!("cannot write {}", config.display()))?;
    let argv = vec![
        text(&programs.path("kwok", "kwok")?)?,
        flag("kubeconfig", text(&pki.file("kwok.kubeconfig"))?),
        flag("config", text(&config)?),
        flag("manage-all-nodes", false),
        flag("manage-nodes-with-annotation-selector", "kwok.x-k8s.io/node=fake"),
        flag("cidr", layout.kwok_cidr()),
        flag("node-lease-duration-seconds", 40),
        flag("server-address", layout.control_plane(HEALTH_PORT)),
    ];
    processes.start(Spec { name: "kwok".into(), netns: layout.netns(), argv }).map(drop)
}

/// The nodes, as manifests. Their taint keeps pods away that do not ask for them.
pub fn nodes() -> String {
    (0..NODES)
        .map(|number| {
            let name = format!("kwok-{number}");
            let room = json!({ "cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "1000" });
            let node = json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": name,
                    "annotations": { "kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0" },
                    "labels": { "type": "kwok", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" },
                },
                "spec": { "taints": [{ "effect": "NoSchedule", "key": "kwok.x-k8s.io/node", "value": "fake" }] },
                "status": { "allocatable": room, "capacity": room, "phase": "Running" },
            });
            format!("{node}\n---\n")
        })
        .collect()
}
