//! The far end: which pod, and a link to its API server through the host.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Portforwarder};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::error::chain;
use crate::host::Host;
use crate::kubeconfig::Files;
use crate::names;

/// The port that a control plane serves the virtual API on unless its values say otherwise.
const PORT: u16 = 8443;

/// How long the host may take for one step of opening a link.
const STEP_PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No pod of the control plane runs.
    #[error("no pod of {0} is running")]
    NoPod(String),
    /// The host says no.
    #[error("the host refuses: {0}")]
    Forbidden(String),
    /// The host or the pod is away.
    #[error("{0}")]
    Away(String),
}

impl OpenError {
    /// Trying again soon will not help.
    pub fn permanent(&self) -> bool {
        matches!(self, Self::Forbidden(_))
    }
}

/// A control plane to forward to.
pub struct Target {
    name: String,
    namespace: String,
    only: Option<String>,
    files: Files,
    context: String,
    known: Mutex<Known>,
}

/// What was found out and may be found out again.
#[derive(Clone)]
struct Known {
    host: Host,
    pod: Option<(String, u16)>,
}

impl Target {
    /// A target that resolves its pod by itself, unless `only` names one.
    pub fn new(host: Host, name: &str, namespace: &str, only: Option<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            only,
            files: host.files.clone(),
            context: host.context.clone(),
            known: Mutex::new(Known { host, pod: None }),
        })
    }

    /// Opens a link. After a failure the next call asks anew for the pod, and for new credentials if they were at fault.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(&self) -> Result<Link, OpenError> {
        let result = match tokio::time::timeout(STEP_PATIENCE, self.try_open()).await {
            Ok(result) => result,
            Err(_) => Err(OpenError::Away(format!("no answer in {} s", STEP_PATIENCE.as_secs()))),
        };
        if let Err(error) = &result {
            self.update(|known| known.pod = None);
            if error.permanent() {
                self.reload().await;
            }
        }
        result
    }

    /// Whether the host says for certain that the control plane does not exist any more.
    pub async fn gone(&self) -> bool {
        let Some(known) = self.known() else { return false };
        let workloads = crate::discover::list(&known.host, Some(&self.namespace)).await;
        workloads.is_ok_and(|clusters| clusters.iter().all(|cluster| cluster.name != self.name))
    }

    async fn try_open(&self) -> Result<Link, OpenError> {
        let Some(known) = self.known() else { return Err(OpenError::Away("no host".into())) };
        let pods: Api<Pod> = known.host.api(&self.namespace);
        let (pod, port, lasting) = match known.pod {
            Some((pod, port)) => (pod, port, true),
            None => self.resolve(&known.host, &pods).await?,
        };
        let mut forwarder = pods.portforward(&pod, &[port]).await.map_err(open_error)?;
        let stream =
            forwarder.take_stream(port).ok_or_else(|| OpenError::Away("no stream".into()))?;
        if let Some(error) = forwarder.take_error(port) {
            tokio::spawn(async move {
                if let Some(message) = error.await {
                    tracing::debug!(message = message.trim(), "the pod's side reported");
                }
            });
        }
        self.update(|known| known.pod = lasting.then_some((pod, port)));
        Ok(Link { stream, forwarder })
    }

    /// The pod and its port, and whether the next connection may well go there, too.
    async fn resolve(
        &self,
        host: &Host,
        pods: &Api<Pod>,
    ) -> Result<(String, u16, bool), OpenError> {
        let services: Api<Service> = host.api(&self.namespace);
        let selector = ListParams::default().labels(&names::selector(&self.name));
        let (found, service) = tokio::join!(pods.list(&selector), services.get_opt(&self.name));
        let found = found.map_err(open_error)?.items;
        let mut pod = match &self.only {
            Some(only) => found.iter().find(|pod| pod.name_any() == *only),
            None => choose(&found),
        };
        // Asleep, there is only who holds the door, and wakes the virtual cluster.
        let activator = ListParams::default().labels(&names::activator(&self.name));
        let at_the_door;
        if pod.is_none() && self.only.is_none() {
            at_the_door = pods.list(&activator).await.map_err(open_error)?.items;
            pod = choose(&at_the_door);
        }
        let pod = pod.ok_or_else(|| {
            OpenError::NoPod(self.only.clone().unwrap_or_else(|| self.name.clone()))
        })?;
        // Without the right to read services there is still the usual port.
        let port = service.ok().flatten().and_then(|service| target_port(&service, pod));
        let lasting = pod.labels().get("app").is_none_or(|app| app != names::ACTIVATOR);
        Ok((pod.name_any(), port.unwrap_or(PORT), lasting))
    }

    /// Reads the kubeconfig again: credentials may have been renewed there.
    async fn reload(&self) {
        match Host::open(&self.files, Some(&self.context)).await {
            Ok(host) => self.update(|known| known.host = host),
            Err(error) => tracing::debug!(%error, "the kubeconfig cannot be read again"),
        }
    }

    fn known(&self) -> Option<Known> {
        self.known.lock().ok().map(|known| known.clone())
    }

    fn update(&self, change: impl FnOnce(&mut Known)) {
        if let Ok(mut known) = self.known.lock() {
            change(&mut known);
        }
    }
}

