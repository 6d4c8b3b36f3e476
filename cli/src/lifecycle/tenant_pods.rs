//! The host pods of a virtual cluster's workloads.

use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Preconditions};
use tokio::time::Instant;

use super::scale::left_of;
use crate::duration;
use crate::error::{CliError, Kind, Result};
use crate::host::{Host, within};
use crate::names;
use crate::ui::Step;

/// Deletions in flight at once.
const AT_ONCE: usize = 32;

/// Pods listed in one answer.
const PAGE: u32 = 500;

/// Deletes them and waits until they are gone; answers how many there were. Their virtual twins stay, and get new host
/// pods when the control plane is back.
///
/// # Errors
/// When the host refuses, or pods are left at the end.
pub async fn delete(
    host: &Host,
    name: &str,
    namespace: &str,
    step: &mut Step,
    patience: Duration,
) -> Result<usize> {
    let deadline = Instant::now() + patience;
    let pods: Api<Pod> = host.api(namespace);
    let selector = format!("{}={name}", names::MANAGED_BY);
    let mut count = 0;
    let mut page = ListParams::default().labels(&selector).limit(PAGE);
    loop {
        let listed =
            within(format!("list the pods of {name} in namespace {namespace}"), pods.list(&page))
                .await?;
        let ours: Vec<Pod> = listed.items.into_iter().filter(is_a_twin).collect();
        count += ours.len();
        let results =
            stream::iter(ours.iter().map(|pod| delete_one(&pods, pod))).buffer_unordered(AT_ONCE);
        for result in results.collect::<Vec<_>>().await {
            result?;
        }
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    if count == 0 {
        return Ok(0);
    }
    let left = left_of(pods, &selector, is_a_twin, step, deadline).await?;
    if left.is_empty() {
        return Ok(count);
    }
    let some = left.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    Err(CliError::new(
        Kind::Timeout,
        format!(
            "pods of {name} are still on the host after {}: {}",
            duration::show(patience),
            left.len()
        ),
    )
    .because(format!("left: {some}"))
    .hint(format!("kubectl --context {} -n {namespace} get pod -l {selector}", host.context)))
}

/// The label alone is not proof: a pod of ours also says which virtual pod it stands for.
fn is_a_twin(pod: &Pod) -> bool {
    pod.annotations().contains_key(names::OBJECT_NAME)
}

async fn delete_one(pods: &Api<Pod>, pod: &Pod) -> Result<()> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let only = DeleteParams::default()
        .preconditions(Preconditions { uid: pod.metadata.uid.clone(), resource_version: None });
    let name = pod.name_any();
    match within(format!("delete pod {name}"), pods.delete(&name, &only)).await {
        // Gone, or another of that name: both are no pod to delete.
        Err(error) if !matches!(error.kind, Kind::NotFound | Kind::Conflict) => Err(error),
        _ => Ok(()),
    }
}
