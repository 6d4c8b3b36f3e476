//! A scheduler inside.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::suite::holds::holds;
use crate::suite::space::{Space, condition, text};
use crate::suite::virtual_cluster::{VirtualCluster, Wish};
use crate::suite::{Company, Fits, Promise, Setting, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "a-scheduler-inside-places-pods",
    about: "with a scheduler inside, labels and taints of virtual nodes decide where pods run, pods that fit nowhere stay off the host and say why, claims wait for their pod, and preemption works",
    company: Company::Any,
    fits: Fits::AllBut(
        &[Setting::EtcdHa, Setting::Eks],
        "it configures the scheduler of k8s, and for one control plane",
    ),
    run: |world| Box::pin(run(world)),
};

/// How long the scheduler may take to say that it found nothing.
const SOON: Duration = Duration::from_secs(60);

async fn run(world: World) -> Result<()> {
    let host = world.host_namespace("scheduler").await?;
    host.apply(&sample::config_map("profiles", json!({ "config.yaml": profiles() }))).await?;
    let wish = Wish { namespace: Some(host.name.clone()), values: Some(values()), args: vec![] };
    let cluster = world.create_with("scheduler", &wish).await?;
    let default = cluster.space("default");
    let nodes = nodes_are_the_hosts(&world, &cluster).await?;
    labels_and_taints(&world, &cluster, &default, &nodes).await?;
    nowhere_to_go(&cluster, &default, &nodes).await?;
    second_profile(&cluster, &default).await?;
    claims(&cluster, &default).await?;
    daemons(&cluster, &default, &nodes).await?;
    // The preset's quota has no room for pods of 40 processors.
    if world.setting() == Setting::Isolated {
        return Ok(());
    }
    preemption(&cluster, &default).await
}

fn values() -> Value {
    json!({ "controlPlane": {
        "advanced": { "virtualScheduler": { "enabled": true } },
        "distro": { "k8s": { "scheduler": { "extraArgs": ["--config=/etc/profiles/config.yaml"] } } },
        "statefulSet": { "persistence": {
            "addVolumes": [{ "name": "profiles", "configMap": { "name": "profiles" } }],
            "addVolumeMounts": [{ "name": "profiles", "mountPath": "/etc/profiles" }],
        }},
    }})
}

/// Two schedulers in one: the usual one, and one that fills nodes up.
fn profiles() -> String {
    let fit = json!({ "name": "NodeResourcesFit", "args": {
        "scoringStrategy": { "type": "MostAllocated", "resources": [{ "name": "cpu", "weight": 1 }] },
    }});
    let config = json!({
        "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
        "clientConnection": { "kubeconfig": "/pki/scheduler.conf" },
        "leaderElection": { "leaderElect": false },
        "profiles": [
            { "schedulerName": "default-scheduler" },
            { "schedulerName": "packed", "pluginConfig": [fit] },
        ],
    });
    config.to_string()
}

/// All nodes are shown, with the host's sizes and taints. Returns those that no taint keeps pods from.
async fn nodes_are_the_hosts(world: &World, cluster: &VirtualCluster) -> Result<Vec<String>> {
    let mut free = Vec::new();
    for of_host in world.host().list(kind::NODES, "", "").await? {
        let name = text(&of_host, "/metadata/name");
        let shown = cluster.inside.get(kind::NODES, "", name).await?;
        for same in ["/status/allocatable", "/status/capacity", "/spec/taints"] {
            let (inside, outside) = (shown.pointer(same), of_host.pointer(same));
            ensure!(inside == outside, "{same} of {name} is {inside:?}, not {outside:?}");
        }
        if of_host.pointer("/spec/taints").is_none() {
            free.push(name.to_owned());
        }
    }
    ensure!(free.len() >= 2, "the host has only {free:?} without taints");
    Ok(free)
}

async fn labels_and_taints(
    world: &World,
    cluster: &VirtualCluster,
    default: &Space,
    nodes: &[String],
) -> Result<()> {
    let [first, others @ ..] = nodes else { return Ok(()) };
    default.kubectl(&["label", "node", first, "only=inside"]).await?;
    for other in others {
        default.kubectl(&["taint", "node", other, "team=a:NoSchedule"]).await?;
    }
    let wanted = json!({ "nodeSelector": { "only": "inside" } });
    default.apply(&sample::with(sample::pod("labelled", sample::idle()), "/spec", wanted)).await?;
    default.ready("labelled").await?;
    ensure!(place(cluster, "labelled").await? == *first, "it is not where the label is");
    default.apply(&sample::deployment("untainted", 3, sample::idle())).await?;
    default.rolled_out("deployment/untainted").await?;
    for pod in default.list(kind::PODS, "app=untainted").await? {
        let name = text(&pod, "/metadata/name");
        let node = place(cluster, name).await?;
        ensure!(node == *first, "{name} is on {node}, which is tainted inside");
    }
    // The host's nodes know nothing of it.
    let of_host = world.host().get(kind::NODES, "", first).await?;
    ensure!(of_host.pointer("/metadata/labels/only").is_none(), "the host's node has the label");
    for other in others {
        default.kubectl(&["taint", "node", other, "team=a:NoSchedule-"]).await?;
    }
    Ok(())
}

