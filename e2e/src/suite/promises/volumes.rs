//! What a pod finds in its files and its environment.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "volumes-and-environment-are-the-pods-own",
    about: "config map, secret, projected, downward API, emptyDir and ephemeral volumes, environment variables and init containers say what the virtual cluster says, and changes arrive",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let space = world.space("files").await?;
    space.apply(&sample::config_map("settings", json!({ "color": "red" }))).await?;
    space.apply(&sample::secret("key", json!({ "word": "xyzzy" }))).await?;
    space.apply(&reader()).await?;
    let pod = space.ready("reader").await?;

    let uid = text(&pod, "/metadata/uid");
    let name = space.name.as_str();
    let expected = [
        ("cat /settings/color", "red"),
        ("cat /key/word", "xyzzy"),
        ("cat /all/color /all/word", "redxyzzy"),
        (
            "cat /about/name; echo; cat /about/namespace; echo; cat /all/uid",
            &format!("reader\n{name}\n{uid}"),
        ),
        ("cat /about/labels", "app=\"reader\""),
        ("cat /scratch/made", "by init"),
        ("test -w /own && df /memory | grep -c tmpfs", "1"),
        (
            "echo $COLOR $WORD $POD/$SPACE $TEAM $POD_UID $ACCOUNT",
            &format!("red xyzzy reader/{name} blue {uid} default"),
        ),
        ("echo $color $word", "red xyzzy"),
        ("test \"$NODE\" && test \"$IP\" && echo yes", "yes"),
        ("echo $CPU", "1"),
        ("hostname", "reader"),
    ];
    for (script, answer) in expected {
        let said = space.sh("reader", script).await?;
        ensure!(said.trim_end() == answer, "`{script}` says {said:?}, not {answer:?}");
    }

    let claim = space.get(kind::CLAIMS, "reader-own").await?;
    ensure!(
        text(&claim, "/metadata/ownerReferences/0/uid") == uid,
        "the ephemeral claim is not the pod's"
    );
    space.apply(&sample::config_map("settings", json!({ "color": "green" }))).await?;
    holds("a changed config map arrives in the pod", || async {
        let said = space.sh("reader", "cat /settings/color").await?;
        ensure!(said == "green", "it says {said:?}");
        Ok(())
    })
    .await?;
    space.delete(kind::PODS, "reader").await?;
    space.gone(kind::CLAIMS, "reader-own").await
}

fn reader() -> Value {
    let field = |path: &str| json!({ "fieldRef": { "fieldPath": path } });
    let item = |path: &str, of: &str| json!({ "path": path, "fieldRef": { "fieldPath": of } });
    let mut container = sample::script("sleep 100000");
    container = sample::with(
        container,
        "",
        json!({
            "resources": { "limits": { "cpu": "1", "memory": "64Mi" }, "requests": { "cpu": "10m" } },
            "env": [
                { "name": "COLOR", "valueFrom": { "configMapKeyRef": { "name": "settings", "key": "color" } } },
                { "name": "WORD", "valueFrom": { "secretKeyRef": { "name": "key", "key": "word" } } },
                { "name": "POD", "valueFrom": field("metadata.name") },
                { "name": "SPACE", "valueFrom": field("metadata.namespace") },
                { "name": "POD_UID", "valueFrom": field("metadata.uid") },
                { "name": "TEAM", "valueFrom": field("metadata.annotations['team']") },
                { "name": "ACCOUNT", "valueFrom": field("spec.serviceAccountName") },
                { "name": "NODE", "valueFrom": field("spec.nodeName") },
                { "name": "IP", "valueFrom": field("status.podIP") },
                { "name": "CPU", "valueFrom": { "resourceFieldRef": { "resource": "limits.cpu" } } },
            ],
            "envFrom": [{ "configMapRef": { "name": "settings" } }, { "secretRef": { "name": "key" } }],
            "volumeMounts": mounts(&["settings", "key", "all", "about", "scratch", "memory", "own"]),
        }),
    );
    let mut first = sample::script("echo by init > /scratch/made");
    first =
        sample::with(first, "", json!({ "name": "first", "volumeMounts": mounts(&["scratch"]) }));
    let template = sample::claim("unused").pointer("/spec").cloned().unwrap_or_default();
    let volumes = json!([
        { "name": "settings", "configMap": { "name": "settings" } },
        { "name": "key", "secret": { "secretName": "key" } },
        { "name": "all", "projected": { "sources": [
            { "configMap": { "name": "settings" } },
            { "secret": { "name": "key" } },
            { "downwardAPI": { "items": [item("uid", "metadata.uid")] } },
        ]}},
        { "name": "about", "downwardAPI": { "items": [
            item("name", "metadata.name"), item("namespace", "metadata.namespace"), item("labels", "metadata.labels"),
        ]}},
        { "name": "scratch", "emptyDir": {} },
        { "name": "memory", "emptyDir": { "medium": "Memory" } },
        { "name": "own", "ephemeral": { "volumeClaimTemplate": { "spec": template } } },
    ]);
    let pod = sample::pod("reader", container);
    let pod = sample::with(pod, "/metadata", json!({ "annotations": { "team": "blue" } }));
    sample::with(pod, "/spec", json!({ "initContainers": [first], "volumes": volumes }))
}

fn mounts(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "name": name, "mountPath": format!("/{name}") })).collect()
}
