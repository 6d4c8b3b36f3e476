//! Pods that the host does not take.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::holds::{holds, stays};
use crate::suite::space::text;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "a-refused-pod-says-why",
    about: "a pod that the host refuses stays pending with an event that says why, and starts when the host allows it",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let cluster = world.create("quota").await?;
    let default = cluster.space("default");
    let full = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "full" },
        "spec": { "hard": { "count/pods": "1" } },
    });
    cluster.host.apply(&full).await?;
    holds("the quota is counted", || async {
        let quota = cluster.host.get(kind::QUOTAS, "full").await?;
        ensure!(quota.pointer("/status/used").is_some(), "not yet");
        Ok(())
    })
    .await?;
    default.create(&sample::pod("patient", sample::idle())).await?;
    let message = default.event("patient", "SyncError", Duration::from_secs(60)).await?;
    ensure!(message.contains("quota"), "the event says {message:?}");
    stays(Duration::from_secs(3), "the pod waits", || async {
        let pod = default.get(kind::PODS, "patient").await?;
        ensure!(text(&pod, "/status/phase") == "Pending", "it is {}", text(&pod, "/status/phase"));
        Ok(())
    })
    .await?;
    cluster.host.delete(kind::QUOTAS, "full").await?;
    default.ready("patient").await.map(drop)
}