async fn nowhere_to_go(cluster: &VirtualCluster, default: &Space, nodes: &[String]) -> Result<()> {
    let wanted = json!({ "nodeSelector": { "nowhere": "yes" } });
    default.apply(&sample::with(sample::pod("lost", sample::idle()), "/spec", wanted)).await?;
    let said = default.event("lost", "FailedScheduling", SOON).await?;
    ensure!(said.contains("didn't match Pod's node affinity/selector"), "it says {said:?}");
    // A scheduler tells the event first.
    holds("the pod's condition says the same", || async {
        let pod = default.get(kind::PODS, "lost").await?;
        let condition = condition(&pod, "PodScheduled");
        ensure!(condition == Some("False"), "PodScheduled is {condition:?}");
        Ok(())
    })
    .await?;
    ensure!(
        cluster.find_twin(kind::PODS, "default", "lost").await?.is_none(),
        "a pod that is not placed is on the host"
    );
    let last = nodes.last().context("no node")?;
    default.kubectl(&["label", "node", last, "nowhere=yes"]).await?;
    default.ready("lost").await?;
    ensure!(place(cluster, "lost").await? == *last, "it is not where the label is");
    Ok(())
}

async fn second_profile(cluster: &VirtualCluster, default: &Space) -> Result<()> {
    let by = |name: &str, scheduler: &str| {
        let wanted = json!({ "schedulerName": scheduler });
        sample::with(sample::pod(name, sample::idle()), "/spec", wanted)
    };
    default.apply(&by("unknown", "nobody")).await?;
    default.apply(&by("packed", "packed")).await?;
    default.ready("packed").await?;
    place(cluster, "packed").await?;
    ensure!(
        cluster.find_twin(kind::PODS, "default", "unknown").await?.is_none(),
        "a pod whose scheduler nobody runs is on the host"
    );
    Ok(())
}

/// The host's default class waits for the first consumer of a claim, and its volumes are of one node.
async fn claims(cluster: &VirtualCluster, default: &Space) -> Result<()> {
    default.apply(&sample::claim("data")).await?;
    let with_data = |name: &str, script: &str| {
        let mut container = sample::script(script);
        let mounts = json!({ "volumeMounts": [{ "name": "data", "mountPath": "/data" }] });
        container = sample::with(container, "", mounts);
        let claim = json!({ "claimName": "data" });
        let volumes = json!({ "volumes": [{ "name": "data", "persistentVolumeClaim": claim }] });
        sample::with(sample::pod(name, container), "/spec", volumes)
    };
    default.apply(&with_data("writer", "echo kept > /data/word; sleep 100000")).await?;
    default.ready("writer").await?;
    let node = place(cluster, "writer").await?;
    default.delete(kind::PODS, "writer").await?;
    default.gone(kind::PODS, "writer").await?;
    // Another pod has to go where the volume is, which the scheduler inside must know.
    default.apply(&with_data("reader", "sleep 100000")).await?;
    default.ready("reader").await?;
    let (now, word) =
        (place(cluster, "reader").await?, default.sh("reader", "cat /data/word").await?);
    ensure!(now == node, "the volume is on {node}, its pod on {now}");
    ensure!(word.trim() == "kept", "the volume says {word:?}");
    let claim = default.get(kind::CLAIMS, "data").await?;
    let volume = cluster.inside.get(kind::VOLUMES, "", text(&claim, "/spec/volumeName")).await?;
    ensure!(
        volume.pointer("/spec/nodeAffinity/required").is_some(),
        "the volume does not say which nodes reach it"
    );
    Ok(())
}

async fn daemons(cluster: &VirtualCluster, default: &Space, free: &[String]) -> Result<()> {
    let set = sample::workload("DaemonSet", "agent", sample::idle());
    default.apply(&set).await?;
    holds("an agent runs on every node without a taint", || async {
        let mut used = BTreeSet::new();
        for agent in default.list(kind::PODS, "app=agent").await? {
            used.insert(place(cluster, text(&agent, "/metadata/name")).await?);
        }
        ensure!(used == free.iter().cloned().collect(), "agents are on {used:?}");
        Ok(())
    })
    .await
}

/// On a node with 64 processors, one pod of 40 has to make room for another.
async fn preemption(cluster: &VirtualCluster, default: &Space) -> Result<()> {
    for (name, value) in [("low", 1), ("high", 1000)] {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": { "name": name }, "value": value,
        });
        cluster.inside.apply(&class).await?;
    }
    let large = |class: &str| {
        let container = sample::with(
            sample::idle(),
            "",
            json!({ "resources": { "requests": { "cpu": "40" } } }),
        );
        let wanted = json!({
            "priorityClassName": class, "nodeSelector": { "kubernetes.io/hostname": "kwok-0" },
            "tolerations": [{ "operator": "Exists" }],
        });
        sample::with(sample::pod(class, container), "/spec", wanted)
    };
    default.apply(&large("low")).await?;
    holds("the first pod is placed", || async { place(cluster, "low").await.map(drop) }).await?;
    default.apply(&large("high")).await?;
    holds("the second pod takes its place", || async {
        ensure!(default.find(kind::PODS, "low").await?.is_none(), "the first is still there");
        ensure!(place(cluster, "high").await? == "kwok-0", "it is elsewhere");
        Ok(())
    })
    .await?;
    cluster.no_twin(kind::PODS, "default", "low").await
}

/// The node of a pod of namespace `default`, which must be the same on both sides.
async fn place(cluster: &VirtualCluster, pod: &str) -> Result<String> {
    let inside = cluster.space("default").get(kind::PODS, pod).await?;
    let twin = cluster.twin(kind::PODS, "default", pod).await?;
    let (inside, outside) = (text(&inside, "/spec/nodeName"), text(&twin, "/spec/nodeName"));
    ensure!(
        inside == outside && !inside.is_empty(),
        "{pod} is on {inside:?} inside and on {outside:?} on the host"
    );
    Ok(inside.to_owned())
}
