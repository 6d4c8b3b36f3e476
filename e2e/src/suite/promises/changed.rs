//! What of a virtual cluster cannot be changed.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::checkout;
use crate::suite::{Company, Fits, Promise, kind, world::World};

pub const PROMISE: Promise = Promise {
    name: "another-store-is-refused",
    about: "changing the distribution or the store of a virtual cluster is refused by `create --upgrade` and by the chart itself, both with the way out; nothing is touched",
    company: Company::Any,
    fits: Fits::Default("it begins with the default"),
    run: |world| Box::pin(run(world)),
};

const ETCD: &str = "controlPlane.backingStore.etcd.deploy.enabled=true";
const EKS: &str = "controlPlane.distro.eks.enabled=true";

async fn run(world: World) -> Result<()> {
    let cluster = world.common().await?;
    let (name, namespace) = (cluster.name.as_str(), cluster.host.name.as_str());
    let before = cluster.host.get(kind::STATEFUL_SETS, name).await?;

    let upgrade = ["create", name, "-n", namespace, "--upgrade", "--connect=false", "--set"];
    for (value, reason) in [
        (ETCD, "its store is database.embedded, not etcd.deploy"),
        (EKS, "its distribution is k8s, not eks"),
    ] {
        let said = cluster.home.run(&[&upgrade[..], &[value]].concat()).await?;
        said.ends_with(6)?.complains(&[reason, &format!("vcluster create {name}-2")])?;
    }

    // By hand, as those do who have no command line of ours.
    let chart = checkout::root()?.join("charts/vcluster");
    for (value, reason) in [
        (ETCD, "store: database.embedded, and not etcd.deploy"),
        (EKS, "distribution: k8s, and not eks"),
    ] {
        let mut helm = cluster.home.command("helm");
        helm.args(["upgrade", name, "--namespace", namespace, "--set", value]).arg(&chart);
        let said = cluster.home.hear(&mut helm).await?;
        ensure!(said.code != Some(0), "helm changes it: {said}");
        said.complains(&[reason, "--reuse-values"])?;
    }

    let after = cluster.host.get(kind::STATEFUL_SETS, name).await?;
    let spec = |set: &Value| set.pointer("/spec").cloned();
    ensure!(spec(&after) == spec(&before), "the StatefulSet was changed");
    let etcd = cluster.host.find(kind::STATEFUL_SETS, &format!("{name}-etcd")).await?;
    ensure!(etcd.is_none(), "an etcd was deployed");
    Ok(())
}
