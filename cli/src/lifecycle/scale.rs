//! Scaling a control plane to nothing and back.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::duration;
use crate::error::{CliError, Kind, Result};
use crate::host::{Host, within};
use crate::names;
use crate::ui::Step;

/// How often a write is tried again when somebody else was faster.
const TRIES: usize = 5;

/// Scales every workload of a control plane to nothing and notes how many replicas it had. Answers how many it scaled.
///
/// # Errors
/// When the host refuses.
pub async fn down(host: &Host, name: &str, namespace: &str) -> Result<usize> {
    let now = Timestamp::now();
    let sets = each::<StatefulSet>(host, name, namespace, |set| {
        paused(&set.metadata, set.spec.replicas, now)
    })
    .await?;
    let deployments =
        each::<Deployment>(host, name, namespace, |it| paused(&it.metadata, it.spec.replicas, now))
            .await?;
    Ok(sets + deployments)
}

/// Gives every paused workload its replicas back; one that somebody else has given some only loses the marks. Answers how
/// many there were.
///
/// # Errors
/// When the host refuses.
pub async fn up(host: &Host, name: &str, namespace: &str) -> Result<usize> {
    let sets =
        each::<StatefulSet>(host, name, namespace, |set| resumed(&set.metadata, set.spec.replicas))
            .await?;
    let deployments =
        each::<Deployment>(host, name, namespace, |it| resumed(&it.metadata, it.spec.replicas))
            .await?;
    Ok(sets + deployments)
}

/// Waits until no pod of the control plane is left.
///
/// # Errors
/// The deadline, with the pods that are left.
pub async fn until_gone(
    host: &Host,
    name: &str,
    namespace: &str,
    step: &mut Step,
    patience: Duration,
) -> Result<()> {
    let pods: Api<Pod> = host.api(namespace);
    let selector = names::selector_of_all_parts(name);
    let left = left_of(pods, &selector, |_| true, step, Instant::now() + patience).await?;
    if left.is_empty() {
        return Ok(());
    }
    Err(CliError::new(
        Kind::Timeout,
        format!("the control plane of {name} still runs after {}", duration::show(patience)),
    )
    .because(format!("left: {}", left.join(", ")))
    .hint(format!("kubectl --context {} -n {namespace} get pod -l '{selector}'", host.context)))
}

/// Watches the pods that count until none is left, or the deadline; answers the names of those that are.
///
/// # Errors
/// When the host refuses the watch.
pub async fn left_of(
    pods: Api<Pod>,
    selector: &str,
    counts: impl Fn(&Pod) -> bool,
    step: &mut Step,
    deadline: Instant,
) -> Result<Vec<String>> {
    let mut changes =
        watcher(pods, watcher::Config::default().labels(selector)).default_backoff().boxed();
    let mut left = Left::default();
    loop {
        match tokio::time::timeout_at(deadline, changes.try_next()).await {
            Ok(Ok(Some(event))) => left.see(event, &counts),
            Ok(Ok(None)) | Err(_) => return Ok(left.names.into_iter().collect()),
            Ok(Err(
                watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error),
            )) if matches!(&error, kube::Error::Api(status) if status.code == 403) => {
                return Err(CliError::request("watch pods", &error));
            }
            // The watch comes back by itself.
            Ok(Err(error)) => tracing::debug!(%error, "a watch broke"),
        }
        match left.names.len() {
            _ if !left.listed => {}
            0 => return Ok(Vec::new()),
            1 => step.note("1 pod left"),
            count => step.note(format!("{count} pods left")),
        }
    }
}

/// The pods that a watch has shown.
#[derive(Default)]
struct Left {
    names: BTreeSet<String>,
    /// Whether the watch has shown all there are. Not so while it begins afresh, which it does after any break.
    listed: bool,
}

impl Left {
    fn see(&mut self, event: watcher::Event<Pod>, counts: impl Fn(&Pod) -> bool) {
        match event {
            watcher::Event::Init => *self = Self::default(),
            watcher::Event::InitApply(pod) | watcher::Event::Apply(pod) => {
                if counts(&pod) {
                    self.names.insert(pod.name_any());
                }
            }
            watcher::Event::Delete(pod) => {
                self.names.remove(&pod.name_any());
            }
            watcher::Event::InitDone => self.listed = true,
        }
    }
}

