//! Prometheus text, with the kubelet's metric names.

use std::fmt::Write as _;

use super::super::objects::Pod;
use super::PodUsage;
use super::counters::CoreSeconds;
use super::samples::ContainerSample;

/// `/metrics` of a virtual node: only what is known of it.
pub(super) fn node(name: &str, pods: &[Pod]) -> String {
    let running = |pod: &&Pod| pod.status.phase == "Running";
    let states = pods.iter().flat_map(|pod| pod.status.container_statuses.iter().flatten());
    let (mut up, mut waiting, mut ended) = (0, 0, 0);
    for status in states {
        up += usize::from(status.state.running.is_some());
        waiting += usize::from(status.state.waiting.is_some());
        ended += usize::from(status.state.terminated.is_some());
    }
    let mut page = Page::default();
    page.family("kubelet_node_name", "gauge", "The node's name");
    page.sample("kubelet_node_name", &[("node", name)], 1.0, None);
    page.family("kubelet_running_pods", "gauge", "Number of pods that are running");
    page.sample("kubelet_running_pods", &[], pods.iter().filter(running).count() as f64, None);
    page.family("kubelet_running_containers", "gauge", "Number of containers by state");
    for (state, number) in [("created", waiting), ("exited", ended), ("running", up)] {
        let labels = [("container_state", state)];
        page.sample("kubelet_running_containers", &labels, number as f64, None);
    }
    page.0
}

/// `/metrics/resource`
pub(super) fn resource(cpu: &CoreSeconds, usage: &[PodUsage]) -> String {
    let mut page = Page::default();
    container_cpu(&mut page, cpu, usage);
    container_memory(&mut page, usage);
    page.family(
        "container_start_time_seconds",
        "gauge",
        "Start time of the container since unix epoch in seconds",
    );
    for_each_container(usage, |pod, container, labels| {
        if let Some(started) = start_of(&pod.pod, &container.name) {
            page.sample("container_start_time_seconds", labels, started, None);
        }
    });
    page.family(
        "pod_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the pod in core-seconds",
    );
    let pod_cpu = |usage: &PodUsage| -> f64 {
        let containers = usage.sample.containers.iter();
        containers.map(|container| core_seconds(cpu, usage, container)).sum()
    };
    let pod_memory = |usage: &PodUsage| -> f64 {
        usage.sample.containers.iter().map(|container| container.working_set_bytes as f64).sum()
    };
    for pod in usage {
        page.sample("pod_cpu_usage_seconds_total", &pod_labels(pod), pod_cpu(pod), Some(pod));
    }
    page.family("pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes");
    for pod in usage {
        page.sample("pod_memory_working_set_bytes", &pod_labels(pod), pod_memory(pod), Some(pod));
    }
    // The node is the share of the host that this virtual cluster's pods take.
    let newest = usage.iter().max_by_key(|pod| pod.sample.time);
    page.family(
        "node_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the node's pods in core-seconds",
    );
    page.sample("node_cpu_usage_seconds_total", &[], usage.iter().map(pod_cpu).sum(), newest);
    page.family(
        "node_memory_working_set_bytes",
        "gauge",
        "Current working set of the node's pods in bytes",
    );
    page.sample("node_memory_working_set_bytes", &[], usage.iter().map(pod_memory).sum(), newest);
    page.family("resource_scrape_error", "gauge", "1 if there was an error, 0 otherwise");
    page.sample("resource_scrape_error", &[], 0.0, None);
    page.0
}

/// `/metrics/cadvisor`: CPU and working set; the host tells no more.
pub(super) fn cadvisor(cpu: &CoreSeconds, usage: &[PodUsage]) -> String {
    let mut page = Page::default();
    container_cpu(&mut page, cpu, usage);
    container_memory(&mut page, usage);
    page.0
}

fn container_cpu(page: &mut Page, cpu: &CoreSeconds, usage: &[PodUsage]) {
    page.family(
        "container_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the container in core-seconds",
    );
    for_each_container(usage, |pod, container, labels| {
        let seconds = core_seconds(cpu, pod, container);
        page.sample("container_cpu_usage_seconds_total", labels, seconds, Some(pod));
    });
}

