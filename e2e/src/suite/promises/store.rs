//! The virtual cluster's store is lost, or is put back to an older state.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::suite::holds::{holds, stays};
use crate::suite::said::Said;
use crate::suite::space::text;
use crate::suite::virtual_cluster::{VirtualCluster, origin_uid};
use crate::suite::{Company, Fits, Promise, Setting, kind, sample, world::World};

pub const LOST: Promise = Promise {
    name: "a-lost-store-deletes-nothing",
    about: "when the virtual store is lost, no claim, volume or secret on the host is deleted and the syncer says why it stands still; after `adopt` a claim that is made again has its data",
    company: Company::Any,
    fits: Fits::AllBut(
        &[Setting::EtcdHa, Setting::Postgresql, Setting::Mysql],
        "it lays hands on the files of SQLite",
    ),
    run: |world| Box::pin(lost(world)),
};

pub const OLDER: Promise = Promise {
    name: "an-older-store-deletes-nothing",
    about: "when the virtual store is put back to an older state, no claim, volume or secret on the host is deleted and the syncer says why it stands still; `prune` takes away what is too new",
    company: Company::Any,
    fits: Fits::AllBut(
        &[Setting::EtcdHa, Setting::Postgresql, Setting::Mysql],
        "it lays hands on the files of SQLite",
    ),
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
    adopted(&world, &cluster, &before).await
}

/// Someone decides to keep it all.
async fn adopted(
    world: &World,
    cluster: &VirtualCluster,
    before: &BTreeMap<String, String>,
) -> Result<()> {
    let default = cluster.space("default");
    let old = cluster.twin(kind::CLAIMS, "default", "early").await?;
    let pod = cluster.twin(kind::PODS, "default", "early").await?;
    let said = decide(cluster, &["adopt", &cluster.name, "-y"]).await?.succeeds()?;
    ensure!(said.stdout.contains("early") && said.stdout.contains("kept"), "it says {said}");
    cluster.well().await?;
    let now = precious(world, cluster).await?;
    // Of pods' tokens those of CoreDNS go, which starts afresh.
    for (what, uid) in before.iter().filter(|(what, _)| !what.contains("vcluster-token")) {
        ensure!(now.get(what) == Some(uid), "{what} was not kept");
    }
    let running = cluster.twin(kind::PODS, "default", "early").await?;
    ensure!(
        text(&running, "/metadata/uid") == text(&pod, "/metadata/uid"),
        "the pod on the host was not kept"
    );

    inhabit(cluster, &["early"]).await?;
    let claim = cluster.twin(kind::CLAIMS, "default", "early").await?;
    ensure!(
        text(&claim, "/metadata/uid") == text(&old, "/metadata/uid"),
        "the claim has another one's data"
    );
    let inside = default.get(kind::CLAIMS, "early").await?;
    ensure!(origin_uid(&claim) == text(&inside, "/metadata/uid"), "it was not handed over");
    // As any other from now on.
    default.delete(kind::PODS, "early").await?;
    default.delete(kind::CLAIMS, "early").await?;
    default.gone(kind::CLAIMS, "early").await?;
    cluster.no_twin(kind::CLAIMS, "default", "early").await
}

/// Someone decides to delete what is too new.
async fn pruned(
    world: &World,
    cluster: &VirtualCluster,
    before: &BTreeMap<String, String>,
) -> Result<()> {
    let prune = ["prune", cluster.name.as_str()];
    let said = decide(cluster, &[&prune[..], &["--dry-run"]].concat()).await?.succeeds()?;
    for wanted in ["later", "latest", "deleted", "--claims"] {
        ensure!(said.stdout.contains(wanted), "it does not say {wanted}: {said}");
    }
    ensure!(!said.stdout.contains("early"), "early is to go: {said}");
    let said = decide(cluster, &prune).await?;
    ensure!(said.code == Some(6), "nobody said yes: {said}");
    ensure!(precious(world, cluster).await? == *before, "something was deleted without a yes");

    decide(cluster, &[&prune[..], &["-y"]].concat()).await?.succeeds()?;
    cluster.well().await?;
    for name in ["later", "latest"] {
        cluster.no_twin(kind::PODS, "default", name).await?;
        cluster.no_twin(kind::SECRETS, "default", name).await?;
        cluster.twin(kind::CLAIMS, "default", name).await?;
    }
    decide(cluster, &[&prune[..], &["--claims", "-y"]].concat()).await?.succeeds()?;
    for name in ["later", "latest"] {
        cluster.no_twin(kind::CLAIMS, "default", name).await?;
    }
    for kind in [kind::PODS, kind::CLAIMS, kind::SECRETS] {
        cluster.twin(kind, "default", "early").await?;
    }
    inhabit(cluster, &["later"]).await
}

async fn decide(cluster: &VirtualCluster, args: &[&str]) -> Result<Said> {
    let context = cluster.home.context().await?;
    let place = ["-n", cluster.host.name.as_str(), "--context", &context];
    cluster.home.run(&[args, &place].concat()).await
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
    pruned(&world, &cluster, &before).await
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
