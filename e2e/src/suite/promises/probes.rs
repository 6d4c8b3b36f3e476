//! Probes.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::suite::holds::holds;
use crate::suite::space::{condition, text};
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "probes-decide",
    about: "a failing readiness probe takes a pod out of its Service, a failing liveness probe restarts it, and both show inside",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let space = world.space("probes").await?;
    let check = |file: &str| json!({ "exec": { "command": ["test", "!", "-e", file] }, "periodSeconds": 1, "failureThreshold": 1 });
    let probes = json!({
        "startupProbe": { "exec": { "command": ["test", "-e", "/tmp/started"] }, "periodSeconds": 1, "failureThreshold": 60 },
        "readinessProbe": check("/tmp/busy"),
        "livenessProbe": check("/tmp/dead"),
    });
    let script = "rm -f /tmp/*; sleep 2; touch /tmp/started; trap 'exit 0' TERM; while :; do sleep 0.2; done";
    let container = sample::with(sample::script(script), "", probes);
    space.apply(&sample::pod("patient", container)).await?;
    space.apply(&sample::service("patient")).await?;
    space.ready("patient").await?;
    endpoints(&space, 1).await?;

    space.sh("patient", "touch /tmp/busy").await?;
    endpoints(&space, 0).await?;
    let pod = space.get(kind::PODS, "patient").await?;
    ensure!(condition(&pod, "Ready") == Some("False"), "the pod is ready all the same");
    space.sh("patient", "rm /tmp/busy").await?;
    endpoints(&space, 1).await?;

    space.sh("patient", "touch /tmp/dead").await?;
    holds("the container is started again", || async {
        let pod = space.get(kind::PODS, "patient").await?;
        ensure!(
            pod.pointer("/status/containerStatuses/0/restartCount") == Some(&json!(1)),
            "{:?}",
            pod.pointer("/status/containerStatuses")
        );
        Ok(())
    })
    .await?;
    space.ready("patient").await?;
    let message = space.event("patient", "Unhealthy", crate::suite::holds::PATIENCE).await?;
    ensure!(message.contains("probe"), "the event says {message:?}");
    Ok(())
}

/// Waits until the Service leads to so many pods.
async fn endpoints(space: &crate::suite::space::Space, count: usize) -> Result<()> {
    holds(&format!("the Service leads to {count} pods"), || async {
        let slices =
            space.list(kind::ENDPOINT_SLICES, "kubernetes.io/service-name=patient").await?;
        let ready = slices
            .iter()
            .filter_map(|slice| slice.get("endpoints")?.as_array())
            .flatten()
            .filter(|endpoint| endpoint.pointer("/conditions/ready") == Some(&Value::Bool(true)))
            .map(|endpoint| text(endpoint, "/targetRef/name").to_owned())
            .collect::<Vec<_>>();
        ensure!(ready.len() == count, "it leads to {ready:?}");
        Ok(())
    })
    .await
}
