//! Frees the host of the pods of a virtual cluster that sleeps.

use std::time::{Duration, Instant};

use serde_json::Value;
use vcluster_syncer_core::labels::{MANAGED_BY, OBJECT_NAME, host_label_key};
use vcluster_syncer_core::sleep::State;

use super::plane::Plane;
use crate::namespace::Denied;

/// Few enough to hold in memory.
const PAGE: usize = 50;

/// How long pods may take to end before the virtual cluster is woken all the same.
const ENDING: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(300);

/// Whether no pod of the control plane is left. As long as its syncer runs, it answers for the tenants' pods.
///
/// # Errors
/// When the host does not answer, or refuses.
pub async fn plane_is_gone(plane: &Plane) -> Result<bool, Denied> {
    let selector = format!("app=vcluster,release={}", plane.name);
    Ok(plane.namespace.page("pods", &selector, 1, "").await?.0.is_empty())
}

/// Deletes the tenants' pods, but for those that are to stay. The syncer makes them again when it is back.
///
/// # Errors
/// When the host does not answer, or refuses.
pub async fn free(plane: &Plane) -> Result<(), Denied> {
    // Half freed is no state to wake from.
    let _turn = plane.turn.lock().await;
    if !matches!(plane.state().await?, State::Asleep(_)) {
        return Ok(());
    }
    let selector = format!("{MANAGED_BY}={}", plane.name);
    let (mut count, mut next) = (0, String::new());
    loop {
        let (pods, token) = plane.namespace.page("pods", &selector, PAGE, &next).await?;
        for pod in pods.iter().filter(|pod| goes(pod, plane)) {
            plane.namespace.delete("pods", pod).await?;
            count += 1;
        }
        if token.is_empty() {
            break;
        }
        next = token;
    }
    if count > 0 {
        tracing::info!(count, "pods of the virtual cluster were removed from the host");
    }
    Ok(())
}

/// Waits for pods that are about to end, but not for ever: to a syncer that starts meanwhile they would look like pods that
/// the host evicts, and not like those of a cluster that slept (docs/decisions/0011).
///
/// # Errors
/// When the host does not answer, or refuses.
pub async fn until_ended(plane: &Plane) -> Result<(), Denied> {
    let selector = format!("{MANAGED_BY}={}", plane.name);
    let began = Instant::now();
    while began.elapsed() < ENDING {
        let (mut ending, mut next) = (false, String::new());
        loop {
            let (pods, token) = plane.namespace.page("pods", &selector, PAGE, &next).await?;
            ending |= pods.iter().any(|pod| is_twin(pod) && is_ending(pod));
            if ending || token.is_empty() {
                break;
            }
            next = token;
        }
        if !ending {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// The label alone is not proof: a pod of ours also says which virtual pod it stands for.
fn is_twin(pod: &Value) -> bool {
    member(pod, "annotations", OBJECT_NAME).is_some()
}

fn is_ending(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_some()
}

fn member<'a>(pod: &'a Value, map: &str, key: &str) -> Option<&'a str> {
    pod.pointer("/metadata")?.get(map)?.get(key)?.as_str()
}

fn goes(pod: &Value, plane: &Plane) -> bool {
    let stays = !plane.staying.is_empty()
        && plane.staying.iter().all(|(key, value)| {
            member(pod, "labels", &host_label_key(key, &plane.name)) == Some(value.as_str())
        });
    is_twin(pod) && !is_ending(pod) && !stays
}
