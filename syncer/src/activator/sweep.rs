//! Frees the host of the pods of a virtual cluster that sleeps.

use serde_json::Value;
use vcluster_syncer_core::labels::{MANAGED_BY, OBJECT_NAME, host_label_key};

use super::plane::Plane;
use crate::namespace::Denied;

/// Few enough to hold in memory.
const PAGE: usize = 50;

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

fn goes(pod: &Value, plane: &Plane) -> bool {
    let has = |map: &str, key: &str| pod.pointer("/metadata")?.get(map)?.get(key)?.as_str();
    // The label alone is not proof: a pod of ours also says which virtual pod it stands for.
    let ours = has("annotations", OBJECT_NAME).is_some();
    let ending = pod.pointer("/metadata/deletionTimestamp").is_some();
    let stays = !plane.staying.is_empty()
        && plane.staying.iter().all(|(key, value)| {
            has("labels", &host_label_key(key, &plane.name)) == Some(value.as_str())
        });
    ours && !ending && !stays
}
