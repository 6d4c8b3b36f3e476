//! Deleting leaves nothing.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::suite::holds::holds;
use crate::suite::home::Home;
use crate::suite::space::{Space, text};
use crate::suite::virtual_cluster::{VirtualCluster, Wish};
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "delete-leaves-nothing",
    about: "after delete the host is as it was before create: in the namespace, outside of it, and in the kubeconfig",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let host = world.host_namespace("tidy").await?;
    host.apply(&sample::config_map("somebody-elses", json!({ "a": "b" }))).await?;
    host.apply(&sample::pod("somebody-elses", sample::idle())).await?;
    host.ready("somebody-elses").await?;
    // The namespace's own objects are made by controllers a moment after it.
    holds("the namespace is complete", || host.get(kind::CONFIG_MAPS, "kube-root-ca.crt")).await?;
    let before = inventory(&host).await?;

    let wish = Wish { namespace: Some(host.name.clone()), ..Wish::default() };
    let cluster = world.create_with("tidy", &wish).await?;
    let home = &cluster.home;
    let kubeconfig = view(home).await?;
    busy(&cluster).await?;
    home.run(&["connect", &cluster.name]).await?.succeeds()?;
    let volumes = volumes(&world, &host.name).await?;
    let wanted = world.setting().claims() + 1;
    ensure!(volumes.len() == wanted, "the store and the workload have volumes, not {volumes:?}");

    home.run(&["delete", &cluster.name]).await?.ends_with(6)?;
    home.run(&["delete", &cluster.name, "-y"]).await?.succeeds()?;
    let after = inventory(&host).await?;
    ensure!(
        after == before,
        "left behind: {:?}; taken away: {:?}",
        after.difference(&before).collect::<Vec<_>>(),
        before.difference(&after).collect::<Vec<_>>()
    );
    holds("the volumes are gone", || async {
        let left = self::volumes(&world, &host.name).await?;
        ensure!(left.is_empty(), "there are {left:?}");
        Ok(())
    })
    .await?;
    let outside = outside(&world, &cluster).await?;
    ensure!(outside.is_empty(), "left behind outside of the namespace: {outside:?}");
    ensure!(home.forwarders().is_empty(), "the forwarder is left");
    ensure!(view(home).await? == kubeconfig, "the kubeconfig is not as it was");
    home.run(&["delete", &cluster.name, "-y"]).await?.ends_with(3)?;
    home.run(&["delete", &cluster.name, "-y", "--ignore-not-found"]).await?.succeeds()?;

    // A namespace that create made goes too.
    let own = world.create("tidy").await?;
    own.home.run(&["delete", &own.name, "-y"]).await?.succeeds()?;
    let left = world.host().find(kind::NAMESPACES, "", &own.host.name).await?;
    ensure!(left.is_none(), "the namespace that create made is left");
    Ok(())
}

/// One of everything that leaves something on the host.
async fn busy(cluster: &VirtualCluster) -> Result<()> {
    let default = cluster.space("default");
    default.apply(&sample::config_map("settings", json!({ "a": "b" }))).await?;
    default.apply(&sample::secret("key", json!({ "a": "b" }))).await?;
    default.apply(&sample::claim("data")).await?;
    default.apply(&sample::service("web")).await?;
    let volumes = json!({ "volumes": [
        { "name": "settings", "configMap": { "name": "settings" } },
        { "name": "key", "secret": { "secretName": "key" } },
        { "name": "data", "persistentVolumeClaim": { "claimName": "data" } },
    ]});
    let web = sample::deployment("web", 1, sample::web());
    default.apply(&sample::with(web, "/spec/template/spec", volumes)).await?;
    default.rolled_out("deployment/web").await
}

/// Every object in the namespace but those that tell of the past: kind, name and UID.
pub(super) async fn inventory(space: &Space) -> Result<BTreeSet<String>> {
    let kinds = space
        .kubectl(&["api-resources", "--namespaced", "--verbs=list", "--output", "name"])
        .await?;
    let past = ["events", "events.events.k8s.io", "pods.metrics.k8s.io"];
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !past.contains(kind)).collect();
    let found = space.kubectl(&["get", &kinds.join(","), "--output", "json"]).await?;
    let found: Value = serde_json::from_str(&found)?;
    let items = found.get("items").and_then(Value::as_array).context("no list")?;
    Ok(items
        .iter()
        .map(|item| {
            format!(
                "{} {} {}",
                text(item, "/kind"),
                text(item, "/metadata/name"),
                text(item, "/metadata/uid")
            )
        })
        .collect())
}

/// Kind and name of all objects of a namespace but those that every namespace has.
pub(super) async fn remains(space: &Space) -> Result<Vec<String>> {
    const OWN: [&str; 2] = ["ConfigMap kube-root-ca.crt", "ServiceAccount default"];
    let all = inventory(space).await?;
    let names = all.iter().filter_map(|object| object.rsplit_once(' ')).map(|(name, _uid)| name);
    Ok(names.filter(|name| !OWN.contains(name)).map(str::to_owned).collect())
}

/// Objects without a namespace that name the virtual cluster.
pub(super) async fn outside(world: &World, cluster: &VirtualCluster) -> Result<Vec<String>> {
    let host = &world.host().kubectl;
    let kinds = host
        .run(&["api-resources", "--namespaced=false", "--verbs=list", "--output", "name"])
        .await?;
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.contains("metrics.k8s.io")).collect();
    let found = host.json(&["get", &kinds.join(",")]).await?;
    let items = found.get("items").and_then(Value::as_array).context("no list")?;
    Ok(items
        .iter()
        // Namespaces are named alike here, and volumes are looked at above.
        .filter(|item| !matches!(text(item, "/kind"), "Namespace" | "PersistentVolume"))
        .filter(|item| item.to_string().contains(&cluster.name))
        .map(|item| format!("{} {}", text(item, "/kind"), text(item, "/metadata/name")))
        .collect())
}

pub(super) async fn volumes(world: &World, namespace: &str) -> Result<Vec<String>> {
    let volumes = world.host().list(kind::VOLUMES, "", "").await?;
    let ours =
        volumes.iter().filter(|volume| text(volume, "/spec/claimRef/namespace") == namespace);
    Ok(ours.map(|volume| text(volume, "/metadata/name").to_owned()).collect())
}

/// All that the kubeconfig says.
async fn view(home: &Home) -> Result<Value> {
    let mut kubectl = home.command("kubectl");
    let said = home.hear(kubectl.args(["config", "view", "--raw", "--output", "json"])).await?;
    Ok(serde_json::from_str(&said.succeeds()?.stdout)?)
}
