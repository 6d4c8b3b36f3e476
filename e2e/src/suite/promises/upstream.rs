//! Whoever comes from the Go vcluster keeps what they have.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use vcluster_config::images::KUBERNETES_VERSION;

use super::delete::remains;
use crate::suite::holds::holds;
use crate::suite::home::Home;
use crate::suite::space::{Space, text};
use crate::suite::{Company, Fits, Promise, kind, sample, upstream, world::World};

pub const PROMISE: Promise = Promise {
    name: "what-the-go-vcluster-made-is-looked-after",
    about: "a release that the Go vcluster made is listed, connected to, paused, resumed with its data, and deleted; what is not its own stays",
    company: Company::Any,
    fits: Fits::Default("the release is none of `create`"),
    run: |world| Box::pin(run(world)),
};

/// Not part of the release.
const STRANGER: &str = "stranger";

async fn run(world: World) -> Result<()> {
    let space = world.host_namespace("upstream").await?;
    let home = world.home(world.host())?;
    let name = world.name("old");
    let host = home.context().await?;
    space.create(&sample::config_map(STRANGER, json!({ "a": "b" }))).await?;
    upstream::release(&home, &space, &name).await?;
    let pod = format!("{name}-0");
    space.ready(&pod).await?;
    let row = holds("it is listed as running", || async {
        let row = listed(&home, &space).await?.context("it is not listed")?;
        let now = space.get(kind::PODS, &pod).await?;
        ensure!(
            (text(&row, "/Name"), text(&row, "/Status")) == (name.as_str(), "Running"),
            "it is listed as {row}, and its containers are {:?}",
            now.pointer("/status/containerStatuses")
        );
        Ok(row)
    })
    .await?;
    // The syncer's container is one of Kubernetes here.
    ensure!(text(&row, "/Version").ends_with(KUBERNETES_VERSION.trim_start_matches('v')), "{row}");

    home.run(&["connect", &name]).await?.succeeds()?;
    let namespaces = kubectl(&home, &["get", "namespaces"]).await?;
    ensure!(namespaces.contains("kube-system"), "the namespaces are {namespaces}");
    kubectl(&home, &["create", "configmap", "kept", "--from-literal=a=b"]).await?;

    home.run(&["pause", &name]).await?.succeeds()?;
    let pods = space.list(kind::PODS, "").await?;
    ensure!(pods.is_empty(), "{} pods are left on the host", pods.len());
    let set = space.get(kind::STATEFUL_SETS, &name).await?;
    for (mark, value) in [("paused", "true"), ("paused-replicas", "1")] {
        let have = text(&set, &format!("/metadata/annotations/loft.sh~1{mark}")).to_owned();
        ensure!(have == value, "loft.sh/{mark} is {have:?}");
    }
    let row = listed(&home, &space).await?.context("it is not listed any more")?;
    ensure!(text(&row, "/Status") == "Paused", "paused, it is listed as {row}");

    home.run(&["resume", &name]).await?.succeeds()?;
    space.ready(&pod).await?;
    home.run(&["connect", &name]).await?.succeeds()?;
    kubectl(&home, &["get", "configmap", "kept"]).await?;

    home.run(&["delete", &name, "-y"]).await?.succeeds()?;
    ensure!(home.context().await? == host, "the context is {}", home.context().await?);
    ensure!(home.forwarders().is_empty(), "a forwarder is left");
    ensure!(listed(&home, &space).await?.is_none(), "it is still listed");
    let left = remains(&space).await?;
    ensure!(left == [format!("ConfigMap {STRANGER}")], "what is left: {left:?}");
    Ok(())
}

/// The line of `list` for the namespace.
async fn listed(home: &Home, space: &Space) -> Result<Option<Value>> {
    let rows = home.listed(&space.name).await?;
    ensure!(rows.len() < 2, "there are several: {rows:?}");
    Ok(rows.into_iter().next())
}

async fn kubectl(home: &Home, args: &[&str]) -> Result<String> {
    Ok(home.hear(home.command("kubectl").args(args)).await?.succeeds()?.stdout)
}
