//! What a control plane's state is called.

use super::super::seen::{Rollout, Warning};
use super::*;
use serde_json::{Value, json};

fn seen(pods: &[Value], warnings: &[(&str, &str, &str)], kubeconfig: bool) -> Seen {
    let mut seen =
        Seen { pods_listed: true, kubeconfig: kubeconfig.then(|| json!({})), ..Seen::default() };
    for (index, status) in pods.iter().enumerate() {
        let pod = json!({
            "metadata": { "name": format!("a-{index}"), "labels": { "app": "vcluster", "release": "a" } },
            "spec": { "containers": [], "initContainers": [{ "name": "stays", "restartPolicy": "Always" }] },
            "status": status,
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
    let stays = json!({ "phase": "Pending", "initContainerStatuses": [container("stays", 0, json!({ "running": {} }))],
        "containerStatuses": [container("s", 0, waiting("PodInitializing", ""))] });
    let refused = "create Pod a-0 in StatefulSet a failed error: pods \"a-0\" is forbidden: exceeded quota: q";
    let cases: Vec<(Seen, &str, Option<u64>)> = vec![
        (seen(&[], &[], false), "waiting for the pod to be created", None),
        (
            seen(&[], &[("a", "FailedCreate", refused)], false),
            "the host refuses the pod: pods \"a-0\" is forbidden: exceeded quota: q",
            Some(10),
        ),
        (seen(&[unscheduled], &[], false), "no node for the pod: 0/2 nodes are available", None),
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
        (seen(&[stays], &[], false), "starting containers", None),
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
                &[containers(json!([container("s", 2, waiting("CrashLoopBackOff", "back-off"))]))],
                &[],
                false,
            ),
            "s: CrashLoopBackOff: back-off",
            None,
        ),
        (
            seen(
                &[containers(json!([container("s", 4, waiting("CrashLoopBackOff", "back-off"))]))],
                &[],
                false,
            ),
            "s: CrashLoopBackOff: back-off",
            Some(20),
        ),
        (
            seen(
                &[containers(json!([
                    container("k", 0, waiting("CreateContainerConfigError", "no configmap")),
                    container("s", 1, waiting("CrashLoopBackOff", "back-off"))
                ]))],
                &[],
                false,
            ),
            "s: CrashLoopBackOff: back-off",
            None,
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
    let unseen = assess(&seen(std::slice::from_ref(&ready), &[], true), Need::Ready, 2);
    assert!(!unseen.ready, "the pod may be of an older version");
    let without = assess(&seen(&[ready], &[], false), Need::Ready, 0);
    assert_eq!(without.note, "waiting for the credentials");
}

fn rollout(generation: i64, observed: i64, revision: &str) -> Rollout {
    Rollout {
        generation,
        observed,
        revision: revision.into(),
        dns_is_awaited: false,
        is_down: false,
    }
}

#[test]
fn several_control_planes_are_ready_before_dns_is_and_that_is_waited_for() {
    let ready =
        json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] });
    let mut state = seen(&[ready], &[], true);
    state.set = Some(Rollout { dns_is_awaited: true, ..rollout(1, 1, "new") });
    assert_eq!(assess(&state, Need::Ready, 0).note, "waiting for CoreDNS inside");
    assert!(assess(&state, Need::Credentials, 0).ready);
    state.dns = state.pods.clone();
    assert!(assess(&state, Need::Ready, 0).ready);
}

#[test]
fn what_was_paused_meanwhile_is_not_called_late() {
    let set = Some(Rollout { is_down: true, ..rollout(1, 1, "new") });
    let state = Seen { set, ..seen(&[], &[], true) };
    assert!(assess(&state, Need::Ready, 0).note.contains("paused"));
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
        state.set = Some(rollout(generation, observed, revision));
        assert_eq!(
            assess(&state, Need::Ready, 0).ready,
            is_ready,
            "{generation} {observed} {revision}"
        );
    }
    // The watch may lag behind a change that was just made.
    state.set = Some(rollout(1, 1, "old"));
    assert_eq!(assess(&state, Need::Ready, 2).note, "waiting for the new version of the pod");
}

#[test]
fn a_refusal_to_tell_ends_the_waiting_at_once() {
    let state = Seen { denied: Some("pods is forbidden".into()), ..Seen::default() };
    assert_eq!(assess(&state, Need::Ready, 0).bearable, Some(Duration::ZERO));
}