/// The pod to forward to: a ready one, else one that runs, never one that ends. Pure.
fn choose(pods: &[Pod]) -> Option<&Pod> {
    let alive = |pod: &&Pod| {
        pod.metadata.deletion_timestamp.is_none()
            && pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
    };
    let ready = |pod: &&Pod| {
        let conditions =
            pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    pods.iter().filter(alive).find(ready).or_else(|| pods.iter().find(alive))
}

/// The port of the pod that the service leads port 443 to. Pure.
fn target_port(service: &Service, pod: &Pod) -> Option<u16> {
    let port = service.spec.as_ref()?.ports.as_ref()?.iter().find(|port| port.port == 443)?;
    match port.target_port.as_ref()? {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(name) => {
            let containers = &pod.spec.as_ref()?.containers;
            let mut ports = containers.iter().filter_map(|it| it.ports.as_deref()).flatten();
            let port = ports.find(|port| port.name.as_deref() == Some(name))?;
            u16::try_from(port.container_port).ok()
        }
    }
}

fn open_error(error: kube::Error) -> OpenError {
    match &error {
        kube::Error::Api(status) if status.code == 403 || status.code == 401 => {
            OpenError::Forbidden(status.message.clone())
        }
        other => OpenError::Away(chain(other)),
    }
}

/// A byte stream to the pod. Dropping it closes the connection through the host.
pub struct Link {
    stream: DuplexStream,
    forwarder: Portforwarder,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, phase: &str, ready: &str, ending: bool) -> Pod {
        let mut metadata = json!({ "name": name });
        if ending {
            metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        let status =
            json!({ "phase": phase, "conditions": [{ "type": "Ready", "status": ready }] });
        serde_json::from_value(
            json!({ "metadata": metadata, "spec": { "containers": [] }, "status": status }),
        )
        .unwrap()
    }

    #[test]
    fn a_ready_pod_is_chosen_before_a_running_one() {
        let pods = [
            pod("ending", "Running", "True", true),
            pod("pending", "Pending", "False", false),
            pod("running", "Running", "False", false),
            pod("ready", "Running", "True", false),
        ];
        let chosen = |pods: &[Pod]| choose(pods).map(ResourceExt::name_any);
        assert_eq!(chosen(&pods).as_deref(), Some("ready"));
        assert_eq!(chosen(&pods[..3]).as_deref(), Some("running"));
        assert_eq!(chosen(&pods[..2]), None);
    }

    #[test]
    fn the_port_is_the_one_that_the_service_leads_to() {
        let pod: Pod = serde_json::from_value(json!({ "metadata": {}, "spec": { "containers": [
            { "name": "a" }, { "name": "b", "ports": [{ "name": "api", "containerPort": 6443 }] },
        ] } }))
        .unwrap();
        let port = |target: serde_json::Value| {
            let service = json!({ "spec": { "ports": [
                { "port": 10250, "targetPort": 1 }, { "port": 443, "targetPort": target },
            ] } });
            target_port(&serde_json::from_value(service).unwrap(), &pod)
        };
        assert_eq!(port(json!(8444)), Some(8444));
        assert_eq!(port(json!("api")), Some(6443));
        assert_eq!(port(json!("other")), None);
    }
}