fn container_memory(page: &mut Page, usage: &[PodUsage]) {
    page.family(
        "container_memory_working_set_bytes",
        "gauge",
        "Current working set of the container in bytes",
    );
    for_each_container(usage, |pod, container, labels| {
        let bytes = container.working_set_bytes as f64;
        page.sample("container_memory_working_set_bytes", labels, bytes, Some(pod));
    });
}

fn for_each_container(
    usage: &[PodUsage],
    mut tell: impl FnMut(&PodUsage, &ContainerSample, &[(&str, &str)]),
) {
    for pod in usage {
        let [namespace, name] = pod_labels(pod);
        for container in &pod.sample.containers {
            tell(pod, container, &[("container", &container.name), namespace, name]);
        }
    }
}

fn pod_labels(usage: &PodUsage) -> [(&'static str, &str); 2] {
    [("namespace", &usage.pod.metadata.namespace), ("pod", &usage.pod.metadata.name)]
}

fn core_seconds(cpu: &CoreSeconds, usage: &PodUsage, container: &ContainerSample) -> f64 {
    let key = (usage.pod.metadata.uid.clone(), container.name.clone());
    cpu.get(&key).copied().unwrap_or_default()
}

fn start_of(pod: &Pod, container: &str) -> Option<f64> {
    let running = pod.container_status(container)?.state.running.as_ref()?;
    let started: jiff::Timestamp = running.started_at.as_deref()?.parse().ok()?;
    Some(started.as_second() as f64)
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _always = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// `of` lends its time of measurement. Label values are names of Kubernetes objects: nothing to escape.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64, of: Option<&PodUsage>) {
        let labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let time = of.map_or(String::new(), |pod| format!(" {}", pod.sample.time.as_millisecond()));
        let _always = writeln!(self.0, "{name}{labels} {value}{time}");
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use serde_json::json;

    use super::super::counters::Counters;
    use super::super::samples::PodSample;
    use super::*;

    #[test]
    fn metrics_server_finds_what_it_reads() {
        let pod = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "ns", "uid": "u"},
            "status": {"containerStatuses": [
                {"name": "main", "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}}},
            ]},
        }));
        let container = ContainerSample {
            name: "main".to_owned(),
            cpu_nanos: 500_000_000,
            working_set_bytes: 1024,
        };
        let sample = PodSample {
            time: Timestamp::from_second(1_800_000_000).unwrap(),
            window: SignedDuration::from_secs(10),
            containers: vec![container],
        };
        let usage = [PodUsage { pod: pod.unwrap(), sample }];
        let page = resource(&Counters::default().advance(&usage), &usage);
        for line in [
            r#"container_cpu_usage_seconds_total{container="main",namespace="ns",pod="web"} 5.001 1800000000000"#,
            r#"container_memory_working_set_bytes{container="main",namespace="ns",pod="web"} 1024 1800000000000"#,
            r#"container_start_time_seconds{container="main",namespace="ns",pod="web"} 1767323045"#,
            r#"pod_cpu_usage_seconds_total{namespace="ns",pod="web"} 5.001 1800000000000"#,
            "node_cpu_usage_seconds_total 5.001 1800000000000",
            "node_memory_working_set_bytes 1024 1800000000000",
            "# TYPE node_cpu_usage_seconds_total counter",
        ] {
            assert!(page.lines().any(|found| found == line), "missing {line} in\n{page}");
        }
    }

    #[test]
    fn the_node_counts_its_pods_and_containers() {
        let pod = |phase: &str, state: &str| -> Pod {
            serde_json::from_value(json!({"status": {
                "phase": phase,
                "containerStatuses": [{"name": "c", "state": {state: {}}}],
            }}))
            .unwrap()
        };
        let page = node("n1", &[pod("Running", "running"), pod("Pending", "waiting")]);
        assert!(page.contains("kubelet_node_name{node=\"n1\"} 1\n"), "{page}");
        assert!(page.contains("kubelet_running_pods 1\n"), "{page}");
        assert!(
            page.contains("kubelet_running_containers{container_state=\"created\"} 1\n"),
            "{page}"
        );
    }
}
