//! The two loads, a burst and a steady stream, and what is measured of them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use http::Method;
use serde_json::json;

use super::api::Answer;
use super::figures::percentile;
use super::life::{Life, Milestone};
use super::observer::Observer;
use super::pods::{Load, Pod};
use super::requests::Counts;
use super::sheet::{Sheet, Subject};
use super::stage::Stand;

/// How many requests the client has under way at a time.
const PARALLEL: usize = 16;
/// After so long without any news, a load is given up.
const PATIENCE: Duration = Duration::from_secs(90);
/// How many pods a second the steady stream has.
pub const PACE: f64 = 2.0;

/// The stretches of a pod's way, for tables of where the time goes.
const LEGS: &[(&str, Milestone, Milestone)] = &[
    ("1 client's request -> seen inside", Milestone::Sent, Milestone::InsideSeen),
    ("2 seen inside -> host object", Milestone::InsideSeen, Milestone::HostSeen),
    ("3 host object -> bound", Milestone::HostSeen, Milestone::HostBound),
    ("4 bound -> Running on the host", Milestone::HostBound, Milestone::HostRunning),
    ("5 bound on the host -> bound inside", Milestone::HostBound, Milestone::InsideBound),
    ("6 Running on the host -> Running inside", Milestone::HostRunning, Milestone::InsideRunning),
    ("7 deletion asked -> leaving on the host", Milestone::DeleteSent, Milestone::HostLeaving),
    ("8 leaving -> gone on the host", Milestone::HostLeaving, Milestone::HostGone),
    ("9 gone on the host -> gone inside", Milestone::HostGone, Milestone::InsideGone),
];

/// How the pods of a load arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// As quickly as the API server takes them.
    Burst,
    /// At [`PACE`].
    Steady,
}

/// Creates a load's pods, waits until they run, deletes them, and notes under `name` what that took.
///
/// # Errors
/// When a request is refused, or the pods do not get there.
pub async fn measure(
    stand: &Stand<'_>,
    load: &Load,
    arrival: Arrival,
    name: &str,
    sheet: &mut Sheet,
) -> Result<()> {
    let all = load.pods();
    let observer = Observer::start(stand.inside, stand.host, &load.selector()).await?;
    stand.rest().await?;
    let requests = requests(stand).await?;
    let usage = stand.census.usage()?;
    let began = observer.now();
    match arrival {
        Arrival::Burst => create(stand, load, &all, &observer).await?,
        Arrival::Steady => stream(stand, load, &all, &observer).await?,
    }
    observer.reached(stand.running(), all.len(), PATIENCE).await?;
    let settled = stand.census.usage()?;
    stand.rest().await?;
    let with_pods = stand.census.memory("syncer");
    let deleting = observer.now();
    delete(stand, &all, &observer).await?;
    observer.reached(Milestone::HostGone, all.len(), PATIENCE).await?;
    observer.reached(stand.gone(), all.len(), PATIENCE).await?;
    let gone = observer.latest(stand.gone()).max(observer.latest(Milestone::HostGone));
    stand.rest().await?;
    let used = stand.census.usage()?;

    let mut add =
        |figure: &str, value: f64| sheet.add(format!("{name}/{figure}"), stand.subject, value);
    let pods = all.len() as f64;
    let until = |milestone| (observer.latest(milestone) - began).as_secs_f64();
    add("host pods a second", pods / until(Milestone::HostSeen));
    add("all running", until(stand.running()));
    add("all deleted", (gone - deleting).as_secs_f64());
    add("others' cores", usage_of_others(&usage, &settled, until(stand.running())));
    let lives = observer.lives();
    let to_host = ("create to host object", Milestone::Sent, Milestone::HostSeen);
    let to_running = ("create to running", Milestone::Sent, stand.running());
    for (figure, from, to) in [to_host, to_running] {
        spread(&lives, from, to, |part, value| add(&format!("{figure} {part}"), value));
    }
    for (leg, from, to) in LEGS {
        spread(&lives, *from, *to, |part, value| add(&format!("leg/{leg}/{part}"), value));
    }
    for (process, seconds) in used.since(&usage) {
        add(&format!("cpu/{process}"), seconds);
    }
    if stand.subject != Subject::Bare {
        let after = stand.census.memory("syncer");
        add(
            "syncer cpu",
            used.since(&usage).get("syncer").copied().unwrap_or_default() * 1000.0 / pods,
        );
        add("syncer resident with pods", with_pods.resident);
        add("syncer anonymous with pods", with_pods.anonymous);
        add("syncer resident afterwards", after.resident);
        add("syncer peak", after.peak);
    }
    let (host, inside) = requests_since(stand, &requests, pods).await?;
    for (side, counts) in [("host", host), ("inside", inside)] {
        if stand.subject == Subject::Bare {
            break;
        }
        add(&format!("requests {side}"), counts.sum() / pods);
        add(&format!("events {side}"), counts.events() / pods);
        for (what, count) in counts.0.iter().filter(|(_, count)| **count >= pods / 100.0) {
            add(&format!("requests/{side}: {what}"), count / pods);
        }
    }
    Ok(())
}

