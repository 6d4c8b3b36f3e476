//! From what has been seen to one sentence and a verdict. Pure.

use std::cmp::Reverse;
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
    let rolled_out = seen.set.as_ref().map_or(generation == 0, |set| {
        set.observed >= set.generation.max(generation)
            && pods.iter().filter(|pod| is_main(pod)).all(|pod| is_of(pod, &set.revision))
    });
    let up = ready_main && rolled_out;
    let dns =
        seen.set.as_ref().is_none_or(|set| !set.dns_is_awaited) || seen.dns.values().any(is_ready);
    if credentials && (need == Need::Credentials || (up && dns)) {
        return Assessment { ready: true, ..Assessment::default() };
    }
    if credentials && up {
        return note("waiting for CoreDNS inside".into());
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
        None if seen.set.as_ref().is_some_and(|set| set.is_down) => {
            note("it is to have no pods: someone paused it, or it sleeps".into())
        }
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
    // One that cannot start may only lack what one that crashes would have prepared. The first of equals.
    let troubled = inits.iter().chain(&containers).filter_map(|it| of_troubled(it, &name));
    if let Some(assessment) = troubled.min_by_key(|it| Reverse(rank(it))) {
        return assessment;
    }
    // The other reasons say what the pod's own status says better.
    let said_elsewhere =
        ["Unhealthy", "FailedScheduling", "Failed", "BackOff", "FailedPostStartHook"];
    let warning =
        seen.warnings.get(&name).filter(|it| !said_elsewhere.contains(&it.reason.as_str()));
    // One that stays, such as Litestream, is no step on the way.
    let stays = |init: &ContainerStatus| {
        let all = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_ref());
        all.into_iter().flatten().any(|it| it.name == init.name && it.restart_policy.is_some())
    };
    if let Some(init) = inits.iter().find(|init| is_running(init) && !stays(init)) {
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
mod tests;
