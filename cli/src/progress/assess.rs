//! From what has been seen to one sentence and a verdict. Pure.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::Need;
use super::seen::Seen;

/// How things stand.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// There is what was needed.
    pub ready: bool,
    /// What is waited for; empty when nothing is.
    pub note: String,
    /// This is trouble, and it should not last longer than this.
    pub bearable: Option<Duration>,
    /// Pod and container whose log says more.
    pub crashed: Option<(String, String)>,
}

/// A refused pod stays refused until somebody acts; a moment is left for quota to be freed.
const REFUSED: Duration = Duration::from_secs(10);
/// An image that cannot be pulled may be on its way to a registry.
const NO_IMAGE: Duration = Duration::from_secs(60);
/// A container that keeps crashing.
const CRASHING: Duration = Duration::from_secs(20);
/// Restarts that are normal while the parts of a control plane find each other.
const NORMAL_RESTARTS: i32 = 3;

/// Judges.
///
/// `generation` is the version of the StatefulSet that must have been taken in at least.
pub fn assess(seen: &Seen, need: Need, generation: i64) -> Assessment {
    if let Some(denied) = &seen.denied {
        return Assessment {
            note: denied.clone(),
            bearable: Some(Duration::ZERO),
            ..Assessment::default()
        };
    }
    let pods: Vec<&Pod> =
        seen.pods.values().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect();
    let ready_main = pods.iter().any(|pod| is_main(pod) && is_ready(pod));
    let credentials = seen.kubeconfig.is_some();
    let rolled_out = seen.set.as_ref().is_none_or(|set| {
        set.observed >= set.generation.max(generation)
            && pods.iter().filter(|pod| is_main(pod)).all(|pod| is_of(pod, &set.revision))
    });
    if credentials && (need == Need::Credentials || (ready_main && rolled_out)) {
        return Assessment { ready: true, ..Assessment::default() };
    }
    let worst =
        pods.iter().filter(|pod| !is_ready(pod)).map(|pod| of_pod(pod, seen)).max_by_key(rank);
    match worst {
        Some(assessment) => assessment,
        None if pods.is_empty() => without_pods(seen),
        None if ready_main && !rolled_out => note("waiting for the new version of the pod".into()),
        None if !credentials => {
            Assessment { note: "waiting for the credentials".into(), ..Assessment::default() }
        }
        None => Assessment {
            note: "waiting for the control plane's own pod".into(),
            ..Assessment::default()
        },
    }
}

/// Crashed says more than troubled, troubled says more than slow.
fn rank(assessment: &Assessment) -> (bool, bool) {
    (assessment.crashed.is_some(), assessment.bearable.is_some())
}

fn without_pods(seen: &Seen) -> Assessment {
    let refused = seen.warnings.values().find(|warning| warning.reason == "FailedCreate");
    match refused {
        Some(warning) => Assessment {
            note: format!("the host refuses the pod: {}", without_preamble(&warning.message)),
            bearable: Some(REFUSED),
            ..Assessment::default()
        },
        None if seen.pods_listed => {
            Assessment { note: "waiting for the pod to be created".into(), ..Assessment::default() }
        }
        None => Assessment::default(),
    }
}

/// `create Pod x-0 in StatefulSet x failed error: pods "x-0" is forbidden: ...` has its news at the end.
fn without_preamble(message: &str) -> &str {
    message.split_once("failed error: ").map_or(message, |(_, news)| news)
}

fn of_pod(pod: &Pod, seen: &Seen) -> Assessment {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    if let Some(condition) =
        conditions.iter().find(|it| it.type_ == "PodScheduled" && it.status == "False")
    {
        let why =
            condition.message.clone().or_else(|| condition.reason.clone()).unwrap_or_default();
        return Assessment { note: format!("no node for the pod: {why}"), ..Assessment::default() };
    }
    let inits = status.init_container_statuses.unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    if let Some(assessment) = inits.iter().chain(&containers).find_map(|it| of_troubled(it, &name))
    {
        return assessment;
    }
    // The other reasons say what the pod's own status says better.
    let said_elsewhere = ["Unhealthy", "FailedScheduling", "Failed", "BackOff"];
    let warning =
        seen.warnings.get(&name).filter(|it| !said_elsewhere.contains(&it.reason.as_str()));
    if let Some(init) = inits.iter().find(|init| is_running(init)) {
        return note(format!("running {}", init.name));
    }
    let starting = containers.iter().filter(|it| !is_running(it)).count();
    if starting > 0 || containers.is_empty() {
        return note(match warning {
            Some(warning) => format!("starting containers: {}", warning.message),
            None if status.phase.as_deref() == Some("Pending") && containers.is_empty() => {
                "waiting for a node".to_owned()
            }
            None => "starting containers".to_owned(),
        });
    }
    let unready: Vec<&str> =
        containers.iter().filter(|it| !it.ready).map(|it| it.name.as_str()).collect();
    if unready.is_empty() {
        return note("waiting for the pod to be ready".into());
    }
    note(format!("waiting for {}", unready.join(", ")))
}

