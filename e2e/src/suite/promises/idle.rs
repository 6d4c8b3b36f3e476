//! A virtual cluster that has nothing to do.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::suite::holds::{holds, holds_within, stays};
use crate::suite::kind::Kind;
use crate::suite::space::text;
use crate::suite::virtual_cluster::VirtualCluster;
use crate::suite::{Company, Fits, Promise, Setting, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "idle-means-no-writes",
    about: "a virtual cluster whose workloads do not change writes nothing for a minute, on neither side",
    company: Company::Any,
    fits: Fits::AllBut(&[Setting::EtcdHa], "who leads of several writes that it still does"),
    run: |world| Box::pin(run(world)),
};

/// How long nothing may be written.
const MINUTE: Duration = Duration::from_secs(60);

/// Everything that the syncer could write.
const KINDS: [Kind; 11] = [
    kind::PODS,
    kind::SERVICES,
    kind::ENDPOINTS,
    kind::ENDPOINT_SLICES,
    kind::CONFIG_MAPS,
    kind::SECRETS,
    kind::CLAIMS,
    kind::EVENTS,
    kind::LEASES,
    kind::SERVICE_ACCOUNTS,
    kind::STATEFUL_SETS,
];

async fn run(world: World) -> Result<()> {
    let cluster = world.create("idle").await?;
    let default = cluster.space("default");
    default.apply(&sample::config_map("settings", serde_json::json!({ "a": "b" }))).await?;
    default.apply(&sample::deployment("web", 2, sample::web())).await?;
    default.apply(&sample::service("web")).await?;
    default.rolled_out("deployment/web").await?;

    // Settled is when twenty seconds have passed without a change.
    let state = holds_within(Duration::from_secs(180), "all has settled", || async {
        let before = state(&cluster).await?;
        stays(Duration::from_secs(20), "nothing changes", || same(&cluster, &before)).await?;
        Ok(before)
    })
    .await?;
    let writes = holds("the syncer tells its writes", || writes(&cluster)).await?;
    stays(MINUTE, "nothing is written", || same(&cluster, &state)).await?;
    let after = self::writes(&cluster).await?;
    ensure!(after == writes, "the syncer sent {} writes in a minute", after - writes);
    Ok(())
}

async fn same(cluster: &VirtualCluster, before: &BTreeMap<String, String>) -> Result<()> {
    let now = state(cluster).await?;
    let changed: Vec<&String> =
        now.keys().chain(before.keys()).filter(|key| now.get(*key) != before.get(*key)).collect();
    ensure!(changed.is_empty(), "changed: {changed:?}");
    Ok(())
}

/// The version of every object on both sides.
async fn state(cluster: &VirtualCluster) -> Result<BTreeMap<String, String>> {
    let mut state = BTreeMap::new();
    let mut note = |side: &str, kind: Kind, objects: Vec<Value>| {
        for object in objects {
            let name = format!(
                "{}/{}",
                text(&object, "/metadata/namespace"),
                text(&object, "/metadata/name")
            );
            // Every API server renews a lease of its own; and a probe that comes late on a busy machine is the kubelet's
            // news, which is passed on.
            let unhealthy = kind == kind::EVENTS && text(&object, "/reason") == "Unhealthy";
            if !unhealthy && !name.starts_with("kube-system/apiserver-") {
                state.insert(
                    format!("{side} {} {name}", kind.name),
                    text(&object, "/metadata/resourceVersion").to_owned(),
                );
            }
        }
    };
    for kind in KINDS {
        note("host", kind, cluster.host.list(kind, "").await?);
        note("virtual", kind, cluster.inside.list(kind, "", "").await?);
    }
    note("virtual", kind::NODES, cluster.inside.list(kind::NODES, "", "").await?);
    Ok(state)
}

/// Writes that the syncer has sent since it started.
async fn writes(cluster: &VirtualCluster) -> Result<u64> {
    let metrics = super::door::ask(cluster, "GET /metrics").await?;
    // What the events tell is compared one by one.
    let counted = |line: &&str| {
        line.starts_with("vcluster_sync_ops_total{") && !line.contains("kind=\"events\"")
    };
    let lines = metrics.lines().filter(counted);
    Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}
