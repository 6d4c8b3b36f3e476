//! SQLite with a copy elsewhere.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::suite::buckets::Storage;
use crate::suite::holds::holds;
use crate::suite::load::Steady;
use crate::suite::space::text;
use crate::suite::virtual_cluster::{VirtualCluster, Wish};
use crate::suite::{Company, Fits, Promise, agreement, kind, runner, sample, world::World};

pub const CLAIM: Promise = Promise {
    name: "a-lost-claim-comes-back-from-its-copy",
    about: "with a copy of SQLite in S3-compatible storage, a control plane whose claim is lost comes back with all objects; pods, claims and services on the host stay as they are",
    company: Company::NobodyForLong,
    fits: Fits::Default("it chooses its store"),
    run: |world| Box::pin(claim(world)),
};

pub const VOLUME: Promise = Promise {
    name: "a-volume-to-throw-away-has-its-copy",
    about: "without a claim, the copy in S3-compatible storage brings everything back after a pause; when the volume is lost without a warning, the last seconds are, and what is on the host waits for someone to decide",
    company: Company::NobodyForLong,
    fits: Fits::Default("it chooses its store"),
    run: |world| Box::pin(volume(world)),
};

/// The most that may be lost without a warning: twice the time between two looks of Litestream, and the way.
const WINDOW: Duration = Duration::from_secs(5);
/// More than a control plane writes by itself when it starts; else nobody could tell that the store is an older one.
const UNSENT: usize = 500;

async fn claim(world: World) -> Result<()> {
    let (storage, cluster) = replicated(&world, json!({})).await?;
    let steady = Steady::settle(&cluster).await?;
    let default = cluster.space("default");
    let made = default.apply(&sample::config_map("last", json!({ "a": "b" }))).await?;

    let pod = cluster.control_plane().await?;
    let name = format!("data-{}-0", cluster.name);
    let claim = cluster.host.get(kind::CLAIMS, &name).await?;
    cluster.host.kubectl(&["delete", "persistentvolumeclaim", &name, "--wait=false"]).await?;
    cluster.host.delete(kind::PODS, text(&pod, "/metadata/name")).await?;
    replaced(&cluster, &pod).await?;
    let now = cluster.host.get(kind::CLAIMS, &name).await?;
    ensure!(text(&now, "/metadata/uid") != text(&claim, "/metadata/uid"), "it is the old claim");
    storage.holds_something(&format!("{}/{}", cluster.host.name, cluster.name))?;

    cluster.well().await?;
    let last = default.get(kind::CONFIG_MAPS, "last").await?;
    ensure!(text(&last, "/metadata/uid") == text(&made, "/metadata/uid"), "it is another one");
    steady.untouched().await?;
    agreement::reached(&cluster).await?;
    default.apply(&sample::pod("after", sample::web())).await?;
    default.ready("after").await.map(drop)
}

async fn volume(world: World) -> Result<()> {
    let persistence = json!({ "volumeClaim": { "enabled": false } });
    let (_storage, cluster) = replicated(&world, persistence).await?;
    let claims = cluster.host.list(kind::CLAIMS, "").await?;
    ensure!(claims.is_empty(), "there is a claim");
    let default = cluster.space("default");
    default.apply(&sample::deployment("web", 2, sample::web())).await?;
    default.rolled_out("deployment/web").await?;
    let made = default.apply(&sample::config_map("kept", json!({ "a": "b" }))).await?;
    let began = Instant::now();
    cluster.home.run(&["pause", &cluster.name]).await?.succeeds()?;
    let paused = began.elapsed();
    cluster.home.run(&["resume", &cluster.name]).await?.succeeds()?;
    runner::say(&format!(
        "        paused after {:.1} s, resumed after another {:.1} s",
        paused.as_secs_f64(),
        (began.elapsed() - paused).as_secs_f64()
    ));
    cluster.well().await?;
    let kept = default.get(kind::CONFIG_MAPS, "kept").await?;
    ensure!(text(&kept, "/metadata/uid") == text(&made, "/metadata/uid"), "it is another one");
    default.rolled_out("deployment/web").await?;
    agreement::reached(&cluster).await?;
    lost_without_a_warning(&cluster).await
}

