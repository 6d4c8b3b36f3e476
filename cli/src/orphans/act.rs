//! Carries a decision out. Each write is for the very object that was shown, by its UID, and all can be done again: the
//! store is noted last.

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use serde_json::{Map, Value, json};

use super::decide::{Decision, Fate, Scene};
use super::marks::Mirrored;
use crate::discover::Found;
use crate::error::{CliError, Kind, Result};
use crate::host::{Host, within};
use crate::names;

/// Writes in flight at once.
const AT_ONCE: usize = 16;

/// Marks and deletes host objects.
///
/// # Errors
/// The first write that the host refuses.
pub async fn carry_out(found: &Found, scene: &Scene, fates: &[(&Mirrored, Fate)]) -> Result<()> {
    let namespace = &found.cluster.namespace;
    let now = Timestamp::now().to_string();
    // What stays is marked before anything goes.
    let marks = scene.objects.iter().filter_map(|object| {
        let fate = fates.iter().find(|(it, _)| it.uid == object.uid).map(|(_, fate)| fate);
        let kept = !object.kept && fate.is_some_and(Fate::is_kept);
        let late = object.version.is_some_and(|version| version > scene.store.version);
        let mut annotations = Map::new();
        if kept {
            annotations.insert(names::KEPT.to_owned(), json!(now));
        }
        // Also of what goes: it is there until its grace period ends.
        if late {
            annotations
                .insert(names::OBJECT_VERSION.to_owned(), json!(scene.store.version.to_string()));
        }
        (!annotations.is_empty()).then_some((object, annotations))
    });
    stream::iter(marks)
        .map(|(object, annotations)| mark(&found.host, namespace, object, annotations))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    let goes = fates.iter().filter(|(_, fate)| *fate == Fate::Deleted);
    stream::iter(goes)
        .map(|(object, _)| delete(&found.host, namespace, object))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

/// Notes on host Service `NAME` that the store that is there now is the right one. The syncer then looks again.
///
/// # Errors
/// When the host refuses.
pub async fn note_store(found: &Found, scene: &Scene, decision: Decision) -> Result<()> {
    let (name, namespace) = (&found.cluster.name, &found.cluster.namespace);
    let services: Api<Service> = found.host.api(namespace);
    let body = json!({ "metadata": { "uid": scene.service, "annotations": {
        names::STORE_UID: scene.store.uid,
        names::READ_ONLY: Value::Null,
        names::STORE_DECISION: format!("{} {}", decision.command(), Timestamp::now()),
    } } });
    let doing = format!("annotate service {name} in namespace {namespace}");
    within(doing, services.patch_metadata(name, &PatchParams::default(), &Patch::Merge(body)))
        .await
        .map(|_| ())
}

async fn mark(
    host: &Host,
    namespace: &str,
    object: &Mirrored,
    annotations: Map<String, Value>,
) -> Result<()> {
    let api = api(host, namespace, object);
    let body = json!({ "metadata": { "uid": object.uid, "annotations": annotations } });
    let doing = format!("mark {} {}", object.resource.plural, object.name);
    let (parameters, body) = (PatchParams::default(), Patch::Merge(body));
    let patch = api.patch_metadata(&object.name, &parameters, &body);
    unless_gone(within(doing, patch).await.map(|_| ()))
}

async fn delete(host: &Host, namespace: &str, object: &Mirrored) -> Result<()> {
    let api = api(host, namespace, object);
    let uid = Some(object.uid.clone());
    let only =
        DeleteParams::background().preconditions(Preconditions { uid, resource_version: None });
    let doing = format!("delete {} {}", object.resource.plural, object.name);
    unless_gone(within(doing, api.delete(&object.name, &only)).await.map(|_| ()))
}

fn api(host: &Host, namespace: &str, object: &Mirrored) -> Api<DynamicObject> {
    Api::namespaced_with(host.client.clone(), namespace, &object.resource)
}

/// What went by itself meanwhile, with or without another one in its place, needs no decision any more. A patch for
/// another UID is refused as a change of a field that cannot change.
fn unless_gone(result: Result<()>) -> Result<(), CliError> {
    let another =
        |error: &CliError| error.cause.as_deref().is_some_and(|it| it.contains("metadata.uid"));
    match result {
        Err(error) if matches!(error.kind, Kind::NotFound | Kind::Conflict) => Ok(()),
        Err(error) if another(&error) => Ok(()),
        other => other,
    }
}
