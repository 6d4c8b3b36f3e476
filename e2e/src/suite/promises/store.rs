//! The virtual cluster's store is lost, or is put back to an older state.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::suite::holds::{holds, stays};
use crate::suite::space::text;
use crate::suite::virtual_cluster::VirtualCluster;
use crate::suite::{Company, Promise, kind, sample, world::World};

pub const LOST: Promise = Promise {
    name: "a-lost-store-deletes-nothing",
    about: "when the virtual store is lost, no claim, volume or secret on the host is deleted; the syncer says why it stands still",
    company: Company::Any,
    run: |world| Box::pin(lost(world)),
};

pub const OLDER: Promise = Promise {
    name: "an-older-store-deletes-nothing",
    about: "when the virtual store is put back to an older state, no claim, volume or secret on the host is deleted; the syncer says why it stands still",
    company: Company::Any,
    run: |world| Box::pin(older(world)),
};

/// How long nothing may be deleted. Without protection it takes two seconds.
const WATCH: Duration = Duration::from_secs(15);

async fn lost(world: World) -> Result<()> {
    let cluster = world.create("lost").await?;
    inhabit(&cluster, &["early"]).await?;
    let before = precious(&world, &cluster).await?;
    let store = stopped(&world, &cluster).await?;
    empty(&store)?;
    cluster.scale(1).await?;
    stands_still(&world, &cluster, &before).await?;
    let inside = cluster.space("default").list(kind::CLAIMS, "").await?;
    ensure!(inside.is_empty(), "the store was not lost");
    Ok(())
}

async fn older(world: World) -> Result<()> {
    let cluster = world.create("older").await?;
    inhabit(&cluster, &["early"]).await?;
    let store = stopped(&world, &cluster).await?;
    let copy = tempfile::tempdir()?;
    copy_files(&store, copy.path())?;
    cluster.scale(1).await?;
    cluster.well().await?;
    inhabit(&cluster, &["later", "latest"]).await?;
    let before = precious(&world, &cluster).await?;

    stopped(&world, &cluster).await?;
    empty(&store)?;
    copy_files(copy.path(), &store)?;
    cluster.scale(1).await?;
    stands_still(&world, &cluster, &before).await?;
    let inside = cluster.space("default");
    ensure!(inside.find(kind::CLAIMS, "early").await?.is_some(), "the older state is not there");
    ensure!(inside.find(kind::CLAIMS, "later").await?.is_none(), "the store was not put back");
    Ok(())
}

/// Pods with a claim and a secret each.
async fn inhabit(cluster: &VirtualCluster, names: &[&str]) -> Result<()> {
    let default = cluster.space("default");
    for name in names {
        default.apply(&sample::claim(name)).await?;
        default.apply(&sample::secret(name, json!({ "word": "xyzzy" }))).await?;
        let volumes = json!({ "volumes": [
            { "name": "data", "persistentVolumeClaim": { "claimName": name } },
            { "name": "key", "secret": { "secretName": name } },
        ]});
        default.apply(&sample::with(sample::pod(name, sample::idle()), "/spec", volumes)).await?;
    }
    for name in names {
        default.ready(name).await?;
    }
    Ok(())
}

/// What must not be deleted: UIDs of the host's claims, volumes and secrets.
async fn precious(world: &World, cluster: &VirtualCluster) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut note = |kind: kind::Kind, objects: Vec<Value>| {
        for object in objects {
            found.insert(
                format!("{} {}", kind.name, text(&object, "/metadata/name")),
                text(&object, "/metadata/uid").to_owned(),
            );
        }
    };
    for kind in [kind::CLAIMS, kind::SECRETS] {
        note(kind, cluster.twins(kind).await?);
    }
    let volumes = world.host().list(kind::VOLUMES, "", "").await?;
    let ours = |volume: &Value| text(volume, "/spec/claimRef/namespace") == cluster.host.name;
    note(kind::VOLUMES, volumes.into_iter().filter(ours).collect());
    Ok(found)
}

/// Watches over them while the control plane runs with the store that it has now.
async fn stands_still(
    world: &World,
    cluster: &VirtualCluster,
    before: &BTreeMap<String, String>,
) -> Result<()> {
    let here = || async {
        let now = precious(world, cluster).await?;
        for (what, uid) in before {
            ensure!(now.get(what) == Some(uid), "{what} was {uid} and is {:?}", now.get(what));
        }
        anyhow::Ok(())
    };
    let reason = holds("the syncer says why it stands still", || async {
        here().await?;
        let report = super::door::readiness(cluster).await?;
        let line = report.lines().find(|line| line.contains("read-only")).map(str::to_owned);
        line.with_context(|| format!("it says:\n{report}"))
    })
    .await?;
    ensure!(reason.contains("store"), "its reason is {reason:?}");
    stays(WATCH, "no claim, volume or secret is deleted", here).await?;
    // kubectl inside still works.
    let inside = cluster.space("default");
    inside.apply(&sample::config_map("after", json!({ "a": "b" }))).await.map(drop)
}

/// Stops the control plane and returns the folder of its store.
async fn stopped(world: &World, cluster: &VirtualCluster) -> Result<PathBuf> {
    cluster.scale(0).await?;
    cluster.host.gone(kind::PODS, &format!("{}-0", cluster.name)).await?;
    let claim = cluster.host.get(kind::CLAIMS, &format!("data-{}-0", cluster.name)).await?;
    let volume = world.host().get(kind::VOLUMES, "", text(&claim, "/spec/volumeName")).await?;
    let path = ["/spec/hostPath/path", "/spec/local/path"]
        .into_iter()
        .map(|pointer| text(&volume, pointer))
        .find(|path| !path.is_empty())
        .context("the volume is no folder of this machine")?;
    Ok(path.into())
}

fn empty(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)?.flatten() {
        if entry.path().is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Copies files with their owners, who differ from us.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    for entry in std::fs::read_dir(from)?.flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            std::fs::create_dir_all(&target)?;
            copy_files(&source, &target)?;
        } else {
            std::fs::copy(&source, &target)?;
        }
        std::os::unix::fs::chown(&target, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    Ok(())
}
