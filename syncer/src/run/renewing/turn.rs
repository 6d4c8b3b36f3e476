//! Of several replicas that all have to start again, one does so after the other: the rest serve.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};
use vcluster_syncer_core::json::Value;

use crate::namespace::Namespace;

/// Between two looks at the replicas in front.
const LOOK: Duration = Duration::from_secs(1);
/// Nobody waits longer: one in front may have started again long ago, or never will.
const PATIENCE: Duration = Duration::from_secs(300);
/// Replicas hear of a change, and look at their clocks, as much apart.
const APART: SignedDuration = SignedDuration::from_secs(15);

/// Waits until every replica in front of `pod` has started again and is ready. As with a rolling update, the one with the
/// highest number begins.
pub async fn come(namespace: &Namespace, pod: &str, replicas: u32) {
    let since = Timestamp::now() - APART;
    let front = in_front(pod, replicas);
    let all_back = async {
        for name in &front {
            while !is_back(namespace, name, since).await {
                sleep(LOOK).await;
            }
        }
    };
    if tokio::time::timeout_at(Instant::now() + PATIENCE, all_back).await.is_err() {
        tracing::info!(pod, "the replicas in front did not start again, this one does so now");
    }
}

async fn is_back(namespace: &Namespace, name: &str, since: Timestamp) -> bool {
    match namespace.get("pods", name).await {
        Ok(pod) => pod.is_some_and(|pod| started_again(&pod, since)),
        Err(error) => {
            tracing::debug!(%error, name, "a replica cannot be looked at, trying again");
            false
        }
    }
}

/// The pods that go before `pod`, the first one first.
fn in_front(pod: &str, replicas: u32) -> Vec<String> {
    let Some((set, number)) = pod.rsplit_once('-') else { return Vec::new() };
    let Ok(number) = number.parse::<u32>() else { return Vec::new() };
    (number.saturating_add(1)..replicas).rev().map(|other| format!("{set}-{other}")).collect()
}

/// Whether a pod is ready, with a syncer that started after `since`.
fn started_again(pod: &Value, since: Timestamp) -> bool {
    let of = |list: &str, key: &str, name: &str| {
        let mut items = pod.pointer(list).and_then(Value::as_array).into_iter().flatten();
        items.find(|item| item.get(key).and_then(Value::as_str) == Some(name))
    };
    let started = of("/status/containerStatuses", "name", "syncer")
        .and_then(|it| it.pointer("/state/running/startedAt")?.as_str()?.parse().ok());
    let ready = of("/status/conditions", "type", "Ready")
        .is_some_and(|it| it.get("status").and_then(Value::as_str) == Some("True"));
    ready && started.is_some_and(|started: Timestamp| started >= since)
}

#[cfg(test)]
mod tests {
    use vcluster_syncer_core::json::json;

    use super::*;

    #[test]
    fn the_last_one_begins() {
        assert_eq!(in_front("my-vc-2", 3), [""; 0]);
        assert_eq!(in_front("my-vc-0", 3), ["my-vc-2", "my-vc-1"]);
        assert_eq!(
            in_front("my-vc-7c9f-x2x", 3),
            [""; 0],
            "a pod without a number waits for nobody"
        );
        assert_eq!(in_front("my-vc-0", 1), [""; 0]);
    }

    #[test]
    fn one_is_back_when_its_syncer_started_anew_and_it_is_ready() {
        let since: Timestamp = "2026-01-01T10:00:00Z".parse().unwrap();
        let pod = |started: &str, ready: &str| {
            json!({ "status": {
                "containerStatuses": [
                    { "name": "kube-apiserver", "state": { "running": { "startedAt": "2026-01-01T11:00:00Z" } } },
                    { "name": "syncer", "state": { "running": { "startedAt": started } } },
                ],
                "conditions": [{ "type": "Initialized", "status": "True" }, { "type": "Ready", "status": ready }],
            } })
        };
        assert!(started_again(&pod("2026-01-01T10:00:01Z", "True"), since));
        assert!(!started_again(&pod("2026-01-01T09:59:59Z", "True"), since), "the old one");
        assert!(!started_again(&pod("2026-01-01T10:00:01Z", "False"), since));
        assert!(!started_again(&json!({}), since));
    }
}
