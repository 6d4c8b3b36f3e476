//! Several control planes at a time.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::stores::{in_a_database, lose};
use crate::suite::databases::Engine;
use crate::suite::fail_over::{Leader, fails_over};
use crate::suite::holds::holds;
use crate::suite::ledger::Ledger;
use crate::suite::runner::say;
use crate::suite::space::{condition, text};
use crate::suite::trouble::befalls;
use crate::suite::virtual_cluster::{VirtualCluster, Wish};
use crate::suite::{Company, Fits, Promise, kind, processes, sample, world::World};
use crate::testbed::Node;

pub const ETCD: Promise = Promise {
    name: "any-pod-or-node-may-go",
    about: "with three control planes and three members of etcd on three nodes, the leading syncer may hang, its API server too, each pod be lost in turn and then a node, under load: no acknowledged write is lost, nothing on the host is duplicated or orphaned, another syncer leads within 5 s",
    company: Company::NobodyForLong,
    fits: Fits::Default("it chooses its store"),
    run: |world| Box::pin(etcd(world)),
};

pub const DATABASE: Promise = Promise {
    name: "control-planes-share-a-database",
    about: "with three control planes on one PostgreSQL, the leading syncer may hang, its way to the database too, and each pod be lost in turn, under load: no acknowledged write is lost, nothing on the host is duplicated or orphaned, another syncer leads within 5 s",
    company: Company::NobodyForLong,
    fits: Fits::Default("it chooses its store"),
    run: |world| Box::pin(database(world)),
};

/// How many control planes, and members of etcd.
const REPLICAS: u32 = 3;

async fn etcd(world: World) -> Result<()> {
    let nodes = &world.bed().nodes;
    ensure!(
        nodes.len() >= 3,
        "this takes three real nodes\nhint: cargo run -p e2e -- down && cargo run -p e2e -- up --nodes 3"
    );
    let three = json!({ "highAvailability": { "replicas": REPLICAS } });
    let values = json!({ "controlPlane": {
        "statefulSet": three,
        "backingStore": { "etcd": { "deploy": { "enabled": true, "statefulSet": three } } },
    }});
    let wish = Wish { values: Some(values), ..Wish::default() };
    let cluster = world.create_with("three", &wish).await?;
    let planes = numbered(&cluster.name);
    let members = numbered(&format!("{}-etcd", cluster.name));
    let all = [&planes[..], &members[..]].concat();
    all_ready(&cluster, &all).await?;
    for part in [&planes, &members] {
        spread(&cluster, part).await?;
    }
    under_load(&cluster, async {
        hang(&cluster, "syncer").await?;
        hang(&cluster, "kube-apiserver").await?;
        lose_each(&cluster, &planes).await?;
        for pod in &members {
            lose(&cluster, pod).await?;
        }
        all_ready(&cluster, &all).await?;
        lose_a_node(&world, &cluster).await?;
        all_ready(&cluster, &all).await
    })
    .await
}

async fn database(world: World) -> Result<()> {
    let (_server, mut wish) = in_a_database(&world, Engine::PostgreSql).await?;
    let plane = wish.values.as_mut().and_then(|values| values.get_mut("controlPlane"));
    let plane = plane.and_then(Value::as_object_mut).context("the wish is for no store")?;
    plane.insert("statefulSet".into(), json!({ "highAvailability": { "replicas": REPLICAS } }));
    let cluster = world.create_with("three", &wish).await?;
    let planes = numbered(&cluster.name);
    all_ready(&cluster, &planes).await?;
    under_load(&cluster, async {
        hang(&cluster, "syncer").await?;
        hang(&cluster, "kine").await?;
        lose_each(&cluster, &planes).await
    })
    .await
}

fn numbered(name: &str) -> Vec<String> {
    (0..REPLICAS).map(|number| format!("{name}-{number}")).collect()
}

/// Works in the virtual cluster while there is `trouble`, and then looks whether anything was lost.
async fn under_load(
    cluster: &VirtualCluster,
    trouble: impl Future<Output = Result<()>>,
) -> Result<()> {
    let mut ledger = Ledger::open(cluster).await?;
    let (stop, stopped) = watch::channel(false);
    let trouble = async {
        trouble.await?;
        stop.send_replace(true);
        anyhow::Ok(())
    };
    let writing = async {
        ledger.write(stopped).await;
        anyhow::Ok(())
    };
    let ((steady, _), ()) = tokio::try_join!(befalls(cluster, trouble), writing)?;
    say(&format!("        {}", ledger.summary()));
    ledger.is_kept().await?;
    steady.untouched().await
}

