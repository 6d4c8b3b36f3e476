//! What the marks of a host object say. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, GroupVersionKind};

use crate::names;

/// A host object that stands for a virtual one, or belongs to one.
#[derive(Clone, Debug)]
pub struct Mirrored {
    /// Its kind on the host.
    pub resource: ApiResource,
    /// Its name on the host.
    pub name: String,
    /// Its UID on the host.
    pub uid: String,
    /// The virtual version noted when it was made.
    pub version: Option<u64>,
    /// Someone decided to keep it.
    pub kept: bool,
    /// It is on its way out already.
    pub going: bool,
    /// It answers the virtual cluster's DNS queries, of which it knows nothing any more when the store is lost.
    pub dns: bool,
    /// The virtual object that its marks name.
    pub twin: Twin,
}

/// A virtual object.
#[derive(Clone, Debug)]
pub struct Twin {
    /// Its kind.
    pub kind: GroupVersionKind,
    /// Its namespace; empty for kinds without.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl Mirrored {
    /// Reads the marks. Nothing when they are not those of a virtual object that has a UID: what the syncer makes of
    /// its own accord has none, and neither have copies of our objects under other names.
    pub fn read(resource: &ApiResource, metadata: &ObjectMeta) -> Option<Self> {
        let annotations = metadata.annotations.as_ref()?;
        let text = |key: &str| annotations.get(key).map(String::as_str).filter(|it| !it.is_empty());
        let name = metadata.name.clone()?;
        let itself = text(names::OBJECT_HOST_NAME).is_none_or(|noted| noted == name);
        if !itself {
            return None;
        }
        Some(Self {
            resource: resource.clone(),
            name,
            uid: metadata.uid.clone()?,
            version: text(names::OBJECT_VERSION).and_then(|version| version.parse().ok()),
            kept: text(names::KEPT).is_some(),
            going: metadata.deletion_timestamp.is_some(),
            dns: metadata.labels.as_ref().is_some_and(answers_dns),
            twin: Twin {
                kind: kind(text(names::OBJECT_KIND)?)?,
                namespace: text(names::OBJECT_NAMESPACE).unwrap_or_default().to_owned(),
                name: text(names::OBJECT_NAME)?.to_owned(),
                uid: text(names::OBJECT_UID)?.to_owned(),
            },
        })
    }

    /// Whether it is the copy of its virtual object, not something beside it, such as the token of a pod.
    pub fn is_copy(&self) -> bool {
        self.resource.kind == self.twin.kind.kind
    }
}

/// Pods have this label, of which upstream had two values.
fn answers_dns(labels: &BTreeMap<String, String>) -> bool {
    labels.get("k8s-app").is_some_and(|it| it == "kube-dns" || it == "vcluster-kube-dns")
}

/// `/v1, Kind=Pod`, `apps/v1, Kind=Deployment`.
fn kind(text: &str) -> Option<GroupVersionKind> {
    let (group_version, kind) = text.split_once(", Kind=")?;
    let (group, version) = group_version.rsplit_once('/')?;
    Some(GroupVersionKind::gvk(group, version, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(name: &str, annotations: Value) -> Option<Mirrored> {
        let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Secret>(&());
        let metadata = json!({ "name": name, "uid": "h", "annotations": annotations });
        Mirrored::read(&resource, &serde_json::from_value(metadata).unwrap())
    }

    #[test]
    fn marks_name_the_virtual_object() {
        let marks = |kind: &str| {
            json!({
                "vcluster.loft.sh/object-kind": kind, "vcluster.loft.sh/object-name": "a",
                "vcluster.loft.sh/object-namespace": "b", "vcluster.loft.sh/object-uid": "u",
                "vcluster.loft.sh/object-host-name": "a-x-b-x-vc",
                "vcluster.loft.sh/object-resource-version": "7",
            })
        };
        let found = read("a-x-b-x-vc", marks("/v1, Kind=Secret")).unwrap();
        assert_eq!((found.version, found.kept, found.is_copy()), (Some(7), false, true));
        assert_eq!((found.twin.kind.group.as_str(), found.twin.kind.version.as_str()), ("", "v1"));
        assert!(!read("a-x-b-x-vc", marks("/v1, Kind=Pod")).unwrap().is_copy());
        assert!(read("copy", marks("/v1, Kind=Secret")).is_none());
        let group = kind("networking.k8s.io/v1, Kind=Ingress").unwrap();
        assert_eq!((group.group.as_str(), group.kind.as_str()), ("networking.k8s.io", "Ingress"));
        // The Service of a node: its node is made by the syncer.
        let mut node = marks("/v1, Kind=Node");
        node.as_object_mut().unwrap().remove("vcluster.loft.sh/object-uid");
        assert!(read("a-x-b-x-vc", node).is_none());
    }
}
