//! Frees the host of the pods of a virtual cluster that sleeps.

use std::pin::pin;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use vcluster_syncer_core::json::Value;
use vcluster_syncer_core::labels::{MANAGED_BY, OBJECT_NAME, host_label_key};
use vcluster_syncer_core::sleep::State;

use super::plane::Plane;
use crate::namespace::Denied;

/// Few enough to hold in memory.
const PAGE: usize = 50;

/// Pods that are deleted at once, so that one that hangs does not hold up all.
const AT_ONCE: usize = 5;

/// Whether no pod of the control plane is left. As long as its syncer runs, it answers for the tenants' pods.
///
/// # Errors
/// When the host does not answer, or refuses.
pub async fn plane_is_gone(plane: &Plane) -> Result<bool, Denied> {
    Ok(plane.namespace.page("pods", &plane.pods(), 1, "").await?.0.is_empty())
}

/// Deletes the tenants' pods, but for those that are to stay. The syncer makes them again when it is back. A pod that
/// cannot be deleted does not keep the others. Answers whether none is left.
///
/// # Errors
/// When the host does not answer, or refuses to tell.
pub async fn free(plane: &Plane) -> Result<bool, Denied> {
    // Half freed is no state to wake from.
    let _turn = plane.turn.lock().await;
    if !matches!(plane.state().await?, State::Asleep(_)) {
        return Ok(false);
    }
    let (mut count, mut left) = (0, false);
    let selector = twins(plane);
    let mut pages = pin!(plane.namespace.pages("pods", &selector, PAGE));
    while let Some(pods) = pages.try_next().await? {
        left |= pods.iter().any(ends);
        let going = pods.iter().filter(|pod| goes(pod, plane));
        let mut deleted = stream::iter(going.map(|pod| plane.namespace.delete("pods", pod)))
            .buffer_unordered(AT_ONCE);
        while let Some(result) = deleted.next().await {
            match result {
                Ok(()) => count += 1,
                // Another pod has its name by now: it is gone.
                Err(error) if error.is_conflict() => continue,
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    tracing::warn!(error = format!("{error:#}"), "goes on with the others");
                }
            }
            left = true;
        }
    }
    if count > 0 {
        tracing::info!(count, "pods of the virtual cluster were removed from the host");
    }
    Ok(!left)
}

/// The selector of the tenants' pods.
fn twins(plane: &Plane) -> String {
    format!("{MANAGED_BY}={}", plane.name)
}

/// The label alone is not proof: a pod of ours also says which virtual pod it stands for.
fn is_twin(pod: &Value) -> bool {
    member(pod, "annotations", OBJECT_NAME).is_some()
}

fn ends(pod: &Value) -> bool {
    is_twin(pod) && pod.pointer("/metadata/deletionTimestamp").is_some()
}

fn member<'a>(pod: &'a Value, map: &str, key: &str) -> Option<&'a str> {
    pod.pointer("/metadata")?.get(map)?.get(key)?.as_str()
}

fn goes(pod: &Value, plane: &Plane) -> bool {
    let stays = !plane.staying.is_empty()
        && plane.staying.iter().all(|(key, value)| {
            member(pod, "labels", &host_label_key(key, &plane.name)) == Some(value.as_str())
        });
    is_twin(pod) && !ends(pod) && !stays
}

#[cfg(test)]
mod tests {
    use vcluster_syncer_core::json::json;

    use super::*;
    use crate::activator::plane::tests::plane;
    use crate::namespace::tests::scripted;

    #[tokio::test]
    async fn a_pod_that_cannot_be_deleted_does_not_keep_the_others() {
        let pod = |name: &str| json!({ "metadata": { "name": name, "uid": name, "annotations": { OBJECT_NAME: name } } });
        // What each DELETE answers, and whether all are gone then.
        for (codes, expected) in [([403, 409, 200], false), ([409, 409, 409], true)] {
            let pods = json!({ "items": [pod("a"), pod("b"), pod("c")] });
            let (namespace, asked) = scripted(&[], move |line, _| {
                let date = "2026-08-01T20:00:00Z";
                match line {
                    "DELETE pods/a" => Some((codes[0], json!({}))),
                    "DELETE pods/b" => Some((codes[1], json!({}))),
                    "DELETE pods/c" => Some((codes[2], json!({}))),
                    _ if line.starts_with("GET pods?") => Some((200, pods.clone())),
                    _ => Some((
                        200,
                        json!({
                            "metadata": { "annotations": {
                                "loft.sh/paused": "true", "loft.sh/paused-date": date, "vcluster.loft.sh/asleep-since": date,
                            } },
                            "spec": { "replicas": 0 },
                        }),
                    )),
                }
            });
            assert_eq!(free(&plane(namespace)).await.unwrap(), expected, "{codes:?}");
            let asked = asked.lock().unwrap();
            assert_eq!(asked.iter().filter(|line| line.starts_with("DELETE")).count(), 3);
        }
    }
}
