//! Applies manifests of any kind: the API server tells where objects of a kind live.

use anyhow::{Context as _, bail};
use vcluster_syncer_core::Object;
use vcluster_syncer_core::json::Value;

use crate::engine::api::Api;

/// Applies one object by server-side apply, and takes over fields that others set.
///
/// # Errors
/// When the API server does not know the kind, or refuses the object.
pub async fn apply(api: &Api, object: &Value) -> anyhow::Result<()> {
    let object = Object::new(object.clone());
    let version = object.str_at(&["apiVersion"]).context("an object has no apiVersion")?;
    let kind = object.str_at(&["kind"]).context("an object has no kind")?;
    let root =
        if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let resources: Value = serde_json::from_slice(&api.get_raw(&root).await?)?;
    let resources = Object::new(resources);
    let found = resources.items_at(&["resources"]).iter().find(|resource| {
        let name = resource.get("name").and_then(Value::as_str).unwrap_or_default();
        resource.get("kind").and_then(Value::as_str) == Some(kind) && !name.contains('/')
    });
    let Some(resource) = found else { bail!("the API server knows no kind {kind} in {version}") };
    let plural = resource.get("name").and_then(Value::as_str).unwrap_or_default();
    let namespaced = resource.get("namespaced").and_then(Value::as_bool).unwrap_or_default();
    let path = match (namespaced, object.namespace()) {
        (true, "") => format!("{root}/namespaces/default/{plural}/{}", object.name()),
        (true, namespace) => format!("{root}/namespaces/{namespace}/{plural}/{}", object.name()),
        (false, _) => format!("{root}/{plural}/{}", object.name()),
    };
    api.apply(&path, object.value()).await.with_context(|| format!("{kind} {}", object.name()))
}
