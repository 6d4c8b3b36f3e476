//! Several control planes at a time.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::json;
use tokio::sync::watch;

use super::stores::lose;
use crate::suite::holds::holds;
use crate::suite::holds::holds_within;
use crate::suite::load::{Steady, Waves};
use crate::suite::space::text;
use crate::suite::virtual_cluster::{VirtualCluster, Wish};
use crate::suite::{Company, Promise, agreement, kind, processes, world::World};

pub const PROMISE: Promise = Promise {
    name: "any-control-plane-may-go",
    about: "with three control planes the leading syncer may hang and each pod be lost in turn under load: no acknowledged write is lost, nothing on the host is duplicated or orphaned, another syncer leads within 5 s",
    company: Company::NobodyForLong,
    run: |world| Box::pin(run(world)),
};

/// How many.
const REPLICAS: u32 = 3;
/// Until another syncer leads.
const FAIL_OVER: Duration = Duration::from_secs(5);

async fn run(world: World) -> Result<()> {
    let values = json!({ "controlPlane": {
        "statefulSet": { "highAvailability": { "replicas": REPLICAS } },
        "backingStore": { "etcd": { "deploy": { "enabled": true } } },
    }});
    let cluster =
        world.create_with("three", &Wish { values: Some(values), ..Wish::default() }).await?;
    let pods: Vec<String> =
        (0..REPLICAS).map(|number| format!("{}-{number}", cluster.name)).collect();
    for pod in &pods {
        cluster.host.ready(pod).await?;
    }
    let steady = Steady::settle(&cluster).await?;
    let mut waves = Waves::new(&cluster).await?;
    let (stop, stopped) = watch::channel(false);
    let trouble = async {
        // Not before there is something to lose.
        holds("the load is on the host", || cluster.twin(kind::PODS, "waves", "pod-1")).await?;
        hang(&cluster).await?;
        for pod in &pods {
            lose(&cluster, pod).await?;
        }
        stop.send_replace(true);
        anyhow::Ok(())
    };
    tokio::try_join!(waves.roll(stopped), trouble)?;
    cluster.well().await?;
    waves.as_acknowledged().await?;
    agreement::reached(&cluster).await?;
    steady.untouched().await
}

/// Stops the leading syncer until another leads. Then it goes on, and for a moment believes that it leads too.
async fn hang(cluster: &VirtualCluster) -> Result<()> {
    let before = leader(cluster).await?;
    let pod = cluster.host.get(kind::PODS, &before).await?;
    processes::signal(&pod, "syncer", Signal::STOP)?;
    let taken = holds_within(FAIL_OVER, "another syncer leads", || async {
        let now = leader(cluster).await?;
        ensure!(now != before, "{before} still does");
        Ok(())
    })
    .await;
    processes::signal(&pod, "syncer", Signal::CONT)?;
    taken
}

/// The pod whose syncer holds the lease.
async fn leader(cluster: &VirtualCluster) -> Result<String> {
    let lease = format!("vcluster-{}-controller", cluster.name);
    let lease = cluster.host.get(kind::LEASES, &lease).await?;
    let holder = text(&lease, "/spec/holderIdentity");
    let (pod, _) = holder.split_once('_').with_context(|| format!("{holder:?} holds the lease"))?;
    Ok(pod.to_owned())
}