/// How long a control plane may take to come back under load. An API server that starts while Services come and go may find
/// one in its first check whose address it does not know yet; then it ends itself after a minute, and starts anew
/// (Kubernetes' hook `start-service-ip-repair-controllers`).
const BACK: Duration = Duration::from_secs(300);

async fn all_ready(cluster: &VirtualCluster, pods: &[String]) -> Result<()> {
    for pod in pods {
        cluster.host.ready_within(BACK, pod).await?;
    }
    Ok(())
}

/// Checks that no two of these pods are on one node.
async fn spread(cluster: &VirtualCluster, pods: &[String]) -> Result<()> {
    let mut seen: Vec<String> = Vec::new();
    for name in pods {
        let node = node_of(&cluster.host.get(kind::PODS, name).await?).to_owned();
        ensure!(!seen.contains(&node), "{name} is on {node}, as another of {pods:?}");
        seen.push(node);
    }
    Ok(())
}

fn node_of(pod: &Value) -> &str {
    text(pod, "/spec/nodeName")
}

/// Stops a container of the leader until another leads. Then it goes on, and for a moment there are two that believe it.
async fn hang(cluster: &VirtualCluster, container: &str) -> Result<()> {
    let before = Leader::of(cluster).await?;
    let pod = cluster.host.get(kind::PODS, &before.pod).await?;
    processes::signal(&pod, container, Signal::STOP)?;
    let what = format!("{container} of {} hangs", before.pod);
    let taken = fails_over(cluster, &before, &what, async { Ok(()) }).await;
    processes::signal(&pod, container, Signal::CONT)?;
    taken?;
    cluster.host.ready_within(BACK, &before.pod).await.map(drop)
}

/// Takes each control plane away without a warning, the leader first.
async fn lose_each(cluster: &VirtualCluster, pods: &[String]) -> Result<()> {
    let mut left: Vec<&String> = pods.iter().collect();
    while !left.is_empty() {
        let before = Leader::of(cluster).await?;
        let leads = left.iter().position(|pod| **pod == before.pod);
        let victim = left.swap_remove(leads.unwrap_or_default());
        let pod = cluster.host.get(kind::PODS, victim).await?;
        // Nothing in it can say good-bye.
        for container in ["syncer", "kube-apiserver", "kube-controller-manager"] {
            processes::signal(&pod, container, Signal::STOP)?;
        }
        let lose = lose(cluster, victim);
        if leads.is_some() {
            fails_over(cluster, &before, &format!("{victim} is lost"), lose).await?;
        } else {
            lose.await?;
        }
    }
    Ok(())
}

/// Takes away the leader's node, and brings it back.
async fn lose_a_node(world: &World, cluster: &VirtualCluster) -> Result<()> {
    let bed = world.bed();
    let (first, others) = bed.nodes.split_first().context("there are no nodes")?;
    // Through the first one leads our own way to services.
    let mut before = Leader::of(cluster).await?;
    for _ in 0..REPLICAS * 3 {
        let pod = cluster.host.get(kind::PODS, &before.pod).await?;
        if node_of(&pod) != first.name {
            break;
        }
        hang(cluster, "syncer").await?;
        before = Leader::of(cluster).await?;
    }
    let pod = cluster.host.get(kind::PODS, &before.pod).await?;
    let node = others
        .iter()
        .find(|node| node.name == node_of(&pod))
        .with_context(|| format!("{} leads on {}", before.pod, node_of(&pod)))?;
    let away = async {
        let lost = bed.lose_node(node);
        let what = format!("{} is lost with {}", node.name, before.pod);
        let (lost, over) =
            tokio::join!(lost, fails_over(cluster, &before, &what, async { Ok(()) }));
        lost?;
        over?;
        is_ready(world, node, false).await?;
        // With the node away for good, as far as the host knows, all goes on.
        let space = cluster.space("ledger");
        space.apply(&sample::pod("meanwhile", sample::idle())).await?;
        space.ready("meanwhile").await.map(drop)
    }
    .await;
    bed.return_node(node).await?;
    away?;
    is_ready(world, node, true).await
}

async fn is_ready(world: &World, node: &Node, ready: bool) -> Result<()> {
    holds(&format!("the host knows about {}", node.name), || async {
        let found = world.host().get(kind::NODES, "", &node.name).await?;
        let said = condition(&found, "Ready").unwrap_or_default();
        ensure!((said == "True") == ready, "Ready is {said}");
        Ok(())
    })
    .await
}
