//! Pausing frees the host; resuming brings everything back.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::virtual_cluster::VirtualCluster;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "pause-frees-and-resume-brings-back",
    about: "pause frees every host pod and keeps claims, services and secrets; resume brings the workloads back with their data; no program of the control plane has to be killed",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let cluster = world.create("sleeper").await?;
    let default = cluster.space("default");
    default.apply(&sample::deployment("web", 2, sample::web())).await?;
    default.apply(&sample::service("web")).await?;
    default.apply(&sample::pod("bare", sample::idle())).await?;
    default.apply(&sample::claim("data")).await?;
    default.apply(&keeper()).await?;
    default.rolled_out("deployment/web").await?;
    default.ready("bare").await?;
    default.ready("keeper").await?;
    default.sh("keeper", "echo precious > /data/file").await?;
    let home = &cluster.home;
    home.run(&["connect", &cluster.name]).await?.succeeds()?;
    let kept = kept(&cluster).await?;
    let bare = default.get(kind::PODS, "bare").await?;

    home.run(&["pause", &cluster.name]).await?.succeeds()?;
    let pods = cluster.host.list(kind::PODS, "").await?;
    ensure!(pods.is_empty(), "{} pods are left on the host", pods.len());
    ensure!(home.forwarders().is_empty(), "pause left the forwarder");
    ensure!(self::kept(&cluster).await? == kept, "claims, services or secrets were touched");
    let set = cluster.host.get(kind::STATEFUL_SETS, &cluster.name).await?;
    let annotation =
        |name: &str| text(&set, &format!("/metadata/annotations/loft.sh~1{name}")).to_owned();
    let replicas = world.setting().replicas().to_string();
    ensure!(
        annotation("paused") == "true" && annotation("paused-replicas") == replicas,
        "it is not marked as paused"
    );
    ensure!(
        annotation("paused-date").contains('T'),
        "paused-date is {:?}",
        annotation("paused-date")
    );
    ensure!(cluster.status().await? == "Paused", "list says {}", cluster.status().await?);

    home.run(&["resume", &cluster.name]).await?.succeeds()?;
    ensure!(cluster.status().await? == "Running", "list says {}", cluster.status().await?);
    let set = cluster.host.get(kind::STATEFUL_SETS, &cluster.name).await?;
    ensure!(
        set.pointer("/metadata/annotations/loft.sh~1paused").is_none(),
        "it is still marked as paused"
    );
    default.rolled_out("deployment/web").await?;
    default.ready("keeper").await?;
    let back = default.ready("bare").await?;
    ensure!(
        text(&back, "/metadata/uid") == text(&bare, "/metadata/uid"),
        "a pod without a controller was replaced"
    );
    let data =
        holds("a command runs in the pod", || default.sh("keeper", "cat /data/file")).await?;
    ensure!(data == "precious\n", "the data is {data:?}");
    ensure!(self::kept(&cluster).await? == kept, "claims, services or secrets were replaced");

    let said = home.run(&["resume", &cluster.name]).await?;
    said.ends_with(3)?.complains(&["couldn't find a paused vcluster"])?;
    ends_in_order(&cluster).await?;
    ensure!(cluster.status().await? == "ScaledDown", "list says {}", cluster.status().await?);
    let said = home.run(&["connect", &cluster.name, "--timeout", "5s"]).await?;
    ensure!(said.code != Some(0), "connecting to nothing worked: {said}");
    Ok(())
}

/// Exit code of a program that had to be killed: 128 and the number of SIGKILL.
const KILLED: i64 = 137;

/// Takes the control plane down: each of its programs ends by itself, before it would be killed.
async fn ends_in_order(cluster: &VirtualCluster) -> Result<()> {
    let pod = text(&cluster.control_plane().await?, "/metadata/name").to_owned();
    // It stays to be looked at after its end.
    let held = json!({ "metadata": { "finalizers": ["example.com/look"] } });
    cluster.host.patch(kind::PODS, &pod, held).await?;
    cluster.scale(0).await?;
    let ends = holds("every program of the control plane has ended", || async {
        let pod = cluster.control_plane().await?;
        let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
        let ends = statuses.into_iter().flatten().map(|status| {
            let code = status.pointer("/state/terminated/exitCode").and_then(Value::as_i64);
            let name = text(status, "/name");
            code.map(|code| (name.to_owned(), code)).with_context(|| format!("{name} runs"))
        });
        ends.collect::<Result<BTreeMap<_, _>>>()
    })
    .await;
    let let_go = json!({ "metadata": { "finalizers": null } });
    cluster.host.patch(kind::PODS, &pod, let_go).await?;
    let ends = ends?;
    let in_order = !ends.is_empty() && ends.values().all(|code| *code != KILLED);
    ensure!(in_order, "they ended with {ends:?}");
    cluster.host.gone(kind::PODS, &pod).await
}

/// A pod with a claim.
fn keeper() -> Value {
    let mut container = sample::script("sleep 100000");
    container = sample::with(
        container,
        "",
        json!({ "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }),
    );
    let volume = json!({ "name": "data", "persistentVolumeClaim": { "claimName": "data" } });
    sample::with(sample::pod("keeper", container), "/spec", json!({ "volumes": [volume] }))
}

/// What pausing must leave alone: each object's name and UID.
async fn kept(cluster: &VirtualCluster) -> Result<BTreeMap<String, String>> {
    let mut kept = BTreeMap::new();
    for kind in [kind::CLAIMS, kind::SERVICES] {
        for object in cluster.host.list(kind, "").await? {
            let name = format!("{} {}", kind.name, text(&object, "/metadata/name"));
            // Nodes come and go with the pods on them, and with them the Services that lead to them.
            if !name.contains("-node-") {
                kept.insert(name, text(&object, "/metadata/uid").to_owned());
            }
        }
    }
    for name in [format!("vc-{}", cluster.name), format!("{}-certs", cluster.name)] {
        let secret = cluster.host.get(kind::SECRETS, &name).await?;
        kept.insert(name, text(&secret, "/metadata/uid").to_owned());
    }
    Ok(kept)
}
