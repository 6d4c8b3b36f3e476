//! One namespace of a cluster, and the verbs that promises are written in.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use super::cluster::Cluster;
use super::holds::{PATIENCE, holds, holds_within};
use super::kind::{self, Kind};
use crate::testbed::run;

/// A namespace.
#[derive(Clone)]
pub struct Space {
    /// The cluster.
    pub cluster: Cluster,
    /// The namespace.
    pub name: String,
}

impl Space {
    /// See [`Cluster::find`].
    ///
    /// # Errors
    /// As there.
    pub async fn find(&self, kind: Kind, name: &str) -> Result<Option<Value>> {
        self.cluster.find(kind, &self.name, name).await
    }

    /// See [`Cluster::get`].
    ///
    /// # Errors
    /// As there.
    pub async fn get(&self, kind: Kind, name: &str) -> Result<Value> {
        self.cluster.get(kind, &self.name, name).await
    }

    /// See [`Cluster::list`].
    ///
    /// # Errors
    /// As there.
    pub async fn list(&self, kind: Kind, selector: &str) -> Result<Vec<Value>> {
        self.cluster.list(kind, &self.name, selector).await
    }

    /// Applies an object, into this namespace.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn apply(&self, object: &Value) -> Result<Value> {
        self.cluster.apply(&self.own(object)).await
    }

    /// Creates an object, in this namespace.
    ///
    /// # Errors
    /// When the API server refuses it, or it exists.
    pub async fn create(&self, object: &Value) -> Result<Value> {
        self.cluster.create(&self.own(object)).await
    }

    /// See [`Cluster::patch`].
    ///
    /// # Errors
    /// As there.
    pub async fn patch(&self, kind: Kind, name: &str, patch: Value) -> Result<Value> {
        self.cluster.patch(kind, &self.name, name, patch).await
    }

    /// See [`Cluster::delete`].
    ///
    /// # Errors
    /// As there.
    pub async fn delete(&self, kind: Kind, name: &str) -> Result<()> {
        self.cluster.delete(kind, &self.name, name).await
    }

    /// Waits until an object is gone.
    ///
    /// # Errors
    /// When it is still there after [`PATIENCE`].
    pub async fn gone(&self, kind: Kind, name: &str) -> Result<()> {
        holds(&format!("{} {}/{name} is gone", kind.name, self.name), || async {
            let found = self.find(kind, name).await?;
            ensure!(found.is_none(), "it is there: {}", found.unwrap_or_default());
            Ok(())
        })
        .await
    }

    /// Waits until a pod is ready, and returns it.
    ///
    /// # Errors
    /// After [`PATIENCE`], with the pod's status.
    pub async fn ready(&self, pod: &str) -> Result<Value> {
        self.ready_within(PATIENCE, pod).await
    }

    /// As [`Space::ready`], with a limit of its own.
    ///
    /// # Errors
    /// When it does not get ready in time.
    pub async fn ready_within(&self, limit: Duration, pod: &str) -> Result<Value> {
        holds_within(limit, &format!("pod {}/{pod} is ready", self.name), || async {
            let found = self.get(kind::PODS, pod).await?;
            let ready = condition(&found, "Ready").is_some_and(|ready| ready == "True");
            ensure!(ready, "its status is {}", brief(&found));
            Ok(found)
        })
        .await
    }

    /// Waits until a pod has ended well, and returns what it printed.
    ///
    /// # Errors
    /// When it fails, or does not end in time.
    pub async fn output(&self, pod: &str) -> Result<String> {
        let phase = holds(&format!("pod {}/{pod} has ended", self.name), || async {
            let found = self.get(kind::PODS, pod).await?;
            let phase = text(&found, "/status/phase").to_owned();
            ensure!(
                matches!(phase.as_str(), "Succeeded" | "Failed"),
                "its status is {}",
                brief(&found)
            );
            Ok(phase)
        })
        .await?;
        let said = self.kubectl(&["logs", pod, "--all-containers"]).await?;
        ensure!(phase == "Succeeded", "pod {pod} failed and said:\n{said}");
        Ok(said)
    }

    /// Waits until a Deployment, StatefulSet or DaemonSet (`deployment/web`) is rolled out.
    ///
    /// # Errors
    /// When it is not after [`PATIENCE`].
    pub async fn rolled_out(&self, workload: &str) -> Result<()> {
        let limit = format!("--timeout={}s", PATIENCE.as_secs());
        self.kubectl(&["rollout", "status", workload, &limit]).await.map(drop)
    }

    /// Waits until an event with this reason tells of the object called `name`, and returns its message.
    ///
    /// # Errors
    /// When there is none in time; the message names those there are.
    pub async fn event(&self, name: &str, reason: &str, limit: Duration) -> Result<String> {
        holds_within(limit, &format!("an event {reason} tells of {}/{name}", self.name), || async {
            let events = self.list(kind::EVENTS, "").await?;
            let about = events.iter().filter(|event| text(event, "/involvedObject/name") == name);
            let reasons: Vec<&str> = about.clone().map(|event| text(event, "/reason")).collect();
            about
                .clone()
                .find(|event| text(event, "/reason") == reason)
                .map(|event| text(event, "/message").to_owned())
                .with_context(|| format!("there are {reasons:?}"))
        })
        .await
    }

    /// A kubectl command in this namespace, for streams or other settings than [`kubectl`](Self::kubectl) has.
    pub fn command(&self, args: &[&str]) -> Command {
        self.cluster.kubectl.command(&[&["--namespace", &self.name], args].concat())
    }

    /// Runs kubectl in this namespace and returns what it printed.
    ///
    /// # Errors
    /// When it fails, with its words.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        run(&mut self.command(args)).await
    }

    /// Runs a shell script in a pod's first container and returns what it printed.
    ///
    /// # Errors
    /// When it fails, with its words.
    pub async fn sh(&self, pod: &str, script: &str) -> Result<String> {
        self.kubectl(&["exec", pod, "--", "sh", "-c", script]).await
    }

    fn own(&self, object: &Value) -> Value {
        let mut object = object.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".into(), json!(self.name));
        }
        object
    }
}

/// The text at a JSON pointer, empty when there is none.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The status of a condition.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let condition = conditions.iter().find(|condition| text(condition, "/type") == kind)?;
    condition.get("status")?.as_str()
}

/// A pod's status in one line.
fn brief(pod: &Value) -> String {
    let states = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
    let states: Vec<String> = states
        .into_iter()
        .flatten()
        .map(|status| {
            format!("{} {}", text(status, "/name"), status.get("state").unwrap_or(&Value::Null))
        })
        .collect();
    let waiting: Vec<&str> = ["PodScheduled", "Initialized", "Ready"]
        .into_iter()
        .filter(|kind| condition(pod, kind) != Some("True"))
        .collect();
    format!("{} (not yet {waiting:?}) {}", text(pod, "/status/phase"), states.join(", "))
}
