//! Kubeconfigs for other programs, in Secrets of the host.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::suite::cluster::Cluster;
use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::virtual_cluster::Wish;
use crate::suite::{Company, Fits, Promise, kind, world::World};

pub const PROMISE: Promise = Promise {
    name: "exports-log-in",
    about: "exported Secrets log in as the service account that was asked for, Argo CD's among them, in another namespace as soon as the rights are there",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let argocd = world.host_namespace("argocd").await?;
    let account =
        |name: &str, role: &str| json!({ "name": name, "namespace": "ci", "clusterRole": role });
    let values = json!({ "exportKubeConfig": {
        "secret": { "name": "copy" },
        "additionalSecrets": [
            { "name": "viewer", "serviceAccount": account("viewer", "view") },
            { "name": "argo", "namespace": argocd.name, "format": "argocd", "serviceAccount": account("argo", "cluster-admin") },
        ],
    } });
    let wish = Wish { values: Some(values), ..Wish::default() };
    let cluster = world.create_with("exports", &wish).await?;

    let copy = cluster.host.get(kind::SECRETS, "copy").await?;
    let own = cluster.host.get(kind::SECRETS, &format!("vc-{}", cluster.name)).await?;
    ensure!(copy.pointer("/data") == own.pointer("/data"), "the copy is not one");

    let viewer =
        holds("the viewer's kubeconfig is there", || cluster.host.get(kind::SECRETS, "viewer"))
            .await?;
    let service = cluster.host.get(kind::SERVICES, &cluster.name).await?;
    let server = format!("https://{}", text(&service, "/spec/clusterIP"));
    let token = decoded(&viewer, "/data/token")?;
    let ca = text(&viewer, "/data/certificate-authority").to_owned();
    let client = client(&world, &cluster.home, &server, &token, &ca).await?;
    client.list(kind::PODS, "default", "").await?;
    let denied = client.list(kind::SECRETS, "default", "").await;
    ensure!(denied.is_err(), "a viewer reads secrets");

    // Nothing lets the control plane write into another namespace, until somebody does.
    ensure!(argocd.find(kind::SECRETS, "argo").await?.is_none(), "it wrote there without rights");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "export" },
        "rules": [{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete", "get", "patch"] }],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "export" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "export" },
        "subjects": [{ "kind": "ServiceAccount", "name": format!("vc-{}", cluster.name), "namespace": cluster.host.name }],
    });
    argocd.apply(&role).await?;
    argocd.apply(&binding).await?;
    let argo = holds("Argo CD's Secret is there", || argocd.get(kind::SECRETS, "argo")).await?;
    let label = text(&argo, "/metadata/labels/argocd.argoproj.io~1secret-type");
    ensure!(label == "cluster", "Argo CD does not find it: {argo}");
    let config: Value = serde_json::from_str(&decoded(&argo, "/data/config")?)?;
    let token = text(&config, "/bearerToken");
    let ca = text(&config, "/tlsClientConfig/caData").to_owned();
    let client = self::client(&world, &cluster.home, &server, token, &ca).await?;
    client.list(kind::SECRETS, "kube-system", "").await?;

    // What is no longer asked for is taken back.
    let fewer = json!({ "exportKubeConfig": { "additionalSecrets": [] } });
    let fewer = cluster.home.write("fewer.yaml", &fewer.to_string())?;
    let upgrade = ["--upgrade", "--connect=false", "--values", &fewer];
    let again = ["create", &cluster.name, "--namespace", &cluster.host.name];
    cluster.home.run(&[&again[..], &upgrade].concat()).await?.succeeds()?;
    argocd.gone(kind::SECRETS, "argo").await?;
    cluster.host.gone(kind::SECRETS, "viewer").await?;
    cluster.host.get(kind::SECRETS, &format!("vc-{}", cluster.name)).await.map(drop)
}

fn decoded(secret: &Value, pointer: &str) -> Result<String> {
    let bytes = BASE64_STANDARD.decode(text(secret, pointer)).context("it is not base64")?;
    Ok(String::from_utf8(bytes)?)
}

/// A client with this token and no other right.
async fn client(
    world: &World,
    home: &crate::suite::home::Home,
    server: &str,
    token: &str,
    ca: &str,
) -> Result<Cluster> {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{ "name": "c", "cluster": { "server": server, "certificate-authority-data": ca } }],
        "users": [{ "name": "c", "user": { "token": token } }],
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "c" } }],
    });
    let path = home.write("exported.kubeconfig", &kubeconfig.to_string())?;
    Cluster::open(&world.host().kubectl, std::path::Path::new(&path)).await
}
