//! Finding virtual clusters on a host, whoever made them.

mod find;
mod status;

use std::collections::BTreeMap;

use futures::future::try_join3;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use crate::error::{CliError, Result};
use crate::host::{Host, within};
use crate::names;

pub use find::{Found, find, on_every_host, search_contexts};

/// A virtual cluster as its host shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualCluster {
    /// Its name: label `release`.
    pub name: String,
    /// Its host namespace.
    pub namespace: String,
    /// Context of its host.
    pub context: String,
    /// When its workload was made.
    pub created: Option<Timestamp>,
    /// Tag of the syncer's image; empty when there is no such container.
    pub version: String,
    /// `Running`, `Paused`, `ScaledDown`, `Unknown`, or what `kubectl get pods` would show.
    pub status: String,
}

impl VirtualCluster {
    /// Made idle by `pause`.
    pub fn paused(&self) -> bool {
        self.status == status::PAUSED
    }

    /// Without replicas, but not by `pause`.
    pub fn scaled_down(&self) -> bool {
        self.status == status::SCALED_DOWN
    }
}

/// Lists the virtual clusters of a host: in one namespace, or in all of them. Without the right to look at all
/// namespaces it looks at the context's own.
///
/// # Errors
/// When the host refuses or cannot be reached.
pub async fn list(host: &Host, namespace: Option<&str>) -> Result<Vec<VirtualCluster>> {
    match load(host, namespace).await {
        Err(error) if namespace.is_none() && forbidden(&error) => {
            tracing::debug!(namespace = host.namespace, "no right to look at all namespaces");
            load(host, Some(&host.namespace)).await
        }
        answer => answer.map_err(|error| located(error, host)),
    }
}

/// Says which host it was: of several contexts the wrong one may be current. An error with a hint says enough.
fn located(mut error: CliError, host: &Host) -> CliError {
    if error.hint.is_none() {
        let cause = error.cause.take().unwrap_or_else(|| "no answer".to_owned());
        error.cause = Some(format!("{cause} at {}", host.server));
        error = error.or_hint(format!("kubectl --context {} version", host.context));
    }
    error
}

fn forbidden(error: &CliError) -> bool {
    error.cause.as_deref().is_some_and(|cause| cause.contains("is forbidden"))
}

async fn load(host: &Host, namespace: Option<&str>) -> Result<Vec<VirtualCluster>> {
    let selector = ListParams::default().labels(&format!("app={}", names::APP));
    let place =
        namespace.map_or_else(|| "all namespaces".to_owned(), |name| format!("namespace {name}"));
    let client = &host.client;
    let (sets, deployments, pods) = try_join3(
        within(
            format!("list statefulsets in {place}"),
            api::<StatefulSet>(client, namespace).list(&selector),
        ),
        within(
            format!("list deployments in {place}"),
            api::<Deployment>(client, namespace).list(&selector),
        ),
        within(format!("list pods in {place}"), api::<Pod>(client, namespace).list(&selector)),
    )
    .await?;
    let sets = sets.items.into_iter().map(Workload::from);
    let workloads = sets.chain(deployments.items.into_iter().map(Workload::from));
    Ok(assemble(workloads.collect(), &pods.items, &host.context))
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// What a StatefulSet and a Deployment have in common.
struct Workload {
    metadata: ObjectMeta,
    replicas: i32,
    containers: Vec<Container>,
}

impl From<StatefulSet> for Workload {
    fn from(set: StatefulSet) -> Self {
        let spec = set.spec;
        let containers = spec.template.spec.unwrap_or_default().containers;
        Self { metadata: set.metadata, replicas: spec.replicas.unwrap_or(1), containers }
    }
}

impl From<Deployment> for Workload {
    fn from(deployment: Deployment) -> Self {
        let spec = deployment.spec;
        let containers = spec.template.spec.unwrap_or_default().containers;
        Self { metadata: deployment.metadata, replicas: spec.replicas.unwrap_or(1), containers }
    }
}

/// Puts workloads and pods together, sorted by namespace and name. Pure.
fn assemble(workloads: Vec<Workload>, pods: &[Pod], context: &str) -> Vec<VirtualCluster> {
    let mut clusters = BTreeMap::new();
    for workload in workloads {
        let labels = workload.metadata.labels.unwrap_or_default();
        let annotations = workload.metadata.annotations.unwrap_or_default();
        let Some(name) = labels.get("release").filter(|name| !name.is_empty()).cloned() else {
            continue;
        };
        let namespace = workload.metadata.namespace.unwrap_or_default();
        let mine = pods.iter().filter(|pod| {
            pod.namespace().as_deref() == Some(&namespace)
                && pod.labels().get("release") == Some(&name)
        });
        let paused = annotations.get(names::PAUSED).is_some_and(|value| value == "true");
        let status = status::cluster_status(paused, workload.replicas, mine);
        let version = workload
            .containers
            .iter()
            .find(|container| container.name == "syncer")
            .and_then(image_tag);
        clusters.insert(
            (namespace.clone(), name.clone()),
            VirtualCluster {
                name,
                namespace,
                context: context.to_owned(),
                created: workload.metadata.creation_timestamp.map(|time| time.0),
                version: version.unwrap_or_default(),
                status,
            },
        );
    }
    clusters.into_values().collect()
}

/// `registry:5000/org/syncer:0.1.0@sha256:...` has the tag `0.1.0`.
fn image_tag(container: &Container) -> Option<String> {
    let image = container.image.as_deref()?;
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    let last = image.rsplit('/').next()?;
    last.split_once(':').map(|(_, tag)| tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stateful_set(
        name: &str,
        namespace: &str,
        replicas: i32,
        annotations: serde_json::Value,
    ) -> Workload {
        let set: StatefulSet = serde_json::from_value(json!({
            "metadata": {
                "name": name, "namespace": namespace, "annotations": annotations,
                "labels": { "app": "vcluster", "release": name }, "creationTimestamp": "2026-08-01T10:00:00Z",
            },
            "spec": { "replicas": replicas, "serviceName": "x", "selector": {}, "template": { "spec": { "containers": [
                { "name": "kube-apiserver", "image": "registry.k8s.io/kube-apiserver:v1.34.4" },
                { "name": "syncer", "image": "registry:5000/team/syncer:0.1.0@sha256:abc" },
            ] } } },
        }))
        .unwrap();
        set.into()
    }

    #[test]
    fn states_come_from_annotations_replicas_and_pods() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": "b-0", "namespace": "ns", "labels": { "app": "vcluster", "release": "b" } },
            "status": { "phase": "Running" },
        }))
        .unwrap();
        let clusters = assemble(
            vec![
                stateful_set("e", "ns", 1, json!({ "loft.sh/paused": "true" })),
                stateful_set("d", "ns", 1, json!({})),
                stateful_set("c", "ns", 0, json!({})),
                stateful_set("b", "ns", 1, json!({})),
                stateful_set("a", "ns", 0, json!({ "loft.sh/paused": "true" })),
            ],
            &[pod],
            "kind",
        );
        let seen: Vec<_> =
            clusters.iter().map(|it| (it.name.as_str(), it.status.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("a", "Paused"),
                ("b", "Running"),
                ("c", "ScaledDown"),
                ("d", "Unknown"),
                ("e", "Unknown"),
            ]
        );
        assert!(
            clusters
                .iter()
                .all(|it| it.version == "0.1.0" && it.context == "kind" && it.created.is_some())
        );
    }
}
