//! Several control planes, and the members of their etcd, fall asleep and wake together.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::sleep::{awake, mark};
use crate::suite::holds::{holds, holds_within};
use crate::suite::runner::say;
use crate::suite::space::text;
use crate::suite::virtual_cluster::{VirtualCluster, Wish};
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "several-control-planes-sleep-and-wake",
    about: "with sleep.auto, three control planes and three members of etcd stay awake as long as one of their API servers is asked something, then all leave the host, and one request brings all of them back",
    company: Company::NobodyForLong,
    fits: Fits::Default("it chooses its store"),
    run: |world| Box::pin(run(world)),
};

/// How many control planes, and members of etcd.
const REPLICAS: u32 = 3;

/// Longer than all becomes ready without a request.
const AFTER: Duration = Duration::from_secs(40);

/// Between two requests.
const NOW_AND_THEN: Duration = Duration::from_secs(8);

async fn run(world: World) -> Result<()> {
    let three = json!({ "highAvailability": { "replicas": REPLICAS } });
    let values = json!({
        "controlPlane": {
            "statefulSet": three,
            "backingStore": { "etcd": { "deploy": { "enabled": true, "statefulSet": three } } },
        },
        "sleep": { "auto": { "afterInactivity": format!("{}s", AFTER.as_secs()) } },
    });
    let wish = Wish { values: Some(values), ..Wish::default() };
    let cluster = world.create_with("dozing", &wish).await?;
    let default = cluster.space("default");
    default.apply(&sample::deployment("web", 1, sample::web())).await?;
    default.rolled_out("deployment/web").await?;
    all_ready(&cluster).await?;
    one_of_them_is_asked(&cluster).await?;

    asleep(&cluster).await?;
    let woken = Instant::now();
    holds("the Service answers", || default.kubectl(&["get", "deployment", "web"])).await?;
    say(&format!("  awake through the Service after {:.1} s", woken.elapsed().as_secs_f64()));
    awake(&cluster).await?;
    default.rolled_out("deployment/web").await?;
    all_ready(&cluster).await?;
    for workload in workloads(&cluster) {
        let set = cluster.host.get(kind::STATEFUL_SETS, &workload).await?;
        ensure!(set.pointer("/spec/replicas") == Some(&json!(REPLICAS)), "{workload} shrank");
        let marks = set.pointer("/metadata/annotations").map(Value::to_string).unwrap_or_default();
        ensure!(!marks.contains("paused") && !marks.contains("asleep"), "{workload}: {marks}");
    }
    Ok(())
}

/// Asks the last one only, for longer than the others need to find that nobody asks them.
async fn one_of_them_is_asked(cluster: &VirtualCluster) -> Result<()> {
    let pod = cluster.host.get(kind::PODS, &format!("{}-{}", cluster.name, REPLICAS - 1)).await?;
    let server = format!("--server=https://{}:8443", text(&pod, "/status/podIP"));
    let args = ["get", "namespace", "kube-system", &server, "--tls-server-name=kubernetes"];
    let began = Instant::now();
    while began.elapsed() < AFTER * 2 {
        cluster.space("default").kubectl(&args).await.context("it fell asleep in use")?;
        tokio::time::sleep(NOW_AND_THEN).await;
    }
    ensure!(mark(cluster, "paused").await?.is_empty(), "it fell asleep in use");
    Ok(())
}

/// Waits until nothing of it is left but what holds its door.
async fn asleep(cluster: &VirtualCluster) -> Result<()> {
    holds_within(Duration::from_secs(240), "it has fallen asleep", || async {
        ensure!(mark(cluster, "paused").await? == "true", "it is not marked as paused");
        let selector = format!("release={},app in (vcluster, vcluster-etcd)", cluster.name);
        let pods = cluster.host.list(kind::PODS, &selector).await?;
        ensure!(pods.is_empty(), "{} pods of it are there", pods.len());
        let twins = cluster.twins(kind::PODS).await?;
        ensure!(twins.is_empty(), "{} pods of its tenants are there", twins.len());
        let service = cluster.host.get(kind::SERVICES, &cluster.name).await?;
        let to = text(&service, "/spec/selector/app");
        ensure!(to == "vcluster-activator", "nobody is at the door");
        Ok(())
    })
    .await?;
    for workload in workloads(cluster) {
        let set = cluster.host.get(kind::STATEFUL_SETS, &workload).await?;
        let noted = text(&set, "/metadata/annotations/loft.sh~1paused-replicas");
        ensure!(noted == REPLICAS.to_string(), "{workload} will have {noted:?} replicas");
    }
    ensure!(cluster.status().await? == "Paused", "list says {}", cluster.status().await?);
    Ok(())
}

async fn all_ready(cluster: &VirtualCluster) -> Result<()> {
    for workload in workloads(cluster) {
        for number in 0..REPLICAS {
            cluster.host.ready(&format!("{workload}-{number}")).await?;
        }
    }
    Ok(())
}

fn workloads(cluster: &VirtualCluster) -> [String; 2] {
    [cluster.name.clone(), format!("{}-etcd", cluster.name)]
}
