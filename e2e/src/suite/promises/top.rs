//! What pods and nodes use, as the host has measured it.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::virtual_cluster::{VirtualCluster, Wish};
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "top-shows-what-pods-and-nodes-use",
    about: "with integrations.metricsServer, `kubectl top pod` and `kubectl top node` work inside, show this virtual cluster's pods by their own names and no others, to whoever may look at pods; turned off again, nothing of it is left",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

const API: &str = "v1beta1.metrics.k8s.io";

async fn run(world: World) -> Result<()> {
    let values = json!({ "integrations": { "metricsServer": { "enabled": true } } });
    let wish = Wish { values: Some(values), ..Wish::default() };
    let cluster = world.create_with("top", &wish).await?;
    let shop = cluster.inside.create_namespace("shop").await?;
    let busy = sample::with(
        sample::pod("busy", sample::script("while true; do :; done")),
        "/metadata",
        json!({ "labels": { "app": "busy" } }),
    );
    shop.apply(&busy).await?;
    shop.apply(&sample::pod("idle", sample::idle())).await?;
    shop.ready("busy").await?;
    shop.ready("idle").await?;

    // The host measures a new pod within half a minute.
    let lines = holds("all pods are measured", || async {
        let said = shop.kubectl(&["top", "pod", "-A", "--no-headers"]).await?;
        let names = column(&said, 1);
        ensure!(names.contains("busy") && names.contains("idle"), "there is only {said}");
        Ok(said)
    })
    .await?;
    let pods = cluster.inside.list(kind::PODS, "", "").await?;
    let known: BTreeSet<String> =
        pods.iter().map(|pod| text(pod, "/metadata/name").to_owned()).collect();
    ensure!(column(&lines, 1).is_subset(&known), "there are strangers in {lines}");

    // Each of several control planes measures by itself, and any of them may answer.
    holds("a label or a name chooses pods", || async {
        let busy = shop.kubectl(&["top", "pod", "-l", "app=busy", "--no-headers"]).await?;
        ensure!(column(&busy, 0) == BTreeSet::from(["busy".into()]), "a label chooses {busy}");
        ensure!(!busy.contains(" 0m "), "a busy pod takes no CPU time: {busy}");
        let one = shop.kubectl(&["top", "pod", "idle", "--containers", "--no-headers"]).await?;
        ensure!(column(&one, 0) == BTreeSet::from(["idle".into()]), "a name chooses {one}");
        Ok(())
    })
    .await?;
    holds("nodes are measured", || async {
        let nodes = shop.kubectl(&["top", "node", "--no-headers"]).await?;
        let there = cluster.inside.list(kind::NODES, "", "").await?;
        let there: BTreeSet<String> =
            there.iter().map(|node| text(node, "/metadata/name").to_owned()).collect();
        ensure!(column(&nodes, 0) == there, "the nodes are {there:?}, and told is of {nodes}");
        Ok(())
    })
    .await?;

    viewers_may(&cluster).await?;
    cluster.inside.delete(kind::NAMESPACES, "", "shop").await?;
    holds("a namespace can be deleted beside it", || async {
        let shop = cluster.inside.find(kind::NAMESPACES, "", "shop").await?;
        ensure!(shop.is_none(), "it is still there");
        Ok(())
    })
    .await?;
    turned_off(&cluster).await
}

/// Whoever may look at pods may look at their numbers; nobody else.
async fn viewers_may(cluster: &VirtualCluster) -> Result<()> {
    let default = cluster.space("default");
    default.kubectl(&["create", "rolebinding", "v", "--clusterrole=view", "--user=viewer"]).await?;
    holds("a viewer may", || async {
        default.kubectl(&["auth", "can-i", "list", "pods.metrics.k8s.io", "--as=viewer"]).await
    })
    .await?;
    let said = default.kubectl(&["top", "pod", "--as=stranger"]).await;
    ensure!(said.is_err_and(|error| format!("{error:#}").contains("orbidden")), "a stranger may");
    Ok(())
}

async fn turned_off(cluster: &VirtualCluster) -> Result<()> {
    let (name, namespace) = (cluster.name.as_str(), cluster.host.name.as_str());
    let off = "integrations.metricsServer.enabled=false";
    let upgrade = ["create", name, "-n", namespace, "--upgrade", "--connect=false", "--set", off];
    cluster.home.run(&upgrade).await?.succeeds()?;
    cluster.well().await?;
    let system = cluster.space("kube-system");
    holds("the API is taken back", || async {
        let left = system.kubectl(&["get", "apiservice", API, "--ignore-not-found"]).await?;
        ensure!(left.is_empty(), "there still is {left}");
        Ok(())
    })
    .await?;
    system.gone(kind::SERVICES, "vcluster-metrics").await
}

/// The words of a column.
fn column(lines: &str, number: usize) -> BTreeSet<String> {
    let words = lines.lines().filter_map(|line| line.split_whitespace().nth(number));
    words.map(str::to_owned).collect()
}
