//! What the virtual cluster shows.

use std::collections::{HashMap, HashSet};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DynamicObject, GroupVersionKind, ListParams};
use kube::{Client, ResourceExt, discovery};

use super::marks::{Mirrored, Twin};
use crate::error::{CliError, Kind, Result};
use crate::host::within;

/// Objects in one answer.
const PAGE: u32 = 500;

/// The virtual store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// UID of `kube-system`, which is its identity.
    pub uid: String,
    /// Its version.
    pub version: u64,
}

/// UIDs of virtual objects by kind, namespace and name.
#[derive(Debug, Default)]
pub struct Twins(HashMap<(GroupVersionKind, String, String), String>);

impl Twins {
    /// The UID of the object that has the kind and name of this one now.
    pub fn uid_of(&self, twin: &Twin) -> Option<&str> {
        let key = (twin.kind.clone(), twin.namespace.clone(), twin.name.clone());
        self.0.get(&key).map(String::as_str)
    }

    /// Adds one.
    pub fn add(&mut self, kind: &GroupVersionKind, namespace: &str, name: &str, uid: &str) {
        self.0.insert((kind.clone(), namespace.to_owned(), name.to_owned()), uid.to_owned());
    }
}

/// Which store there is, and how far it is.
///
/// # Errors
/// When the virtual API server does not tell.
pub async fn store(inside: &Client) -> Result<Store> {
    let namespaces: Api<Namespace> = Api::all(inside.clone());
    let doing = "read the namespaces of the virtual cluster";
    let only = ListParams::default().fields("metadata.name=kube-system");
    let listed = within(doing, namespaces.list(&only)).await?;
    let uid = listed.items.first().and_then(ResourceExt::uid);
    let version = listed.metadata.resource_version.as_deref().unwrap_or_default().parse().ok();
    uid.zip(version).map(|(uid, version)| Store { uid, version }).ok_or_else(|| {
        CliError::failed(format!("cannot {doing}"))
            .because("there is no namespace kube-system, or the list has no version")
    })
}

/// What is inside of the kinds that these host objects stand for. A kind that is not served there has no objects.
///
/// # Errors
/// When the virtual API server refuses or fails: absence must be certain.
pub async fn twins(inside: &Client, objects: &[Mirrored]) -> Result<Twins> {
    let kinds: HashSet<&GroupVersionKind> = objects.iter().map(|it| &it.twin.kind).collect();
    let mut twins = Twins::default();
    for kind in kinds {
        let doing = format!("list the {} objects of the virtual cluster", kind.kind);
        let resource = match within(&doing, discovery::pinned_kind(inside, kind)).await {
            Ok((resource, _)) => resource,
            Err(error) if error.kind == Kind::NotFound || is_missing(&error) => continue,
            Err(error) => return Err(error),
        };
        let api: Api<DynamicObject> = Api::all_with(inside.clone(), &resource);
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let listed = within(&doing, api.list_metadata(&page)).await?;
            for object in &listed.items {
                let (namespace, uid) = (object.namespace().unwrap_or_default(), object.uid());
                twins.add(kind, &namespace, &object.name_any(), &uid.unwrap_or_default());
            }
            match listed.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => break,
            }
        }
    }
    Ok(twins)
}

/// The group is served, but not this kind of it.
fn is_missing(error: &CliError) -> bool {
    error.cause.as_deref().is_some_and(|cause| cause.contains("Missing Kind"))
}