/// From one moment on nothing is sent any more, and then pod and volume are gone.
async fn lost_without_a_warning(cluster: &VirtualCluster) -> Result<()> {
    let default = cluster.space("default");
    let mut written = Vec::new();
    let began = Instant::now();
    while began.elapsed() < 2 * WINDOW {
        let name = format!("entry-{}", written.len());
        default.create(&sample::config_map(&name, json!({}))).await?;
        written.push((name, Instant::now()));
    }
    let pod = cluster.control_plane().await?;
    cluster.signal("litestream", Signal::STOP).await?;
    let stopped = Instant::now();
    for number in 0..UNSENT {
        default.create(&sample::config_map(&format!("unsent-{number}"), json!({}))).await?;
    }
    // The host knows of this one, and its copy does not.
    default.apply(&sample::pod("later", sample::idle())).await?;
    let twin = cluster.await_twin(kind::PODS, "default", "later").await?;
    let name = text(&pod, "/metadata/name");
    cluster.host.kubectl(&["delete", "pod", name, "--force", "--grace-period=0"]).await?;
    replaced(cluster, &pod).await?;

    let reason = holds("the syncer says why it stands still", || async {
        let report = super::door::readiness(cluster).await?;
        let line = report.lines().find(|line| line.contains("read-only")).map(str::to_owned);
        line.with_context(|| format!("it says:\n{report}"))
    })
    .await?;
    ensure!(reason.contains("older"), "its reason is {reason:?}");
    let mut lost = None;
    for (name, acknowledged) in written.iter().rev() {
        if default.find(kind::CONFIG_MAPS, name).await?.is_some() {
            break;
        }
        lost = Some(stopped.saturating_duration_since(*acknowledged));
    }
    let lost = lost.unwrap_or_default();
    let written = written.len();
    runner::say(&format!(
        "        of {written} writes, those of the last {:.1} s are lost",
        lost.as_secs_f64()
    ));
    ensure!(lost <= WINDOW, "writes were lost that are {:.1} s old", lost.as_secs_f64());

    let same = cluster.twin(kind::PODS, "default", "later").await;
    ensure!(same.is_ok_and(|it| uid(&it) == uid(&twin)), "the pod on the host was touched");
    let context = cluster.home.context().await?;
    let place = ["-n", cluster.host.name.as_str(), "--context", &context];
    cluster.home.run(&[&["prune", &cluster.name, "-y"], &place[..]].concat()).await?.succeeds()?;
    cluster.well().await?;
    cluster.no_twin(kind::PODS, "default", "later").await?;
    agreement::reached(cluster).await
}

/// A virtual cluster with a copy, and the storage for as long as it runs.
async fn replicated(world: &World, persistence: Value) -> Result<(Storage, VirtualCluster)> {
    world.bed().load_litestream().await?;
    let storage = Storage::start(world.bed()).await?;
    let host = world.host_namespace("replicated").await?;
    let replication = json!({ "enabled": true, "s3": storage.told(&host).await? });
    let embedded = json!({ "enabled": true, "replication": replication });
    let values = json!({ "controlPlane": {
        "backingStore": { "database": { "embedded": embedded } },
        "statefulSet": { "persistence": persistence },
    }});
    let wish = Wish { namespace: Some(host.name), values: Some(values), ..Wish::default() };
    Ok((storage, world.create_with("replicated", &wish).await?))
}

/// Waits until another pod of the control plane runs than this one.
async fn replaced(cluster: &VirtualCluster, old: &Value) -> Result<()> {
    holds("another control plane runs", || async {
        let now = cluster.control_plane().await?;
        ensure!(uid(&now) != uid(old), "it is still the old one");
        ensure!(text(&now, "/status/phase") == "Running", "it is {}", text(&now, "/status/phase"));
        Ok(())
    })
    .await
}

fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}
