//! The pods that are created: trivial ones, for nodes that kwok plays.

use serde_json::json;

use super::api::Api;
use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::testbed::until;
use std::time::Duration;

/// How many namespaces the pods are spread over.
const NAMESPACES: usize = 10;
/// The label that all pods of one measurement carry, on both sides.
pub const LABEL: &str = "bench-run";

/// What is created in one measurement.
#[derive(Debug, Clone)]
pub struct Load {
    /// How many pods.
    pub pods: usize,
    /// Whether each has a token of its service account, as pods have by default.
    pub tokens: bool,
    /// Unlike any other measurement's; the value of [`LABEL`].
    pub run: String,
    /// What the names of the namespaces begin with.
    pub prefix: &'static str,
}

/// One pod of a load.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Load {
    /// The pods, in the order in which they are created.
    pub fn pods(&self) -> Vec<Pod> {
        (0..self.pods)
            .map(|number| Pod {
                namespace: format!("{}-{}", self.prefix, number % NAMESPACES),
                name: format!("p{number}-{}", self.run),
            })
            .collect()
    }

    /// A pod as JSON.
    pub fn manifest(&self, pod: &Pod) -> Vec<u8> {
        let manifest = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": pod.name, "namespace": pod.namespace, "labels": { LABEL: self.run } },
            "spec": {
                "containers": [{ "name": "main", "image": "registry.k8s.io/pause:3.10" }],
                "nodeSelector": { "type": "kwok" },
                "tolerations": [{ "key": "kwok.x-k8s.io/node", "operator": "Exists", "effect": "NoSchedule" }],
                "automountServiceAccountToken": self.tokens,
            },
        });
        manifest.to_string().into_bytes()
    }

    /// The label selector that finds the pods.
    pub fn selector(&self) -> String {
        format!("{LABEL}={}", self.run)
    }
}

impl Pod {
    /// The path of the pod's collection.
    pub fn collection(&self) -> String {
        format!("/api/v1/namespaces/{}/pods", self.namespace)
    }

    /// The path of the pod.
    pub fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }

    /// What tells it from the other pods of the load, on both sides.
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// Makes the namespaces that a load is spread over, and waits until pods can be created in them.
///
/// # Errors
/// When the API server refuses, or no service accounts appear.
pub async fn make_namespaces(api: &Api, prefix: &str) -> Result<()> {
    let names = namespaces(prefix);
    futures::stream::iter(&names)
        .map(|name| async move {
            let object =
                json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            api.ensure("/api/v1/namespaces", &object).await?;
            let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
            until(&account, Duration::from_secs(60), || async {
                Ok(api.get(&account).await.map(|_| true)?)
            })
            .await
        })
        .buffer_unordered(NAMESPACES)
        .try_collect()
        .await
        .context("the benchmark's namespaces cannot be made")
}

/// Removes the namespaces again.
///
/// # Errors
/// When the API server refuses.
pub async fn remove_namespaces(api: &Api, prefix: &str) -> Result<()> {
    for name in namespaces(prefix) {
        api.delete(&format!("/api/v1/namespaces/{name}")).await?;
    }
    Ok(())
}

fn namespaces(prefix: &str) -> Vec<String> {
    (0..NAMESPACES).map(|number| format!("{prefix}-{number}")).collect()
}
