//! Hosts that are strict with virtual clusters, and virtual clusters that are strict with tenants.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::virtual_cluster::Wish;
use crate::suite::{Company, Fits, Promise, Setting, kind, sample, world::World};

use super::extensions;

pub const RESTRICTED: Promise = Promise {
    name: "a-restricted-namespace-takes-it",
    about: "a host namespace that enforces the standard `restricted` takes the chart with its defaults, CoreDNS and careful pods included",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(restricted(world)),
};

pub const ISOLATED: Promise = Promise {
    name: "isolate-keeps-tenants-in",
    about: "with --isolate, pods that break the standard `baseline` stay out with an event that says why, under a quota and limits",
    company: Company::Any,
    fits: Fits::AllBut(&[Setting::Isolated], "it asks for isolation itself"),
    run: |world| Box::pin(isolated(world)),
};

pub const CENTRAL: Promise = Promise {
    name: "the-hosts-webhooks-judge-inside",
    about: "a webhook of the host's owner judges what is written inside, and comes back when somebody inside deletes it",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(central(world)),
};

/// What `restricted` asks of a pod with one container.
fn careful(pod: Value) -> Value {
    let own = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    let pod = sample::with(pod, "/spec/containers/0", json!({ "securityContext": own }));
    let all = json!({
        "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": { "type": "RuntimeDefault" },
    });
    sample::with(pod, "/spec", json!({ "securityContext": all }))
}

async fn restricted(world: World) -> Result<()> {
    let space = world.host_namespace("strict").await?;
    let labels =
        json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    space.cluster.patch(kind::NAMESPACES, "", &space.name, labels).await?;
    let wish = Wish { namespace: Some(space.name.clone()), ..Wish::default() };
    let cluster = world.create_with("strict", &wish).await?;
    cluster.space("kube-system").rolled_out("deployment/coredns").await?;

    let default = cluster.space("default");
    // A pod with a subdomain gets an init container of ours.
    let named = sample::with(
        sample::pod("careful", sample::idle()),
        "/spec",
        json!({ "subdomain": "web" }),
    );
    default.create(&careful(named)).await?;
    default.ready("careful").await?;
    default
        .create(&careful(sample::once("asks", "nslookup kubernetes.default.svc.cluster.local")))
        .await?;
    default.output("asks").await?;
    default.create(&sample::pod("careless", sample::idle())).await?;
    let message = default.event("careless", "SyncError", Duration::from_secs(60)).await?;
    ensure!(message.contains("restricted"), "the event says {message:?}");
    Ok(())
}

async fn isolated(world: World) -> Result<()> {
    let wish = Wish { args: vec!["--isolate".into()], ..Wish::default() };
    let cluster = world.create_with("closed", &wish).await?;
    let default = cluster.space("default");
    let security = json!({ "securityContext": { "privileged": true } });
    let mut container = sample::idle();
    if let (Some(container), Value::Object(security)) = (container.as_object_mut(), security) {
        container.extend(security);
    }
    default.create(&sample::pod("privileged", container)).await?;
    let message = default.event("privileged", "SyncError", Duration::from_secs(60)).await?;
    ensure!(message.contains("baseline") && message.contains("privileged"), "it says {message:?}");
    cluster.no_twin(kind::PODS, "default", "privileged").await?;

    // An ordinary pod runs, finds names, and gets limits that it did not ask for.
    default.apply(&sample::deployment("web", 1, sample::web())).await?;
    default.apply(&sample::service("web")).await?;
    default.rolled_out("deployment/web").await?;
    default.create(&sample::once("client", "wget -q -O - http://web/hostname")).await?;
    ensure!(default.output("client").await?.starts_with("web-"), "the Service leads elsewhere");
    let twin = cluster.twin(kind::PODS, "default", "client").await?;
    let memory = text(&twin, "/spec/containers/0/resources/limits/memory");
    ensure!(memory == "512Mi", "its limit is {memory:?}");
    let quota = cluster.host.get(kind::QUOTAS, &format!("vc-{}", cluster.name)).await?;
    ensure!(quota.pointer("/status/used/count~1pods").is_some(), "nothing is counted: {quota}");
    Ok(())
}

async fn central(world: World) -> Result<()> {
    let space = world.host_namespace("policy").await?;
    let authority = extensions::serve(&space).await?;
    let guard = json!({
        "metadata": { "name": "guard" },
        "webhooks": [{
            "name": "guard.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "failurePolicy": "Fail", "timeoutSeconds": 10,
            "clientConfig": { "caBundle": authority, "service": { "namespace": space.name, "name": "guard", "path": "/configmaps", "port": 443 } },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"] }],
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "default" } },
        }],
    });
    let values = json!({ "policies": { "centralAdmission": { "validatingWebhooks": [guard] } } });
    let wish = Wish { values: Some(values), ..Wish::default() };
    let cluster = world.create_with("guarded", &wish).await?;
    let default = cluster.space("default");
    for round in ["first", "second"] {
        let mut count = 0;
        holds("the webhook refuses", || {
            count += 1;
            let bad = json!({ "webhook-e2e-test": "webhook-disallow" });
            let bad = sample::config_map(&format!("{round}-{count}"), bad);
            let default = default.clone();
            async move {
                match default.create(&bad).await {
                    Err(error) if format!("{error:#}").contains("denied the request") => Ok(()),
                    Err(error) => Err(error),
                    Ok(_) => anyhow::bail!("it was let in"),
                }
            }
        })
        .await?;
        default.create(&sample::config_map(round, json!({ "a": "b" }))).await?;
        // Who is administrator inside can take it away, for a moment.
        cluster.inside.delete(kind::VALIDATING_WEBHOOKS, "", "guard").await?;
    }
    Ok(())
}
