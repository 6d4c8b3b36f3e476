//! A release that the Go vcluster made: what its chart makes, and what its syncer puts beside that.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use vcluster_config::images::{
    KINE_REPOSITORY, KINE_VERSION, KUBERNETES_REGISTRY, KUBERNETES_VERSION,
};

use super::certificates::{Authority, Pair};
use super::home::Home;
use super::kind;
use super::sample;
use super::space::{Space, text};
use crate::checkout;

/// Installs it by helm, and makes what its syncer would. Its control plane comes up from there.
///
/// # Errors
/// When helm or the host refuses.
pub async fn release(home: &Home, space: &Space, name: &str) -> Result<()> {
    let chart = checkout::root()?.join("e2e/manifests/upstream");
    let mut helm = home.command("helm");
    helm.args(["install", name]).arg(chart).args(["--namespace", &space.name]);
    for (value, image) in [
        ("apiServer", format!("{KUBERNETES_REGISTRY}/kube-apiserver:{KUBERNETES_VERSION}")),
        (
            "controllerManager",
            format!("{KUBERNETES_REGISTRY}/kube-controller-manager:{KUBERNETES_VERSION}"),
        ),
        ("kine", format!("docker.io/{KINE_REPOSITORY}:{KINE_VERSION}")),
    ] {
        helm.args(["--set", &format!("{value}={image}")]);
    }
    home.hear(&mut helm).await?.succeeds()?;
    let service = space.get(kind::SERVICES, name).await?;
    ensure!(!text(&service, "/metadata/uid").is_empty(), "the service has no UID");
    credentials(space, name, &service).await?;
    twins(space, name, &service).await
}

/// Secret `NAME-certs`, and `vc-NAME` with the kubeconfig.
async fn credentials(space: &Space, name: &str, service: &Value) -> Result<()> {
    let authority = Authority::make()?;
    let names = ["localhost".to_owned(), name.to_owned(), format!("{name}.{}.svc", space.name)];
    let server = authority.sign(&names, &[[127, 0, 0, 1].into()])?;
    let accounts = authority.sign(&[], &[])?;
    let admin = authority.client("kubernetes-admin", "system:masters")?;
    let manager = authority.client("system:kube-controller-manager", "system:masters")?;
    let certs = json!({
        "ca.crt": authority.certificate,
        "apiserver.crt": server.certificate, "apiserver.key": server.key,
        "sa.crt": accounts.certificate, "sa.key": accounts.key,
        "controller-manager.conf": kubeconfig(&authority, &manager),
    });
    let certs = sample::secret(&format!("{name}-certs"), certs);
    space.create(&owned(certs, service)).await?;
    let exported = json!({
        "config": kubeconfig(&authority, &admin),
        "certificate-authority": authority.certificate,
        "client-certificate": admin.certificate,
        "client-key": admin.key,
    });
    space.create(&sample::secret(&format!("vc-{name}"), exported)).await.map(drop)
}

/// As it is written for port 8443 of the pod itself.
fn kubeconfig(authority: &Authority, user: &Pair) -> String {
    let encoded = |text: &str| BASE64_STANDARD.encode(text);
    let context = "my-vcluster";
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": context,
        "clusters": [{ "name": context, "cluster": {
            "server": "https://localhost:8443",
            "certificate-authority-data": encoded(&authority.certificate),
        } }],
        "users": [{ "name": context, "user": {
            "client-certificate-data": encoded(&user.certificate),
            "client-key-data": encoded(&user.key),
        } }],
        "contexts": [{ "name": context, "context": { "cluster": context, "user": context } }],
    })
    .to_string()
}

/// What stands on the host for virtual objects, and what the syncer keeps for itself.
async fn twins(space: &Space, name: &str, service: &Value) -> Result<()> {
    let marked = |object: Value, of: &str| {
        let metadata = json!({
            "labels": { "vcluster.loft.sh/managed-by": name, "vcluster.loft.sh/namespace": "default" },
            "annotations": { "vcluster.loft.sh/object-name": of, "vcluster.loft.sh/object-namespace": "default" },
        });
        owned(sample::with(object, "/metadata", metadata), service)
    };
    let twin = |of: &str| format!("{of}-x-default-x-{name}");
    space.create(&marked(sample::pod(&twin("web"), sample::idle()), "web")).await?;
    let settings = sample::config_map(&twin("settings"), json!({ "a": "b" }));
    space.create(&marked(settings, "settings")).await?;
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": format!("vcluster-{name}-controller") },
        "spec": { "holderIdentity": format!("{name}-0"), "leaseDurationSeconds": 60 },
    });
    space.create(&lease).await.map(drop)
}

/// The object with the Service as its owner.
fn owned(object: Value, service: &Value) -> Value {
    let owner = json!({
        "apiVersion": "v1", "kind": "Service",
        "name": text(service, "/metadata/name"), "uid": text(service, "/metadata/uid"),
    });
    sample::with(object, "/metadata", json!({ "ownerReferences": [owner] }))
}
