//! Pods, both ways.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::holds::holds;
use crate::suite::space::{condition, text};
use crate::suite::virtual_cluster::{MANAGED_BY, origin_uid};
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "pods-are-mirrored-both-ways",
    about: "a pod runs on the host under a documented name with marks; its status, node, events and end come back; readiness gates go over",
    company: Company::Any,
    fits: Fits::Smoke,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let common = world.common().await?;
    let space = world.space("mirror").await?;
    marks(&common, &space).await?;
    gate(&common, &space).await?;
    ends(&common, &space).await
}

type Common = crate::suite::virtual_cluster::VirtualCluster;
type Space = crate::suite::space::Space;

async fn marks(common: &Common, space: &Space) -> Result<()> {
    space.apply(&sample::pod("plain", sample::idle())).await?;
    let pod = space.ready("plain").await?;
    let twin = common.twin(kind::PODS, &space.name, "plain").await?;
    let name = format!("plain-x-{}-x-{}", space.name, common.name);
    ensure!(text(&twin, "/metadata/name") == name, "its name is {}", text(&twin, "/metadata/name"));
    ensure!(origin_uid(&twin) == text(&pod, "/metadata/uid"), "it notes another UID");
    let labels = twin.pointer("/metadata/labels").cloned().unwrap_or_default();
    for (key, value) in
        [("app", "plain"), (MANAGED_BY, &common.name), ("vcluster.loft.sh/namespace", &space.name)]
    {
        ensure!(labels.get(key) == Some(&json!(value)), "label {key} is not {value}: {labels}");
    }
    let workload = format!("vc-workload-{}", common.name);
    ensure!(
        text(&twin, "/spec/serviceAccountName") == workload,
        "it runs as {}",
        text(&twin, "/spec/serviceAccountName")
    );
    for pointer in
        ["/spec/nodeName", "/status/podIP", "/status/hostIP", "/status/startTime", "/status/phase"]
    {
        ensure!(
            pod.pointer(pointer) == twin.pointer(pointer),
            "{pointer} differs: {:?} inside, {:?} on the host",
            pod.pointer(pointer),
            twin.pointer(pointer)
        );
    }
    ensure!(
        pod.get("status").is_some_and(|status| !status.to_string().contains(&name)),
        "its status shows host names"
    );
    let message = space.event("plain", "Started", crate::suite::holds::PATIENCE).await?;
    ensure!(!message.contains("-x-"), "the event shows a host name: {message:?}");
    // A label that is set later arrives too.
    space
        .patch(kind::PODS, "plain", json!({ "metadata": { "labels": { "late": "yes" } } }))
        .await?;
    holds("a new label is on the host", || async {
        let twin = common.twin(kind::PODS, &space.name, "plain").await?;
        ensure!(text(&twin, "/metadata/labels/late") == "yes", "not yet");
        Ok(())
    })
    .await
}

/// A condition that only the virtual cluster knows decides whether the pod is ready.
async fn gate(common: &Common, space: &Space) -> Result<()> {
    let gates = json!({ "readinessGates": [{ "conditionType": "example.com/open" }] });
    space.apply(&sample::with(sample::pod("gated", sample::idle()), "/spec", gates)).await?;
    holds("the containers are ready", || async {
        let pod = space.get(kind::PODS, "gated").await?;
        ensure!(condition(&pod, "ContainersReady") == Some("True"), "{:?}", pod.get("status"));
        ensure!(condition(&pod, "Ready") == Some("False"), "the gate does not count");
        Ok(())
    })
    .await?;
    let open = r#"{"status":{"conditions":[{"type":"example.com/open","status":"True"}]}}"#;
    space
        .kubectl(&[
            "patch",
            "pod",
            "gated",
            "--subresource=status",
            "--type=strategic",
            "--patch",
            open,
        ])
        .await?;
    let pod = space.ready("gated").await?;
    ensure!(condition(&pod, "example.com/open") == Some("True"), "the condition is lost");
    let twin = common.twin(kind::PODS, &space.name, "gated").await?;
    ensure!(condition(&twin, "Ready") == Some("True"), "the host pod is not ready");
    Ok(())
}

/// The end of a pod, wished on either side.
async fn ends(common: &Common, space: &Space) -> Result<()> {
    // The container's last words go into a file of a claim that outlives it; they show that it had its time.
    let script =
        "trap 'sleep 1; echo bye > /dev/termination-log; exit 0' TERM; while :; do sleep 0.1; done";
    let mut slow = sample::pod("slow", sample::script(script));
    slow = sample::with(slow, "/spec", json!({ "terminationGracePeriodSeconds": 20 }));
    slow = sample::with(slow, "/metadata", json!({ "finalizers": ["example.com/look"] }));
    space.apply(&slow).await?;
    space.ready("slow").await?;
    space.delete(kind::PODS, "slow").await?;
    let ended = holds("the container has ended in its own time", || async {
        let pod = space.get(kind::PODS, "slow").await?;
        let ended = pod.pointer("/status/containerStatuses/0/state/terminated").cloned();
        ended.ok_or_else(|| anyhow::anyhow!("{:?}", pod.get("status")))
    })
    .await?;
    ensure!(text(&ended, "/message").trim() == "bye", "it was not given its time: {ended}");
    space.patch(kind::PODS, "slow", json!({ "metadata": { "finalizers": null } })).await?;
    space.gone(kind::PODS, "slow").await?;
    common.no_twin(kind::PODS, &space.name, "slow").await?;

    // Somebody on the host deletes a pod: as if its node had gone.
    space.apply(&sample::deployment("again", 1, sample::idle())).await?;
    space.rolled_out("deployment/again").await?;
    let first = space.list(kind::PODS, "app=again").await?;
    let Some(first) = first.first() else { anyhow::bail!("there is no pod") };
    let name = text(first, "/metadata/name");
    let twin = common.twin(kind::PODS, &space.name, name).await?;
    common.host.delete(kind::PODS, text(&twin, "/metadata/name")).await?;
    space.gone(kind::PODS, name).await?;
    space.rolled_out("deployment/again").await
}
