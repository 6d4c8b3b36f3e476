//! The status of a virtual cluster, and of a pod in the words of `kubectl get pods`. Pure.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

pub const PAUSED: &str = "Paused";
pub const SCALED_DOWN: &str = "ScaledDown";
const RUNNING: &str = "Running";
const UNKNOWN: &str = "Unknown";

/// Paused and scaled-down clusters say so; otherwise the first pod that is not running speaks. `paused` is what the
/// annotation says: `helm upgrade` gives a paused cluster its replicas back and leaves that as it is.
pub fn cluster_status<'a>(
    paused: bool,
    replicas: i32,
    pods: impl Iterator<Item = &'a Pod>,
) -> String {
    if replicas == 0 {
        return if paused { PAUSED } else { SCALED_DOWN }.into();
    }
    let statuses: Vec<String> = pods.map(pod_status).collect();
    let odd = statuses.iter().find(|status| *status != RUNNING);
    odd.or_else(|| statuses.first()).cloned().unwrap_or_else(|| UNKNOWN.into())
}

/// The STATUS column of `kubectl get pods`.
pub fn pod_status(pod: &Pod) -> String {
    let Some(status) = &pod.status else { return UNKNOWN.into() };
    let mut text =
        status.reason.clone().or_else(|| status.phase.clone()).unwrap_or_else(|| UNKNOWN.into());
    let inits = status.init_container_statuses.as_deref().unwrap_or_default();
    let sidecars = restartable_inits(pod);
    let total = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.init_containers.as_ref())
        .map_or(inits.len(), Vec::len);
    let waiting_init = inits.iter().enumerate().find(|(_, init)| {
        let sidecar = sidecars.contains(&init.name.as_str());
        !(exit_code(init) == Some(0) || (sidecar && init.started == Some(true)))
    });
    if let Some((index, init)) = waiting_init {
        text = format!("Init:{}", init_reason(init).unwrap_or_else(|| format!("{index}/{total}")));
    } else {
        let containers = status.container_statuses.as_deref().unwrap_or_default();
        let mut running = false;
        for container in containers.iter().rev() {
            match container_reason(container) {
                Some(reason) => text = reason,
                None => running |= container.ready && is_running(container),
            }
        }
        if text == "Completed" && running {
            text = RUNNING.into();
        }
    }
    if pod.metadata.deletion_timestamp.is_some() {
        let lost = status.reason.as_deref() == Some("NodeLost");
        text = if lost { UNKNOWN.into() } else { "Terminating".into() };
    }
    text
}

fn restartable_inits(pod: &Pod) -> Vec<&str> {
    let inits =
        pod.spec.as_ref().and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
    let sidecars = inits.iter().filter(|init| init.restart_policy.as_deref() == Some("Always"));
    sidecars.map(|init| init.name.as_str()).collect()
}

fn init_reason(init: &ContainerStatus) -> Option<String> {
    let state = init.state.as_ref()?;
    if let Some(ended) = &state.terminated {
        return Some(ended_reason(ended.reason.as_deref(), ended.signal, ended.exit_code));
    }
    let reason = state.waiting.as_ref()?.reason.clone()?;
    (!reason.is_empty() && reason != "PodInitializing").then_some(reason)
}

fn container_reason(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting
        && let Some(reason) = waiting.reason.clone().filter(|reason| !reason.is_empty())
    {
        return Some(reason);
    }
    let ended = state.terminated.as_ref()?;
    Some(ended_reason(ended.reason.as_deref(), ended.signal, ended.exit_code))
}

fn ended_reason(reason: Option<&str>, signal: Option<i32>, exit_code: i32) -> String {
    match (reason.filter(|reason| !reason.is_empty()), signal.filter(|signal| *signal != 0)) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(signal)) => format!("Signal:{signal}"),
        (None, None) => format!("ExitCode:{exit_code}"),
    }
}

fn exit_code(container: &ContainerStatus) -> Option<i32> {
    Some(container.state.as_ref()?.terminated.as_ref()?.exit_code)
}

fn is_running(container: &ContainerStatus) -> bool {
    container.state.as_ref().is_some_and(|state| state.running.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn status_of(metadata: Value, spec: Value, status: Value) -> String {
        let pod = json!({ "metadata": metadata, "spec": spec, "status": status });
        pod_status(&serde_json::from_value(pod).unwrap())
    }

    fn container(name: &str, ready: bool, state: Value) -> Value {
        json!({ "name": name, "ready": ready, "restartCount": 0, "image": "", "imageID": "", "state": state })
    }

    #[test]
    fn pods_read_as_in_kubectl() {
        let spec =
            json!({ "containers": [], "initContainers": [{ "name": "i" }, { "name": "j" }] });
        let none = json!({ "containers": [] });
        let gone = json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" });
        let running = container("a", true, json!({ "running": {} }));
        let waiting = |reason: &str| json!({ "waiting": { "reason": reason } });
        let ended = |code: i32| json!({ "terminated": { "exitCode": code } });
        let containers = |list: Value| json!({ "phase": "Running", "containerStatuses": list });
        let inits = |list: Value| json!({ "phase": "Pending", "initContainerStatuses": list });
        let starting = container("j", false, waiting("PodInitializing"));
        let cases = [
            ("Pending", json!({}), none.clone(), json!({ "phase": "Pending" })),
            ("Evicted", json!({}), none.clone(), json!({ "phase": "Failed", "reason": "Evicted" })),
            (
                "Init:0/2",
                json!({}),
                spec.clone(),
                inits(json!([container("i", false, json!({ "running": {} })), starting])),
            ),
            (
                "Init:ImagePullBackOff",
                json!({}),
                spec,
                inits(json!([
                    container("i", true, ended(0)),
                    container("j", false, waiting("ImagePullBackOff"))
                ])),
            ),
            (
                "CrashLoopBackOff",
                json!({}),
                none.clone(),
                containers(json!([running, container("b", false, waiting("CrashLoopBackOff"))])),
            ),
            (
                "ExitCode:3",
                json!({}),
                none.clone(),
                containers(json!([container("b", false, ended(3))])),
            ),
            ("Terminating", gone, none.clone(), containers(json!([running]))),
            ("Running", json!({}), none, containers(json!([running]))),
        ];
        for (expected, metadata, spec, status) in cases {
            assert_eq!(status_of(metadata, spec, status), expected);
        }
    }
}
