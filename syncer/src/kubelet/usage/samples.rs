//! Reads PodMetrics from the host.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::objects::{self, List};
use super::counters::Counters;
use super::quantity;

/// The host measures every 15 s; all nodes of a virtual cluster are scraped one after the other.
const REMEMBER: Duration = Duration::from_secs(5);
/// Everybody who asks waits for the one request that is under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there are no numbers. A tenant reads this: it says nothing of the host that its administrator would not.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unavailable {
    #[error(
        "the host cluster serves no pod metrics (metrics.k8s.io): install metrics-server on the host; \
         try: kubectl top pods (on the host)"
    )]
    NotServed,
    #[error(
        "the syncer may not read pod metrics on the host: \
         its Role needs get and list on pods of metrics.k8s.io"
    )]
    Forbidden,
    #[error("the host's pod metrics could not be read; the log of the syncer says why")]
    Host,
    #[error("the virtual API server could not be asked for pods")]
    Virtual(#[source] kube::Error),
}

/// What one pod uses.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PodSample {
    /// When it was measured.
    pub(super) time: Timestamp,
    /// Over how long the CPU rate was taken.
    pub(super) window: SignedDuration,
    pub(super) containers: Vec<ContainerSample>,
}

/// What one container uses.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ContainerSample {
    pub(super) name: String,
    /// Billionths of a core.
    pub(super) cpu_nanos: u64,
    pub(super) working_set_bytes: u64,
}

type Samples = Arc<HashMap<String, PodSample>>;

/// The host's numbers, remembered for moments, and the counters made from them.
pub(in crate::kubelet) struct Usage {
    selector: String,
    recent: Mutex<HashMap<String, (Instant, Samples)>>,
    pub(super) counters: Counters,
}

impl Usage {
    /// `selector` is a label selector for the host's PodMetrics.
    pub(in crate::kubelet) fn new(selector: String) -> Self {
        Usage { selector, recent: Mutex::default(), counters: Counters::default() }
    }

    /// By name of the host pod. One request at a time.
    pub(super) async fn of_namespace(
        &self,
        host: &kube::Client,
        namespace: &str,
    ) -> Result<Samples, Unavailable> {
        let mut recent = self.recent.lock().await;
        recent.retain(|_, (since, _)| since.elapsed() < REMEMBER);
        if let Some((_, samples)) = recent.get(namespace) {
            return Ok(Arc::clone(samples));
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("labelSelector", &self.selector)
            .finish();
        let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods?{query}");
        let asked = tokio::time::timeout(PATIENCE, objects::get(host, &path)).await;
        let asked = asked.unwrap_or_else(|_| Err(kube::Error::Service("no answer".into())));
        let list: List<PodMetrics> = match asked {
            Ok(Some(list)) => list,
            Ok(None) => return Err(Unavailable::NotServed),
            Err(error) => return Err(Unavailable::of_host(&error, namespace)),
        };
        let items = list.items.unwrap_or_default();
        let samples: Samples = Arc::new(items.into_iter().filter_map(sample).collect());
        recent.insert(namespace.to_owned(), (Instant::now(), Arc::clone(&samples)));
        Ok(samples)
    }
}

impl Unavailable {
    /// What the host said is for those who may read the syncer's log.
    fn of_host(error: &kube::Error, namespace: &str) -> Self {
        let unavailable = match error {
            kube::Error::Api(status) if status.code == 503 => return Unavailable::NotServed,
            kube::Error::Api(status) if status.code == 403 => Unavailable::Forbidden,
            _ => Unavailable::Host,
        };
        let error: &dyn std::error::Error = error;
        tracing::warn!(namespace, error, "the host's pod metrics could not be read");
        unavailable
    }
}

#[derive(Deserialize)]
struct PodMetrics {
    metadata: objects::Metadata,
    timestamp: Timestamp,
    window: String,
    containers: Option<Vec<ContainerMetrics>>,
}

#[derive(Deserialize)]
struct ContainerMetrics {
    name: String,
    usage: HashMap<String, String>,
}

fn sample(metrics: PodMetrics) -> Option<(String, PodSample)> {
    let containers = metrics.containers.unwrap_or_default().into_iter().filter_map(|container| {
        Some(ContainerSample {
            cpu_nanos: quantity::nanos(container.usage.get("cpu")?)?,
            working_set_bytes: quantity::whole(container.usage.get("memory")?)?,
            name: container.name,
        })
    });
    let sample = PodSample {
        time: metrics.timestamp,
        window: metrics.window.parse().unwrap_or(SignedDuration::ZERO),
        containers: containers.collect(),
    };
    Some((metrics.metadata.name, sample)).filter(|(name, _)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::answers::chain;
    use super::*;

    #[test]
    fn a_tenant_does_not_read_the_names_of_the_host() {
        let said = |code| {
            let message = format!(
                "pods.metrics.k8s.io is forbidden: User \"system:serviceaccount:team-x:vc-my\" cannot list \
                 resource \"pods\" in API group \"metrics.k8s.io\" in the namespace \"team-x\" ({code})"
            );
            kube::Error::Api(Box::new(kube::core::Status { code, message, ..Default::default() }))
        };
        let lost = kube::Error::Service("tcp connect error to 192.168.1.10:6443 of team-x".into());
        for (error, expected) in [
            (said(403), "its Role needs get and list"),
            (said(503), "install metrics-server"),
            (said(500), "the log of the syncer says why"),
            (lost, "the log of the syncer says why"),
        ] {
            let text = chain(&Unavailable::of_host(&error, "team-x"));
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains("team-x") && !text.contains("192.168"), "{text}");
        }
    }

    #[test]
    fn what_metrics_server_sends_is_read() {
        let metrics: PodMetrics = serde_json::from_value(json!({
            "metadata": {"name": "web-x-ns-x-vc", "namespace": "team", "labels": {}},
            "timestamp": "2026-01-02T03:04:05Z",
            "window": "1m15.305s",
            "containers": [
                {"name": "main", "usage": {"cpu": "1234567n", "memory": "12Mi"}},
                {"name": "odd", "usage": {"cpu": "?", "memory": "12Mi"}},
            ],
        }))
        .unwrap();
        let (name, sample) = sample(metrics).unwrap();
        assert_eq!(name, "web-x-ns-x-vc");
        assert_eq!(sample.window, SignedDuration::from_millis(75_305));
        assert_eq!(
            sample.containers,
            [ContainerSample {
                name: "main".to_owned(),
                cpu_nanos: 1_234_567,
                working_set_bytes: 12 << 20,
            }]
        );
    }
}