/// Patches every workload of a kind for which `change` answers a patch; answers how many.
async fn each<K>(
    host: &Host,
    name: &str,
    namespace: &str,
    change: impl Fn(&K) -> Option<Value>,
) -> Result<usize>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let api: Api<K> = host.api(namespace);
    let kind = K::plural(&()).into_owned();
    let selector = ListParams::default().labels(&names::selector_of_all_parts(name));
    let mut changed = 0;
    for object in
        within(format!("list {kind} in namespace {namespace}"), api.list(&selector)).await?.items
    {
        let mut object = Some(object);
        for _ in 0..TRIES {
            let Some(patch) = object.as_ref().and_then(&change) else { break };
            let target = object.as_ref().map(K::name_any).unwrap_or_default();
            let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
            let patched = api.patch(&target, &parameters, &patch);
            match within(format!("scale {kind} {target} in namespace {namespace}"), patched).await {
                Ok(_) => {
                    changed += 1;
                    break;
                }
                Err(error) if error.kind == Kind::Conflict => {
                    object = within(format!("read {kind} {target}"), api.get_opt(&target)).await?;
                }
                Err(error) if error.kind == Kind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(changed)
}

/// The patch that pauses. Pure. None: paused already.
fn paused(metadata: &ObjectMeta, replicas: Option<i32>, now: Timestamp) -> Option<Value> {
    let annotations = metadata.annotations.clone().unwrap_or_default();
    let is_paused = annotations.get(names::PAUSED).is_some_and(|value| value == "true");
    let replicas = replicas.unwrap_or(1);
    if is_paused && replicas == 0 {
        // What fell asleep by itself would wake up when somebody asks.
        return annotations.contains_key(names::ASLEEP_SINCE).then(|| {
            json!({ "metadata": {
                "resourceVersion": metadata.resource_version,
                "annotations": { names::ASLEEP_SINCE: null },
            } })
        });
    }
    // Somebody scaled it up by hand after the pause: what was noted then still holds.
    let noted = annotations.get(names::PAUSED_REPLICAS).filter(|_| is_paused).cloned();
    let now =
        jiff::fmt::temporal::DateTimePrinter::new().precision(Some(0)).timestamp_to_string(&now);
    Some(json!({
        "metadata": {
            "resourceVersion": metadata.resource_version,
            "annotations": {
                names::PAUSED: "true",
                names::PAUSED_REPLICAS: noted.unwrap_or_else(|| replicas.to_string()),
                names::PAUSED_DATE: now,
            },
        },
        "spec": { "replicas": 0 },
    }))
}

/// The patch that resumes. Pure. None: not paused.
fn resumed(metadata: &ObjectMeta, replicas: Option<i32>) -> Option<Value> {
    let annotations = metadata.annotations.as_ref()?;
    annotations.get(names::PAUSED).filter(|value| *value == "true")?;
    let marks = json!({
        "resourceVersion": metadata.resource_version,
        "annotations": { names::PAUSED: null, names::PAUSED_REPLICAS: null, names::PAUSED_DATE: null },
    });
    if replicas != Some(0) {
        return Some(json!({ "metadata": marks }));
    }
    let noted = annotations.get(names::PAUSED_REPLICAS).and_then(|text| text.parse::<i32>().ok());
    let replicas = noted.filter(|replicas| *replicas > 0).unwrap_or(1);
    Some(json!({ "metadata": marks, "spec": { "replicas": replicas } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(annotations: &[(&str, &str)]) -> ObjectMeta {
        let annotations = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        ObjectMeta {
            annotations: Some(annotations),
            resource_version: Some("7".into()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn pausing_notes_the_replicas() {
        let now = "2026-08-01T10:00:00.5Z".parse().unwrap();
        let patch = paused(&metadata(&[]), Some(3), now).unwrap();
        assert_eq!(
            patch,
            json!({
                "metadata": { "resourceVersion": "7", "annotations": {
                    "loft.sh/paused": "true",
                    "loft.sh/paused-replicas": "3",
                    "loft.sh/paused-date": "2026-08-01T10:00:00Z",
                } },
                "spec": { "replicas": 0 },
            })
        );
        let already = metadata(&[("loft.sh/paused", "true"), ("loft.sh/paused-replicas", "3")]);
        assert_eq!(paused(&already, Some(0), now), None);
        let asleep = metadata(&[("loft.sh/paused", "true"), ("vcluster.loft.sh/asleep-since", "")]);
        let stays = paused(&asleep, Some(0), now).unwrap();
        assert_eq!(
            stays["metadata"]["annotations"],
            json!({ "vcluster.loft.sh/asleep-since": null })
        );
        let by_hand = paused(&already, Some(1), now).unwrap();
        assert_eq!(by_hand["metadata"]["annotations"]["loft.sh/paused-replicas"], "3");
    }

    #[test]
    fn a_watch_that_begins_afresh_does_not_say_that_all_are_gone() {
        let pod = |name: &str| Pod {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            ..Pod::default()
        };
        let mut left = Left::default();
        let mut after = |event| {
            left.see(event, |pod| pod.name_any() != "another");
            (left.listed, left.names.len())
        };
        assert_eq!(after(watcher::Event::Init), (false, 0));
        assert_eq!(after(watcher::Event::InitApply(pod("a"))), (false, 1));
        assert_eq!(after(watcher::Event::InitApply(pod("another"))), (false, 1));
        assert_eq!(after(watcher::Event::InitDone), (true, 1));
        assert_eq!(after(watcher::Event::Init), (false, 0), "nothing is known any more");
        assert_eq!(after(watcher::Event::InitApply(pod("a"))), (false, 1));
        assert_eq!(after(watcher::Event::InitDone), (true, 1));
        assert_eq!(after(watcher::Event::Delete(pod("a"))), (true, 0));
    }

    #[test]
    fn resuming_restores_them_or_one() {
        assert_eq!(resumed(&metadata(&[]), Some(0)), None);
        for (noted, replicas) in [("3", 3), ("0", 1), ("many", 1), ("", 1)] {
            let paused =
                metadata(&[("loft.sh/paused", "true"), ("loft.sh/paused-replicas", noted)]);
            let patch = resumed(&paused, Some(0)).unwrap();
            assert_eq!(patch["spec"]["replicas"], replicas, "{noted}");
            assert_eq!(patch["metadata"]["annotations"]["loft.sh/paused"], Value::Null);
            let scaled = resumed(&paused, Some(2)).unwrap();
            assert_eq!(scaled["metadata"], patch["metadata"]);
            assert_eq!(scaled.get("spec"), None, "somebody else knows better how many");
        }
    }
}
