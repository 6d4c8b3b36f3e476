//! A virtual cluster with an address of its own.

use anyhow::{Context as _, Result, ensure};

use crate::suite::cluster::Cluster;
use crate::suite::space::text;
use crate::suite::virtual_cluster::Wish;
use crate::suite::{Company, Fits, Promise, kind, world::World};

pub const PROMISE: Promise = Promise {
    name: "expose-gives-an-address",
    about: "with --expose the virtual cluster has a load balancer's address, and connecting needs no forwarder",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let wish = Wish { args: vec!["--expose".into()], ..Wish::default() };
    let cluster = world.create_with("exposed", &wish).await?;
    let service = cluster.host.get(kind::SERVICES, &cluster.name).await?;
    let address = service
        .pointer("/status/loadBalancer/ingress/0/ip")
        .and_then(|ip| ip.as_str())
        .context("the Service has no address")?;
    cluster.home.run(&["connect", &cluster.name]).await?.succeeds()?;
    ensure!(cluster.home.forwarders().is_empty(), "a forwarder was started");
    let mut kubectl = cluster.home.command("kubectl");
    let view = kubectl.args(["config", "view", "--minify", "--output", "json"]);
    let view = cluster.home.hear(view).await?.succeeds()?;
    let view: serde_json::Value = serde_json::from_str(&view.stdout)?;
    let server = text(&view, "/clusters/0/cluster/server");
    ensure!(server.contains(address), "the server is {server}, not {address}");
    let inside = Cluster::open(&world.host().kubectl, &cluster.home.kubeconfig()).await?;
    inside.get(kind::NAMESPACES, "", "kube-system").await.map(drop)
}
