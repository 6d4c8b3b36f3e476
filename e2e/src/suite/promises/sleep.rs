//! A virtual cluster falls asleep when nobody asks anything, and wakes when somebody does.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::suite::holds::{holds, holds_within};
use crate::suite::runner::say;
use crate::suite::space::text;
use crate::suite::virtual_cluster::{VirtualCluster, Wish};
use crate::suite::{Company, Fits, Promise, Setting, kind, processes, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "sleep-and-wake-by-a-request",
    about: "with sleep.auto an unused virtual cluster frees the host by itself, keeps less than 2 MB of memory of its own and less than 6 MB with its program, and a kubectl request wakes it through the Service and through a forwarder that was there before",
    company: Company::Any,
    fits: Fits::AllBut(&[Setting::EtcdHa], "several-control-planes-sleep-and-wake tries it"),
    run: |world| Box::pin(run(world)),
};

/// What a virtual cluster that sleeps may have in memory, in kB. The pages of its program count, though the kernel takes those
/// back when it needs them, and all virtual clusters of a node share them.
const MOST: u64 = 6 * 1024;

/// What of it may be its own, in kB.
const MOST_OWN: u64 = 2 * 1024;

async fn run(world: World) -> Result<()> {
    let auto = json!({
        // Longer than anything here takes without a request.
        "afterInactivity": "45s",
        "exclude": { "selector": { "labels": { "stays": "up" } } },
    });
    let wish = Wish { values: Some(json!({ "sleep": { "auto": auto } })), ..Wish::default() };
    let cluster = world.create_with("drowsy", &wish).await?;
    let default = cluster.space("default");
    default.apply(&sample::deployment("web", 1, sample::web())).await?;
    let stays = sample::with(
        sample::pod("stays", sample::idle()),
        "/metadata",
        json!({ "labels": { "stays": "up" } }),
    );
    default.apply(&stays).await?;
    default.rolled_out("deployment/web").await?;
    let before = default.ready("stays").await?;
    let home = &cluster.home;
    home.run(&["connect", &cluster.name]).await?.succeeds()?;
    let forwarders = home.forwarders();

    asleep(&cluster).await?;
    costs_little(&cluster).await?;
    let woken = Instant::now();
    // kubectl itself waits for ten seconds, which may not be enough on a busy machine.
    holds("the Service answers", || default.kubectl(&["get", "namespace", "kube-system"])).await?;
    say(&format!("  awake through the Service after {:.1} s", woken.elapsed().as_secs_f64()));
    awake(&cluster).await?;
    default.rolled_out("deployment/web").await?;
    let after = default.ready("stays").await?;
    ensure!(
        text(&before, "/status/startTime") == text(&after, "/status/startTime"),
        "a pod that was to stay was started anew"
    );

    asleep(&cluster).await?;
    ensure!(home.forwarders() == forwarders, "the forwarder ended: {:?}", home.forwarders());
    let woken = Instant::now();
    holds("the forwarder answers", || async {
        let args = ["get", "namespace", "kube-system", "--output", "name"];
        home.hear(home.command("kubectl").args(args)).await?.succeeds()
    })
    .await?;
    say(&format!("  awake through the forwarder after {:.1} s", woken.elapsed().as_secs_f64()));
    awake(&cluster).await?;
    paused_stays_paused(&cluster).await
}

/// Waits until it sleeps, and looks whether the host is free.
async fn asleep(cluster: &VirtualCluster) -> Result<()> {
    holds_within(Duration::from_secs(180), "it has fallen asleep", || async {
        ensure!(mark(cluster, "paused").await? == "true", "it is not marked as paused");
        let plane = cluster.host.list(kind::PODS, "app=vcluster").await?;
        ensure!(plane.is_empty(), "its control plane is still there");
        let pods = cluster.twins(kind::PODS).await?;
        let [stays] = &pods[..] else { anyhow::bail!("{} of its pods are there", pods.len()) };
        ensure!(text(stays, "/metadata/labels/stays") == "up", "another pod stays");
        let service = cluster.host.get(kind::SERVICES, &cluster.name).await?;
        ensure!(
            text(&service, "/spec/selector/app") == "vcluster-activator",
            "nobody is at the door"
        );
        Ok(())
    })
    .await?;
    ensure!(mark(cluster, "paused-replicas").await? == "1", "it will not know its replicas");
    ensure!(cluster.status().await? == "Paused", "list says {}", cluster.status().await?);
    Ok(())
}

/// Waits until clients reach the control plane without a detour.
pub(super) async fn awake(cluster: &VirtualCluster) -> Result<()> {
    holds("it is awake", || async {
        ensure!(mark(cluster, "paused").await?.is_empty(), "it is marked as paused");
        let service = cluster.host.get(kind::SERVICES, &cluster.name).await?;
        let to = service.pointer("/spec/selector").cloned().unwrap_or_default();
        ensure!(to == json!({ "app": "vcluster", "release": cluster.name }), "it leads to {to}");
        Ok(())
    })
    .await
}

/// A person's `pause` is no sleep.
async fn paused_stays_paused(cluster: &VirtualCluster) -> Result<()> {
    cluster.home.run(&["pause", &cluster.name]).await?.succeeds()?;
    let said = cluster.space("default").kubectl(&["get", "pods", "--request-timeout=5s"]).await;
    ensure!(said.is_err(), "a request was answered although it is paused");
    ensure!(mark(cluster, "paused").await? == "true", "a request woke it");
    cluster.home.run(&["resume", &cluster.name]).await?.succeeds().map(drop)
}

/// Says how much memory is left in use.
async fn costs_little(cluster: &VirtualCluster) -> Result<()> {
    let pods = cluster.host.list(kind::PODS, "app=vcluster-activator").await?;
    let [pod] = &pods[..] else { anyhow::bail!("there are {} activators", pods.len()) };
    let pids = processes::of_container(pod, "activator")?;
    let [pid] = pids[..] else { anyhow::bail!("there are {} processes", pids.len()) };
    let file = format!("/proc/{}/status", pid.as_raw_nonzero());
    let process = std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let of = |field: &str| -> Result<u64> {
        let line = process.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.with_context(|| format!("{file} has no {field}"))?.parse().context("no number")
    };
    let (resident, own, file) = (of("VmRSS:")?, of("RssAnon:")?, of("RssFile:")?);
    say(&format!(
        "  asleep: {resident} kB resident, of which {own} kB memory and {file} kB program"
    ));
    ensure!(resident <= MOST, "{resident} kB are more than {MOST}");
    ensure!(own <= MOST_OWN, "{own} kB of its own are more than {MOST_OWN}");
    Ok(())
}

pub(super) async fn mark(cluster: &VirtualCluster, name: &str) -> Result<String> {
    let set = cluster.host.get(kind::STATEFUL_SETS, &cluster.name).await?;
    Ok(text(&set, &format!("/metadata/annotations/loft.sh~1{name}")).to_owned())
}
