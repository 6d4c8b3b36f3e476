//! `/stats/summary`: JSON with the kubelet's keys; what is not known is absent, as there.

use serde_json::{Value, json};

use super::PodUsage;

/// The page for a node. The node's own numbers are the sums of its pods: the share of the host that they take.
pub(super) fn summary(node: &str, usage: &[PodUsage]) -> Value {
    let (cpu, memory) =
        usage.iter().map(total).fold((0, 0), |sum, pod| (sum.0 + pod.0, sum.1 + pod.1));
    let mut about = json!({ "nodeName": node });
    if let Some(newest) = usage.iter().map(|pod| pod.sample.time).max() {
        fill(&mut about, &newest.to_string(), cpu, memory);
    }
    json!({ "node": about, "pods": usage.iter().map(pod_stats).collect::<Vec<_>>() })
}

fn pod_stats(usage: &PodUsage) -> Value {
    let PodUsage { pod, sample } = usage;
    let time = sample.time.to_string();
    let containers: Vec<Value> = sample
        .containers
        .iter()
        .map(|container| {
            let mut stats = json!({ "name": container.name });
            let running =
                pod.container_status(&container.name).and_then(|s| s.state.running.as_ref());
            if let Some(started) = running.and_then(|running| running.started_at.as_ref()) {
                insert(&mut stats, "startTime", json!(started));
            }
            fill(&mut stats, &time, container.cpu_nanos, container.working_set_bytes);
            stats
        })
        .collect();
    let names = &pod.metadata;
    let mut stats = json!({
        "podRef": { "name": names.name, "namespace": names.namespace, "uid": names.uid },
        "containers": containers,
    });
    if let Some(started) = &pod.status.start_time {
        insert(&mut stats, "startTime", json!(started));
    }
    let (cpu, memory) = total(usage);
    fill(&mut stats, &time, cpu, memory);
    stats
}

fn total(usage: &PodUsage) -> (u64, u64) {
    let containers = usage.sample.containers.iter();
    containers.fold((0, 0), |(cpu, memory), container| {
        (cpu + container.cpu_nanos, memory + container.working_set_bytes)
    })
}

fn fill(stats: &mut Value, time: &str, cpu_nanos: u64, working_set_bytes: u64) {
    insert(stats, "cpu", json!({ "time": time, "usageNanoCores": cpu_nanos }));
    insert(stats, "memory", json!({ "time": time, "workingSetBytes": working_set_bytes }));
}

fn insert(stats: &mut Value, key: &str, value: Value) {
    if let Some(stats) = stats.as_object_mut() {
        stats.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::super::samples::{ContainerSample, PodSample};
    use super::*;

    #[test]
    fn pods_and_their_sum_have_the_kubelets_keys() {
        let container = |name: &str| ContainerSample {
            name: name.to_owned(),
            cpu_nanos: 3,
            working_set_bytes: 5,
        };
        let pod = json!({
            "metadata": {"name": "web", "namespace": "ns", "uid": "u"},
            "status": {"startTime": "2026-01-02T03:04:05Z"},
        });
        let sample = PodSample {
            time: Timestamp::from_second(0).unwrap(),
            window: SignedDuration::ZERO,
            containers: vec![container("a"), container("b")],
        };
        let usage = [PodUsage { pod: serde_json::from_value(pod).unwrap(), sample }];
        let page = summary("n1", &usage);
        assert_eq!(page["node"]["nodeName"], "n1");
        assert_eq!(page["node"]["cpu"]["usageNanoCores"], 6);
        let pod = &page["pods"][0];
        assert_eq!(pod["podRef"], json!({"name": "web", "namespace": "ns", "uid": "u"}));
        assert_eq!(pod["startTime"], "2026-01-02T03:04:05Z");
        assert_eq!(pod["memory"], json!({"time": "1970-01-01T00:00:00Z", "workingSetBytes": 10}));
        assert_eq!(pod["containers"][1]["name"], "b");
        assert_eq!(summary("n1", &[]), json!({"node": {"nodeName": "n1"}, "pods": []}));
    }
}