/// A container that does not start or does not stay.
fn of_troubled(container: &ContainerStatus, pod: &str) -> Option<Assessment> {
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let message = waiting.message.as_deref().unwrap_or_default();
        let note = format!("{}: {reason}{}", container.name, colon(message));
        let crashed = Some((pod.to_owned(), container.name.clone()));
        return match reason {
            "" | "PodInitializing" | "ContainerCreating" => None,
            "CrashLoopBackOff" => {
                let bearable = (container.restart_count > NORMAL_RESTARTS).then_some(CRASHING);
                Some(Assessment { note, bearable, crashed, ready: false })
            }
            "InvalidImageName" | "ErrImageNeverPull" => {
                Some(Assessment { note, bearable: Some(Duration::ZERO), ..Assessment::default() })
            }
            "ImagePullBackOff" | "ErrImagePull" => {
                Some(Assessment { note, bearable: Some(NO_IMAGE), ..Assessment::default() })
            }
            _ => Some(Assessment { note, ..Assessment::default() }),
        };
    }
    let ended = state.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
    let reason = ended.reason.as_deref().unwrap_or("Error");
    Some(Assessment {
        note: format!("{} ended: {reason}, exit code {}", container.name, ended.exit_code),
        crashed: Some((pod.to_owned(), container.name.clone())),
        ..Assessment::default()
    })
}

fn colon(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    if first.is_empty() { String::new() } else { format!(": {first}") }
}

fn note(note: String) -> Assessment {
    Assessment { note, ..Assessment::default() }
}

fn is_main(pod: &Pod) -> bool {
    pod.metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get("app"))
        .is_some_and(|app| app == crate::names::APP)
}

/// Whether a pod is of a revision; only a StatefulSet's own pods say so.
fn is_of(pod: &Pod, revision: &str) -> bool {
    let labels = pod.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get("controller-revision-hash")).is_none_or(|of| of == revision)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions =
        pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn is_running(container: &ContainerStatus) -> bool {
    container.state.as_ref().is_some_and(|state| state.running.is_some())
}

#[cfg(test)]
mod tests {
    use super::super::seen::{Rollout, Warning};
    use super::*;
    use serde_json::{Value, json};

    fn seen(pods: &[Value], warnings: &[(&str, &str, &str)], kubeconfig: bool) -> Seen {
        let mut seen = Seen {
            pods_listed: true,
            kubeconfig: kubeconfig.then(|| json!({})),
            ..Seen::default()
        };
        for (index, status) in pods.iter().enumerate() {
            let pod = json!({
                "metadata": { "name": format!("a-{index}"), "labels": { "app": "vcluster", "release": "a" } },
                "spec": { "containers": [] }, "status": status,
            });
            seen.pods.insert(format!("a-{index}"), serde_json::from_value(pod).unwrap());
        }
        for (object, reason, message) in warnings {
            let warning = Warning { reason: (*reason).into(), message: (*message).into() };
            seen.warnings.insert((*object).into(), warning);
        }
        seen
    }

    fn containers(list: Value) -> Value {
        json!({ "phase": "Running", "containerStatuses": list })
    }

    fn container(name: &str, restarts: i32, state: Value) -> Value {
        json!({ "name": name, "ready": false, "restartCount": restarts, "image": "", "imageID": "", "state": state })
    }

