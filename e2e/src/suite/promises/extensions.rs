//! The virtual API server is one's own to extend.

use anyhow::{Result, ensure};
use base64::Engine as _;
use serde_json::json;

use crate::suite::holds::holds;
use crate::suite::space::Space;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const CUSTOM: Promise = Promise {
    name: "custom-resources-work",
    about: "a CRD and its objects live in the virtual cluster, and the host knows nothing of them",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(custom(world)),
};

pub const WEBHOOK: Promise = Promise {
    name: "a-webhook-inside-decides",
    about: "a validating webhook that is served by a pod of the virtual cluster refuses what it does not like",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(webhook(world)),
};

async fn custom(world: World) -> Result<()> {
    let space = world.space("custom").await?;
    let group = format!("{}.example.com", space.name);
    let schema = json!({ "type": "object", "properties": { "spec": {
        "type": "object", "properties": { "size": { "type": "integer", "maximum": 10 } },
    }}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("shirts.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced", "names": { "kind": "Shirt", "plural": "shirts" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }],
        },
    });
    space.cluster.create(&definition).await?;
    let shirt = |size: u32| {
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "Shirt",
            "metadata": { "name": format!("size-{size}"), "namespace": space.name }, "spec": { "size": size },
        })
    };
    let kubectl = &space.cluster.kubectl;
    let small = shirt(7).to_string();
    holds("the kind is served", || kubectl.apply(&small)).await?;
    ensure!(kubectl.apply(&shirt(11).to_string()).await.is_err(), "the schema does not count");
    let resource = format!("shirts.{group}");
    let found = space.kubectl(&["get", &resource, "--output", "name"]).await?;
    ensure!(found.contains("size-7"), "the objects are {found:?}");
    ensure!(
        world.host().find(kind::CUSTOM_RESOURCES, "", &format!("shirts.{group}")).await?.is_none(),
        "the host has the CRD"
    );
    space.cluster.delete(kind::CUSTOM_RESOURCES, "", &format!("shirts.{group}")).await
}

async fn webhook(world: World) -> Result<()> {
    let space = world.space("guard").await?;
    let authority = serve(&space).await?;
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": space.name },
        "webhooks": [{
            "name": "guard.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "failurePolicy": "Fail", "timeoutSeconds": 10,
            "clientConfig": { "caBundle": authority, "service": { "namespace": space.name, "name": "guard", "path": "/configmaps", "port": 443 } },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"] }],
            // The other promises' objects are none of its business.
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": space.name } },
        }],
    });
    space.cluster.apply(&webhook).await?;
    let bad = json!({ "webhook-e2e-test": "webhook-disallow" });
    let mut count = 0;
    let outcome = holds("the webhook refuses", || {
        count += 1;
        let bad = sample::config_map(&format!("bad-{count}"), bad.clone());
        let space = space.clone();
        async move {
            match space.create(&bad).await {
                Err(error) if format!("{error:#}").contains("denied the request") => Ok(()),
                Err(error) => Err(error),
                Ok(_) => anyhow::bail!("it was let in"),
            }
        }
    })
    .await;
    let good = space.create(&sample::config_map("good", json!({ "a": "b" }))).await;
    space.cluster.delete(kind::VALIDATING_WEBHOOKS, "", &space.name).await?;
    outcome?;
    good.map(drop)
}

/// Starts the webhook behind Service `guard`, and returns the authority that signed its certificate.
pub(super) async fn serve(space: &Space) -> Result<String> {
    let name = format!("guard.{}.svc", space.name);
    let signed = rcgen::generate_simple_self_signed(vec![name])?;
    let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    space
        .apply(&sample::secret("guard", json!({ "tls.crt": certificate, "tls.key": key })))
        .await?;
    let container = json!({
        "name": "main", "image": sample::AGNHOST,
        "args": ["webhook", "--port=8443", "--tls-cert-file=/tls/tls.crt", "--tls-private-key-file=/tls/tls.key"],
        "volumeMounts": [{ "name": "tls", "mountPath": "/tls" }],
        "readinessProbe": { "httpGet": { "path": "/readyz", "port": 8443, "scheme": "HTTPS" }, "periodSeconds": 1 },
    });
    let volumes = json!({ "volumes": [{ "name": "tls", "secret": { "secretName": "guard" } }] });
    space.apply(&sample::with(sample::pod("guard", container), "/spec", volumes)).await?;
    let ports = json!({ "ports": [{ "port": 443, "targetPort": 8443 }] });
    space.apply(&sample::with(sample::service("guard"), "/spec", ports)).await?;
    space.ready("guard").await?;
    Ok(base64::engine::general_purpose::STANDARD.encode(certificate))
}
