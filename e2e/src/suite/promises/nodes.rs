//! Nodes as the virtual cluster sees them.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "nodes-are-those-in-use",
    about: "the virtual cluster shows the nodes that its pods run on, their names resolve, and a node goes with its last pod",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let cluster = world.create("nodes").await?;
    let default = cluster.space("default");
    // Two pods that keep apart use two nodes.
    let apart = json!({ "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [{
        "topologyKey": "kubernetes.io/hostname", "labelSelector": { "matchLabels": { "app": "apart" } },
    }]}}});
    let pods = sample::deployment("apart", 2, sample::script("sleep 100000"));
    default.apply(&sample::with(pods, "/spec/template/spec", apart)).await?;
    default.rolled_out("deployment/apart").await?;
    let pods = cluster.inside.list(kind::PODS, "", "").await?;
    let used: BTreeSet<&str> = pods.iter().map(|pod| text(pod, "/spec/nodeName")).collect();
    let nodes = cluster.inside.list(kind::NODES, "", "").await?;
    let shown: BTreeSet<&str> = nodes.iter().map(|node| text(node, "/metadata/name")).collect();
    ensure!(shown == used && used.len() >= 2, "there are {shown:?}, pods are on {used:?}");
    let pod = default.list(kind::PODS, "app=apart").await?;
    let pod = pod.first().context("there is no pod")?;
    let pod = text(pod, "/metadata/name");
    for node in &nodes {
        let name = text(node, "/metadata/name");
        ensure!(
            crate::suite::space::condition(node, "Ready") == Some("True"),
            "{name} is not ready"
        );
        let addresses = node
            .pointer("/status/addresses")
            .and_then(|list| list.as_array())
            .cloned()
            .unwrap_or_default();
        let address = |kind: &str| {
            addresses
                .iter()
                .find(|address| text(address, "/type") == kind)
                .map(|address| text(address, "/address").to_owned())
        };
        let internal =
            address("InternalIP").with_context(|| format!("{name} has no InternalIP"))?;
        let service =
            cluster.host.get(kind::SERVICES, &format!("{}-node-{name}", cluster.name)).await?;
        ensure!(text(&service, "/spec/clusterIP") == internal, "{name} has address {internal}");
        let hostname = address("Hostname").with_context(|| format!("{name} has no Hostname"))?;
        // The kubelet brings the list of nodes to CoreDNS within a minute, which looks at it every 15 s.
        holds(&format!("{hostname} resolves"), || async {
            // The dot keeps the search list out of it; there is no IPv6 address, which fails the program.
            let said = default.sh(pod, &format!("nslookup {hostname}. || true")).await?;
            ensure!(said.contains(&internal), "it is {said}");
            Ok(())
        })
        .await?;
    }

    default.patch(kind::DEPLOYMENTS, "apart/scale", json!({ "spec": { "replicas": 0 } })).await?;
    // What remains is where CoreDNS runs.
    let dns = cluster.space("kube-system").list(kind::PODS, "k8s-app=vcluster-kube-dns").await?;
    let used: Vec<&str> = dns.iter().map(|pod| text(pod, "/spec/nodeName")).collect();
    holds("a node without pods goes", || async {
        let nodes = cluster.inside.list(kind::NODES, "", "").await?;
        let names: Vec<&str> = nodes.iter().map(|node| text(node, "/metadata/name")).collect();
        ensure!(names == used, "there are {names:?}, pods are on {used:?}");
        Ok(())
    })
    .await
}
