//! The objects of `metrics.k8s.io/v1beta1`. Pure. The format is that of `k8s.io/metrics/pkg/apis/metrics/v1beta1`.

use http::StatusCode;
use serde_json::{Value, json};

use super::super::super::objects::Metadata;
use super::super::PodUsage;

const API_VERSION: &str = "metrics.k8s.io/v1beta1";

/// What is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kubelet) struct Offer {
    pub(in crate::kubelet) pods: bool,
    pub(in crate::kubelet) nodes: bool,
}

/// The list of resources, for discovery.
pub(super) fn resources(offer: Offer) -> Value {
    let resource = |name: &str, kind: &str, namespaced: bool| {
        json!({
            "name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"],
        })
    };
    let nodes = offer.nodes.then(|| resource("nodes", "NodeMetrics", false));
    let pods = offer.pods.then(|| resource("pods", "PodMetrics", true));
    let resources: Vec<Value> = nodes.into_iter().chain(pods).collect();
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API_VERSION, "resources": resources,
    })
}

/// A list of PodMetrics.
pub(super) fn pods(usage: &[PodUsage]) -> Value {
    list("PodMetricsList", usage.iter().map(pod).collect())
}

/// PodMetrics of one pod.
pub(super) fn pod(usage: &PodUsage) -> Value {
    let PodUsage { pod, sample } = usage;
    let containers = sample.containers.iter().map(|container| {
        let usage = resources_used(container.cpu_nanos, container.working_set_bytes);
        json!({ "name": container.name, "usage": usage })
    });
    let containers: Vec<Value> = containers.collect();
    let time = sample.time.to_string();
    let mut metadata = metadata(&pod.metadata, &time);
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("namespace".into(), json!(pod.metadata.namespace));
    }
    json!({
        "kind": "PodMetrics", "apiVersion": API_VERSION, "metadata": metadata,
        "timestamp": time, "window": duration(sample.window), "containers": containers,
    })
}

/// A list of NodeMetrics.
pub(super) fn nodes(nodes: Vec<Value>) -> Value {
    list("NodeMetricsList", nodes)
}

/// NodeMetrics of one node: the share of the host that these pods take. None when nothing was measured on it.
pub(super) fn node(node: &Metadata, usage: &[&PodUsage]) -> Option<Value> {
    let newest = usage.iter().map(|usage| &usage.sample).max_by_key(|sample| sample.time)?;
    let containers = usage.iter().flat_map(|usage| &usage.sample.containers);
    let (cpu, memory) = containers.fold((0u64, 0u64), |(cpu, memory), container| {
        (
            cpu.saturating_add(container.cpu_nanos),
            memory.saturating_add(container.working_set_bytes),
        )
    });
    let time = newest.time.to_string();
    Some(json!({
        "kind": "NodeMetrics", "apiVersion": API_VERSION, "metadata": metadata(node, &time),
        "timestamp": time, "window": duration(newest.window), "usage": resources_used(cpu, memory),
    }))
}

fn list(kind: &str, items: Vec<Value>) -> Value {
    json!({ "kind": kind, "apiVersion": API_VERSION, "metadata": {}, "items": items })
}

fn metadata(of: &Metadata, time: &str) -> Value {
    json!({ "name": of.name, "creationTimestamp": time, "labels": of.labels })
}

fn resources_used(cpu_nanos: u64, working_set_bytes: u64) -> Value {
    json!({ "cpu": format!("{cpu_nanos}n"), "memory": working_set_bytes.to_string() })
}

/// As Go reads durations.
fn duration(window: jiff::SignedDuration) -> String {
    format!("{}ms", window.as_millis())
}

/// Why there is no object, as the API says such things.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: StatusCode,
    reason: &'static str,
    message: String,
}

impl Failure {
    pub(super) fn no_such_path() -> Self {
        let message = "the server could not find the requested resource".to_owned();
        Failure { code: StatusCode::NOT_FOUND, reason: "NotFound", message }
    }

    pub(super) fn not_found(resource: &str, name: &str) -> Self {
        let message =
            format!("{resource}.metrics.k8s.io {name:?} not found: nothing was measured of it yet");
        Failure { code: StatusCode::NOT_FOUND, reason: "NotFound", message }
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "measurements can only be got and listed".to_owned();
        Failure { code: StatusCode::METHOD_NOT_ALLOWED, reason: "MethodNotAllowed", message }
    }

    pub(super) fn unavailable(message: String) -> Self {
        Failure { code: StatusCode::SERVICE_UNAVAILABLE, reason: "ServiceUnavailable", message }
    }

    /// The Status object.
    pub(super) fn status(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "code": self.code.as_u16(), "reason": self.reason, "message": self.message,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::super::super::samples::{ContainerSample, PodSample};
    use super::*;

    fn usage(name: &str, second: i64) -> PodUsage {
        let pod = json!({"metadata": {
            "name": name, "namespace": "shop", "uid": "u", "labels": {"app": "web"},
        }});
        let container = |name: &str| ContainerSample {
            name: name.to_owned(),
            cpu_nanos: 1_500_000,
            working_set_bytes: 2048,
        };
        let sample = PodSample {
            time: Timestamp::from_second(second).unwrap(),
            window: SignedDuration::from_millis(15_300),
            containers: vec![container("main"), container("side")],
        };
        PodUsage { pod: serde_json::from_value(pod).unwrap(), sample }
    }

    #[test]
    fn a_pods_containers_are_told_one_by_one() {
        assert_eq!(
            pod(&usage("web", 0)),
            json!({
                "kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1beta1",
                "metadata": {
                    "name": "web", "namespace": "shop", "labels": {"app": "web"},
                    "creationTimestamp": "1970-01-01T00:00:00Z",
                },
                "timestamp": "1970-01-01T00:00:00Z", "window": "15300ms",
                "containers": [
                    {"name": "main", "usage": {"cpu": "1500000n", "memory": "2048"}},
                    {"name": "side", "usage": {"cpu": "1500000n", "memory": "2048"}},
                ],
            })
        );
    }

    #[test]
    fn a_node_is_the_sum_of_its_pods() {
        let of = Metadata { name: "n1".into(), ..Metadata::default() };
        let (first, second) = (usage("a", 60), usage("b", 0));
        let told = node(&of, &[&first, &second]).unwrap();
        assert_eq!(told["usage"], json!({"cpu": "6000000n", "memory": "8192"}));
        assert_eq!(told["timestamp"], "1970-01-01T00:01:00Z");
        assert_eq!(node(&of, &[]), None, "what nobody measured is not nothing");
    }

    #[test]
    fn discovery_names_what_is_offered() {
        let names = |pods, nodes| {
            let list = resources(Offer { pods, nodes });
            let list = list["resources"].as_array().unwrap().clone();
            list.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(true, true), ["nodes", "pods"]);
        assert_eq!(names(true, false), ["pods"]);
    }

    #[test]
    fn failures_are_status_objects() {
        let status = Failure::unavailable("no numbers".into()).status();
        assert_eq!((&status["code"], &status["kind"]), (&json!(503), &json!("Status")));
        assert_eq!(status["message"], "no numbers");
    }
}
