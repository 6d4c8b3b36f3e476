//! What the host shows.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::discovery::Scope;
use serde_json::Value;

use super::marks::Mirrored;
use crate::error::{CliError, Result, chain};
use crate::host::{Host, within};
use crate::lifecycle::leftovers;
use crate::names;

/// Lists in flight at once.
const AT_ONCE: usize = 16;
/// Objects in one answer.
const PAGE: u32 = 500;

/// What must be seen before anything is decided. Of other kinds we look at what we may.
const NEEDED: [&str; 6] =
    ["pods", "services", "configmaps", "secrets", "persistentvolumeclaims", "endpointslices"];

/// A pod of the host namespace: its UID, its name, and every word in its spec that can be a name.
pub struct User {
    /// UID on the host.
    pub uid: String,
    /// Name on the host.
    pub name: String,
    /// All texts in its spec.
    pub words: Vec<String>,
}

/// What host Service `NAME` notes.
pub struct Noted {
    /// UID of the Service.
    pub service: String,
    /// Identity of the virtual store that is mirrored; empty: none yet.
    pub store: String,
    /// Whether the syncer stands still.
    pub read_only: bool,
}

/// Reads what host Service `NAME` notes.
///
/// # Errors
/// When the host refuses, or there is no such Service.
pub async fn noted_store(host: &Host, name: &str, namespace: &str) -> Result<Noted> {
    let services: Api<Service> = host.api(namespace);
    let doing = format!("read service {name} in namespace {namespace}");
    let service = within(doing, services.get_metadata(name)).await?;
    Ok(Noted {
        service: service.uid().unwrap_or_default(),
        store: service.annotations().get(names::STORE_UID).cloned().unwrap_or_default(),
        read_only: service.annotations().contains_key(names::READ_ONLY),
    })
}

/// All host objects that stand for virtual ones, or belong to them.
///
/// # Errors
/// When the host refuses to show a kind that the syncer mirrors.
pub async fn objects(host: &Host, name: &str, namespace: &str) -> Result<Vec<Mirrored>> {
    let selector = format!("{}={name}", names::MANAGED_BY);
    let kinds = leftovers::listable(host).await?;
    let namespaced = kinds.into_iter().filter(|(_, scope)| *scope == Scope::Namespaced);
    let lists = stream::iter(namespaced).map(|(kind, _)| {
        let selector = selector.clone();
        async move {
            match list(host, namespace, &kind, &selector).await {
                Err(error) if !NEEDED.contains(&kind.plural.as_str()) => {
                    tracing::debug!(kind = kind.plural, error = chain(&error), "not looked at");
                    Ok(Vec::new())
                }
                answer => answer,
            }
        }
    });
    let mut found: Vec<Mirrored> = lists.buffer_unordered(AT_ONCE).try_concat().await?;
    found.sort_by(|a, b| {
        (&a.resource.plural, &a.twin.namespace, &a.twin.name, &a.name).cmp(&(
            &b.resource.plural,
            &b.twin.namespace,
            &b.twin.name,
            &b.name,
        ))
    });
    Ok(found)
}

async fn list(
    host: &Host,
    namespace: &str,
    kind: &ApiResource,
    selector: &str,
) -> Result<Vec<Mirrored>, CliError> {
    let api: Api<DynamicObject> = Api::namespaced_with(host.client.clone(), namespace, kind);
    let mut page = ListParams::default().labels(selector).limit(PAGE);
    let mut found = Vec::new();
    loop {
        let doing = format!("list {} in namespace {namespace}", kind.plural);
        let listed = within(doing, api.list_metadata(&page)).await?;
        let marked = listed.items.iter().filter_map(|it| Mirrored::read(kind, &it.metadata));
        found.extend(marked);
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// The pods of the namespace, of whomever they are: they may use what would be deleted.
///
/// # Errors
/// When the host refuses.
pub async fn pods(host: &Host, namespace: &str) -> Result<Vec<User>> {
    let pods: Api<Pod> = host.api(namespace);
    let mut page = ListParams::default().limit(PAGE);
    let mut found = Vec::new();
    loop {
        let doing = format!("list pods in namespace {namespace}");
        let listed = within(doing, pods.list(&page)).await?;
        for pod in listed.items {
            let spec = serde_json::to_value(&pod.spec).unwrap_or_default();
            let mut words = HashSet::new();
            collect(&spec, &mut words);
            let words = words.into_iter().collect();
            found.push(User { uid: pod.uid().unwrap_or_default(), name: pod.name_any(), words });
        }
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// There are two dozen places where a pod's spec can name a Secret, and more to come: any text may be one.
fn collect(value: &Value, words: &mut HashSet<String>) {
    match value {
        Value::String(text) => {
            words.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
        Value::Object(members) => members.values().for_each(|member| collect(member, words)),
        _ => {}
    }
}
