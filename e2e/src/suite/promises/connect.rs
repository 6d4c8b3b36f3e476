//! Every way into a virtual cluster, and out of it.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::suite::cluster::Cluster;
use crate::suite::holds::holds;
use crate::suite::virtual_cluster::VirtualCluster;
use crate::suite::{Company, Fits, Promise, kind, world::World};

pub const PROMISE: Promise = Promise {
    name: "connect-in-every-way",
    about: "connect leaves one forwarder behind that disconnect ends, forwards in the foreground, writes a file, prints, or runs a command",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let cluster = world.create("ways").await?;
    let host_context = cluster.home.context().await?;
    forwarder(&world, &cluster, &host_context).await?;
    print(&world, &cluster, &host_context).await?;
    file(&world, &cluster).await?;
    command(&cluster, &host_context).await?;
    foreground(&world, &cluster, &host_context).await?;
    let said = cluster.home.run(&["connect", "no-such-cluster"]).await?;
    said.ends_with(3)?.complains(&["error:", "no-such-cluster"]).map(drop)
}

/// One is left behind, found again, and ended.
async fn forwarder(world: &World, cluster: &VirtualCluster, host_context: &str) -> Result<()> {
    let home = &cluster.home;
    home.run(&["connect", &cluster.name]).await?.succeeds()?;
    answers(world, &home.kubeconfig()).await?;
    let first = home.forwarders();
    ensure!(first.len() == 1, "there is not one forwarder but {first:?}");
    home.run(&["connect", &cluster.name]).await?.succeeds()?;
    ensure!(home.forwarders() == first, "there are now {:?}, after {first:?}", home.forwarders());
    home.run(&["disconnect"]).await?.succeeds()?;
    ensure!(home.context().await? == host_context, "the context is {}", home.context().await?);
    ensure!(home.forwarders().is_empty(), "disconnect left {:?}", home.forwarders());
    Ok(())
}

async fn print(world: &World, cluster: &VirtualCluster, host_context: &str) -> Result<()> {
    let home = &cluster.home;
    let said = home.run(&["connect", &cluster.name, "--print"]).await?.succeeds()?;
    let printed = home.path("printed.kubeconfig");
    std::fs::write(&printed, said.stdout)?;
    answers(world, &printed).await?;
    ensure!(home.context().await? == host_context, "--print changed the current context");
    Ok(())
}

async fn file(world: &World, cluster: &VirtualCluster) -> Result<()> {
    let home = &cluster.home;
    let before = std::fs::read(home.kubeconfig())?;
    let args = ["--update-current=false", "--kube-config", "own/../own.yaml"];
    std::fs::create_dir_all(home.path("own"))?;
    home.run(&[&["connect", cluster.name.as_str()][..], &args].concat()).await?.succeeds()?;
    ensure!(std::fs::read(home.kubeconfig())? == before, "the kubeconfig was changed");
    answers(world, &home.path("own.yaml")).await
}

/// The command has a kubeconfig of its own, its output and its exit code.
async fn command(cluster: &VirtualCluster, host_context: &str) -> Result<()> {
    let script = "kubectl get namespace kube-system --output name && exit 7";
    let args = ["connect", &cluster.name, "--", "sh", "-c", script];
    let said = cluster.home.run(&args).await?.ends_with(7)?;
    ensure!(said.stdout == "namespace/kube-system\n", "the command's output is not alone: {said}");
    ensure!(cluster.home.context().await? == host_context, "the current context was changed");
    Ok(())
}

async fn foreground(world: &World, cluster: &VirtualCluster, host_context: &str) -> Result<()> {
    let home = &cluster.home;
    home.leave();
    let mut child = home
        .vcluster(&["connect", &cluster.name, "--background-proxy=false"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start vcluster")?;
    holds("the foreground forwarder works", || async {
        ensure!(home.context().await?.starts_with("vcluster_"), "the context is not switched");
        answers(world, &home.kubeconfig()).await
    })
    .await?;
    ensure!(home.forwarders().is_empty(), "it left a background forwarder");
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    kill_process(pid.context("it ended by itself")?, Signal::INT)?;
    let status = child.wait().await?;
    ensure!(status.success(), "after Ctrl-C it ended with {status}");
    ensure!(home.context().await? == host_context, "the context is {}", home.context().await?);
    let contexts =
        home.hear(home.command("kubectl").args(["config", "get-contexts", "-o", "name"])).await?;
    if contexts.stdout.contains(&cluster.name) {
        bail!("its context is still there: {contexts}");
    }
    Ok(())
}

async fn answers(world: &World, kubeconfig: &std::path::Path) -> Result<()> {
    let inside = Cluster::open(&world.host().kubectl, kubeconfig).await?;
    inside.get(kind::NAMESPACES, "", "kube-system").await.map(drop)
}
