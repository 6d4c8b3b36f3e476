//! The virtual cluster that promises share, after them: paused, resumed, and in the end deleted.

use anyhow::{Result, ensure};

use super::create::looks_as_documented;
use super::delete::{outside, remains, volumes};
use crate::suite::holds::holds;
use crate::suite::space::{Space, text};
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PAUSED: Promise = Promise {
    name: "data-outlives-a-pause",
    about: "the virtual cluster is made as the setting says; after pause nothing of it runs, its store neither; after resume a StatefulSet has its data and a Service leads to its pod",
    company: Company::Nobody,
    fits: Fits::Smoke,
    run: |world| Box::pin(paused(world)),
};

pub const DELETED: Promise = Promise {
    name: "delete-takes-the-store-too",
    about: "delete takes the control plane, its store and whatever stands for objects inside, volumes too, from a namespace that it is told to leave",
    company: Company::Nobody,
    fits: Fits::Smoke,
    run: |world| Box::pin(deleted(world)),
};

async fn paused(world: World) -> Result<()> {
    let cluster = world.common().await?;
    looks_as_documented(&world, &cluster.name, &cluster.host.name).await?;
    let space = world.space("kept").await?;
    space.apply(&sample::database(1)).await?;
    space.apply(&sample::service("db")).await?;
    space.rolled_out("statefulset/db").await?;
    space.sh("db-0", "echo precious > /data/file").await?;
    let claim = space.get(kind::CLAIMS, "data-db-0").await?;

    let home = &cluster.home;
    home.run(&["pause", &cluster.name]).await?.succeeds()?;
    let pods = cluster.host.list(kind::PODS, "").await?;
    ensure!(pods.is_empty(), "{} pods are left on the host", pods.len());
    let set = cluster.host.get(kind::STATEFUL_SETS, &cluster.name).await?;
    let replicas = text(&set, "/metadata/annotations/loft.sh~1paused-replicas");
    let wanted = world.setting().replicas().to_string();
    ensure!(replicas == wanted, "it will come back with {replicas} replicas, not {wanted}");

    home.run(&["resume", &cluster.name]).await?.succeeds()?;
    cluster.well().await?;
    space.rolled_out("statefulset/db").await?;
    let data = holds("a command runs in the pod", || space.sh("db-0", "cat /data/file")).await?;
    ensure!(data == "precious\n", "the data is {data:?}");
    let now = space.get(kind::CLAIMS, "data-db-0").await?;
    ensure!(text(&now, "/metadata/uid") == text(&claim, "/metadata/uid"), "it is another claim");
    answers(&space).await
}

/// DNS is back too.
async fn answers(space: &Space) -> Result<()> {
    let fetch = format!("wget -q -O - http://db.{}/hostname", space.name);
    let answer = holds("the Service answers", || space.sh("db-0", &fetch)).await?;
    ensure!(answer == "db-0", "the Service leads to {answer:?}");
    Ok(())
}

async fn deleted(world: World) -> Result<()> {
    let cluster = world.common().await?;
    let (name, namespace) = (cluster.name.as_str(), cluster.host.name.as_str());
    let before = volumes(&world, namespace).await?.len();
    let stores = world.setting().claims();
    ensure!(before >= stores, "there are {before} volumes, and the store has {stores}");

    let leave = "--auto-delete-namespace=false";
    let args = ["delete", name, "-n", namespace, "-y", leave];
    cluster.home.run(&args).await?.succeeds()?;
    let left = remains(&cluster.host).await?;
    ensure!(left.is_empty(), "left behind: {left:?}");
    holds("the volumes are gone", || async {
        let left = volumes(&world, namespace).await?;
        ensure!(left.is_empty(), "there are {left:?}");
        Ok(())
    })
    .await?;
    let outside = outside(&world, &cluster).await?;
    ensure!(outside.is_empty(), "left behind outside of the namespace: {outside:?}");
    Ok(())
}