    #[test]
    fn each_state_has_a_sentence() {
        let waiting = |reason: &str, message: &str| json!({ "waiting": { "reason": reason, "message": message } });
        let unscheduled = json!({ "phase": "Pending", "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available" },
        ] });
        let mounting = json!({ "phase": "Pending", "containerStatuses": [container("s", 0, waiting("ContainerCreating", ""))] });
        let init = json!({ "phase": "Pending", "initContainerStatuses": [container("init", 0, json!({ "running": {} }))],
            "containerStatuses": [container("s", 0, waiting("PodInitializing", ""))] });
        let refused = "create Pod a-0 in StatefulSet a failed error: pods \"a-0\" is forbidden: exceeded quota: q";
        let cases: Vec<(Seen, &str, Option<u64>)> = vec![
            (seen(&[], &[], false), "waiting for the pod to be created", None),
            (
                seen(&[], &[("a", "FailedCreate", refused)], false),
                "the host refuses the pod: pods \"a-0\" is forbidden: exceeded quota: q",
                Some(10),
            ),
            (
                seen(&[unscheduled], &[], false),
                "no node for the pod: 0/2 nodes are available",
                None,
            ),
            (seen(&[json!({ "phase": "Pending" })], &[], false), "waiting for a node", None),
            (
                seen(
                    std::slice::from_ref(&mounting),
                    &[("a-0", "FailedMount", "MountVolume failed")],
                    false,
                ),
                "starting containers: MountVolume failed",
                None,
            ),
            (seen(&[mounting], &[], false), "starting containers", None),
            (seen(&[init], &[], false), "running init", None),
            (
                seen(
                    &[containers(json!([container(
                        "s",
                        0,
                        waiting("ImagePullBackOff", "Back-off pulling x\nmore")
                    )]))],
                    &[],
                    false,
                ),
                "s: ImagePullBackOff: Back-off pulling x",
                Some(60),
            ),
            (
                seen(
                    &[containers(json!([container(
                        "s",
                        2,
                        waiting("CrashLoopBackOff", "back-off")
                    )]))],
                    &[],
                    false,
                ),
                "s: CrashLoopBackOff: back-off",
                None,
            ),
            (
                seen(
                    &[containers(json!([container(
                        "s",
                        4,
                        waiting("CrashLoopBackOff", "back-off")
                    )]))],
                    &[],
                    false,
                ),
                "s: CrashLoopBackOff: back-off",
                Some(20),
            ),
            (
                seen(
                    &[containers(json!([
                        container("s", 0, json!({ "running": {} })),
                        container("k", 0, json!({ "running": {} }))
                    ]))],
                    &[],
                    true,
                ),
                "waiting for s, k",
                None,
            ),
            (
                seen(
                    &[containers(json!([container(
                        "s",
                        0,
                        json!({ "terminated": { "exitCode": 2 } })
                    )]))],
                    &[],
                    true,
                ),
                "s ended: Error, exit code 2",
                None,
            ),
        ];
        for (seen, note, bearable) in cases {
            let assessment = assess(&seen, Need::Ready, 0);
            assert_eq!(assessment.note, note);
            assert_eq!(assessment.bearable.map(|it| it.as_secs()), bearable, "{note}");
            assert!(!assessment.ready, "{note}");
        }
    }

    #[test]
    fn readiness_needs_credentials_and_maybe_the_pod() {
        let ready =
            json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] });
        assert!(assess(&seen(&[], &[], true), Need::Credentials, 0).ready);
        assert!(!assess(&seen(&[], &[], true), Need::Ready, 0).ready);
        assert!(assess(&seen(std::slice::from_ref(&ready), &[], true), Need::Ready, 0).ready);
        let without = assess(&seen(&[ready], &[], false), Need::Ready, 0);
        assert_eq!(without.note, "waiting for the credentials");
    }

    #[test]
    fn a_pod_of_an_older_version_is_not_waited_for_long_but_does_not_count() {
        let ready =
            json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] });
        let mut state = seen(&[ready], &[], true);
        let labels = state.pods.get_mut("a-0").unwrap().metadata.labels.as_mut().unwrap();
        labels.insert("controller-revision-hash".into(), "old".into());
        for (generation, observed, revision, is_ready) in
            [(1, 1, "old", true), (2, 1, "old", false), (2, 2, "new", false), (1, 1, "new", false)]
        {
            state.set = Some(Rollout { generation, observed, revision: revision.into() });
            assert_eq!(
                assess(&state, Need::Ready, 0).ready,
                is_ready,
                "{generation} {observed} {revision}"
            );
        }
        // The watch may lag behind a change that was just made.
        state.set = Some(Rollout { generation: 1, observed: 1, revision: "old".into() });
        assert_eq!(assess(&state, Need::Ready, 2).note, "waiting for the new version of the pod");
    }

    #[test]
    fn a_refusal_to_tell_ends_the_waiting_at_once() {
        let state = Seen { denied: Some("pods is forbidden".into()), ..Seen::default() };
        assert_eq!(assess(&state, Need::Ready, 0).bearable, Some(Duration::ZERO));
    }
}
