//! Programs that are killed while they work.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use crate::suite::holds::{holds, stays};
use crate::suite::kind;
use crate::suite::space::text;
use crate::suite::virtual_cluster::VirtualCluster;
use crate::suite::{Company, Fits, Promise, Setting, agreement, trouble, world::World};

pub const SYNCER: Promise = Promise {
    name: "killing-the-syncer-loses-nothing",
    about: "the syncer is killed again and again under load: nothing is lost, orphaned or wrongly deleted",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world, Victim::Syncer, 3)),
};

pub const VIRTUAL: Promise = Promise {
    name: "killing-the-virtual-api-server-loses-nothing",
    about: "the virtual API server and its store are killed again and again under load: nothing is lost, orphaned or wrongly deleted",
    company: Company::Any,
    fits: Fits::AllBut(&[Setting::EtcdHa], "there is no kine to kill"),
    run: |world| Box::pin(run(world, Victim::VirtualApi, 3)),
};

pub const HOST: Promise = Promise {
    name: "killing-the-host-api-server-loses-nothing",
    about: "the host's API server is killed again and again under load: nothing is lost, orphaned or wrongly deleted",
    company: Company::Nobody,
    fits: Fits::All,
    run: |world| Box::pin(run(world, Victim::HostApi, 3)),
};

pub const CAMPAIGN: Promise = Promise {
    name: "a-campaign-of-kills",
    about: "two hundred kills of everything in turn, under load: nothing is lost, orphaned or wrongly deleted",
    company: Company::NobodyForLong,
    fits: Fits::Default("it takes an hour, and its kills are tried one by one in the others"),
    run: |world| Box::pin(run(world, Victim::Everything, 200)),
};

/// Who is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    Syncer,
    VirtualApi,
    HostApi,
    Everything,
}

async fn run(world: World, victim: Victim, kills: u32) -> Result<()> {
    let cluster = world.create("victim").await?;
    let killing = async {
        for number in 0..kills {
            kill(&world, &cluster, victim, number)
                .await
                .with_context(|| format!("after kill {} of {kills}", number + 1))?;
        }
        anyhow::Ok(())
    };
    let (steady, _) = trouble::befalls(&cluster, killing).await?;
    if victim != Victim::Everything {
        steady.untouched().await?;
    }
    // At rest is at rest: nothing goes on being written, made or deleted.
    stays(Duration::from_secs(5), "both sides agree", || async {
        let differences = agreement::differences(&cluster).await?;
        ensure!(differences.is_empty(), "{}", differences.join("\n"));
        Ok(())
    })
    .await
}

async fn kill(world: &World, cluster: &VirtualCluster, victim: Victim, number: u32) -> Result<()> {
    match victim {
        Victim::Syncer => container(cluster, "syncer").await?,
        Victim::VirtualApi if number % 2 == 1 => container(cluster, "kine").await?,
        Victim::VirtualApi => container(cluster, "kube-apiserver").await?,
        Victim::HostApi => host(world).await?,
        Victim::Everything => match number % 6 {
            0 | 3 => container(cluster, "syncer").await?,
            1 => container(cluster, "kube-apiserver").await?,
            2 => container(cluster, "kine").await?,
            4 => {
                host(world).await?;
                host_follows(world, cluster).await?;
            }
            // A fresh pod, also so that the kubelet does not wait ever longer before it starts a container again.
            _ => {
                let pod = cluster.control_plane().await?;
                cluster
                    .host
                    .kubectl(&["delete", "pod", text(&pod, "/metadata/name"), "--force"])
                    .await?;
                cluster.well().await?;
            }
        },
    }
    Ok(())
}

/// Kills a container and waits until it has been started again.
async fn container(cluster: &VirtualCluster, name: &str) -> Result<()> {
    let before = started(cluster, name).await?;
    cluster.signal(name, Signal::KILL).await?;
    holds(&format!("{name} is started again"), || async {
        let now = started(cluster, name).await?;
        ensure!(now != before, "not yet");
        Ok(())
    })
    .await
}

/// The ID of a container that runs.
async fn started(cluster: &VirtualCluster, name: &str) -> Result<String> {
    let pod = cluster.control_plane().await?;
    let statuses = pod.pointer("/status/containerStatuses").and_then(|list| list.as_array());
    let status = statuses.into_iter().flatten().find(|status| text(status, "/name") == name);
    let running = status.filter(|status| status.pointer("/state/running").is_some());
    running
        .map(|status| text(status, "/containerID").to_owned())
        .ok_or_else(|| anyhow::anyhow!("{name} does not run"))
}

/// Kills the host's API server; it stays away for as long as a virtual wave or two.
async fn host(world: &World) -> Result<()> {
    let bed = world.bed();
    bed.stop("kube-apiserver").await?;
    // The length of the outage is the fault that is injected here.
    tokio::time::sleep(Duration::from_secs(5)).await;
    bed.start("kube-apiserver")?;
    holds("the host's API server answers", || async {
        world.host().text("/readyz").await.map(drop)
    })
    .await
}

/// Waits until the host's controllers see what happens again. For a Service that changes while they do not, its endpoints
/// are looked at again after ever longer times, minutes in the end: what is killed next would stay unreachable.
async fn host_follows(world: &World, cluster: &VirtualCluster) -> Result<()> {
    let probe = world.name("probe");
    let space = &cluster.host;
    space.kubectl(&["create", "service", "clusterip", &probe, "--tcp=80"]).await?;
    for round in ["1", "2"] {
        space
            .kubectl(&["label", "service", &probe, "--overwrite", &format!("round={round}")])
            .await?;
        holds("the host's endpoint slices follow their Services", || async {
            let selector = format!("kubernetes.io/service-name={probe},round={round}");
            let slices = space.list(kind::ENDPOINT_SLICES, &selector).await?;
            ensure!(!slices.is_empty(), "{probe} has no slice of round {round}");
            Ok(())
        })
        .await?;
    }
    space.delete(kind::SERVICES, &probe).await
}