async fn create(stand: &Stand<'_>, load: &Load, pods: &[Pod], observer: &Observer) -> Result<()> {
    futures::stream::iter(pods)
        .map(|pod| create_one(stand, load, pod, observer))
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
}

async fn stream(stand: &Stand<'_>, load: &Load, pods: &[Pod], observer: &Observer) -> Result<()> {
    let mut clock = tokio::time::interval(Duration::from_secs_f64(1.0 / PACE));
    for pod in pods {
        clock.tick().await;
        create_one(stand, load, pod, observer).await?;
    }
    Ok(())
}

async fn create_one(stand: &Stand<'_>, load: &Load, pod: &Pod, observer: &Observer) -> Result<()> {
    let manifest = load.manifest(pod);
    observer.mark(&pod.key(), Milestone::Sent);
    let created = stand.client().send::<Answer>(Method::POST, &pod.collection(), manifest).await;
    created.map(drop).with_context(|| format!("pod {} is refused", pod.key()))
}

async fn delete(stand: &Stand<'_>, pods: &[Pod], observer: &Observer) -> Result<()> {
    let body = json!({ "propagationPolicy": "Background" }).to_string().into_bytes();
    futures::stream::iter(pods)
        .map(|pod| {
            let body = body.clone();
            async move {
                observer.mark(&pod.key(), Milestone::DeleteSent);
                let deleted =
                    stand.client().send::<Answer>(Method::DELETE, &pod.path(), body).await;
                deleted.map(drop).with_context(|| format!("pod {} cannot be deleted", pod.key()))
            }
        })
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
}

/// Median and 99th percentile of a stretch, in seconds.
fn spread(lives: &[Life], from: Milestone, to: Milestone, mut add: impl FnMut(&str, f64)) {
    let mut times: Vec<f64> = lives.iter().filter_map(|life| life.leg(from, to)).collect();
    for (part, share) in [("p50", 0.5), ("p99", 0.99)] {
        if let Some(value) = percentile(&mut times, share) {
            add(part, value);
        }
    }
}

fn usage_of_others(
    before: &super::processes::Usage,
    after: &super::processes::Usage,
    seconds: f64,
) -> f64 {
    after.others_since(before) / seconds.max(0.001)
}

async fn requests(stand: &Stand<'_>) -> Result<(Counts, Counts)> {
    match stand.inside {
        Some(inside) => Ok((Counts::on_host(stand.host).await?, Counts::inside(inside).await?)),
        None => Ok(Default::default()),
    }
}

/// What the syncer sent since, on each side.
async fn requests_since(
    stand: &Stand<'_>,
    before: &(Counts, Counts),
    pods: f64,
) -> Result<(Counts, Counts)> {
    let (host, inside) = requests(stand).await?;
    let inside = inside.since(&before.1).without("POST pods", pods).without("DELETE pods", pods);
    Ok((host.since(&before.0), inside))
}
