//! A DaemonSet.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "a-daemon-set-runs-on-every-node",
    about: "a DaemonSet has one pod on each node that the virtual cluster shows, on that very host node",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    // Nodes come and go with the pods on them, so nobody else's pods may be here.
    let cluster = world.create("daemons").await?;
    let default = cluster.space("default");
    // One pod a node keeps two real nodes in view at least.
    let spread = json!({ "topologySpreadConstraints": [{
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": { "matchLabels": { "app": "anchor" } },
    }]});
    let anchors = sample::deployment("anchor", 2, sample::idle());
    default.apply(&sample::with(anchors, "/spec/template/spec", spread)).await?;
    default.rolled_out("deployment/anchor").await?;
    default.apply(&sample::workload("DaemonSet", "agent", sample::idle())).await?;
    holds("an agent runs on every node", || async {
        let mut nodes: Vec<String> =
            names(&cluster.inside.list(kind::NODES, "", "").await?, "/metadata/name");
        nodes.sort();
        ensure!(nodes.len() >= 2, "the virtual cluster shows {nodes:?}");
        let set = default.get(kind::DAEMON_SETS, "agent").await?;
        let ready = set.pointer("/status/numberReady");
        ensure!(ready == Some(&json!(nodes.len())), "{:?}", set.get("status"));
        let mut used = names(&default.list(kind::PODS, "app=agent").await?, "/spec/nodeName");
        used.sort();
        ensure!(used == nodes, "agents are on {used:?}, the nodes are {nodes:?}");
        for agent in default.list(kind::PODS, "app=agent").await? {
            let twin = cluster.twin(kind::PODS, "default", text(&agent, "/metadata/name")).await?;
            let (inside, host) = (text(&agent, "/spec/nodeName"), text(&twin, "/spec/nodeName"));
            ensure!(inside == host, "it is on {inside} inside and on {host} on the host");
        }
        Ok(())
    })
    .await
}

fn names(objects: &[serde_json::Value], pointer: &str) -> Vec<String> {
    objects.iter().map(|object| text(object, pointer).to_owned()).collect()
}
