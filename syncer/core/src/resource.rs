//! The resources of the Kubernetes API that the syncer knows.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A resource of the API: where its objects live. Plural, group and version tell it from all others.
#[derive(Debug)]
pub struct Resource {
    /// API group, `""` for the core group.
    pub group: &'static str,
    /// API version, for example `v1`.
    pub version: &'static str,
    /// Plural name as in URLs; the kind's name in settings, logs and metric labels.
    pub plural: &'static str,
    /// Kind as in objects.
    pub kind: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

// Every look into a cache compares resources: there are few, each is a static of its own, and most differ in the plural.
impl Resource {
    fn id(&self) -> (&str, &str, &str) {
        (self.plural, self.group, self.version)
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Resource) -> bool {
        std::ptr::eq(self, other) || self.id() == other.id()
    }
}

impl Eq for Resource {}

impl PartialOrd for Resource {
    fn partial_cmp(&self, other: &Resource) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Resource {
    fn cmp(&self, other: &Resource) -> Ordering {
        if std::ptr::eq(self, other) { Ordering::Equal } else { self.id().cmp(&other.id()) }
    }
}

impl Hash for Resource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.plural.hash(state);
        self.group.hash(state);
    }
}

impl Resource {
    /// `v1` or `apps/v1`, as in an object's `apiVersion`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The value of annotation `vcluster.loft.sh/object-kind`: `/v1, Kind=Pod`, the form Go's `GroupVersionKind`
    /// prints and upstream writes since v0.21.
    pub fn gvk(&self) -> String {
        format!("{}/{}, Kind={}", self.group, self.version, self.kind)
    }

    /// Whether that is the value of [`Resource::gvk`].
    pub fn is_gvk(&self, text: &str) -> bool {
        let rest = text.strip_prefix(self.group).and_then(|rest| rest.strip_prefix('/'));
        let kind = rest.and_then(|rest| rest.strip_prefix(self.version));
        kind.and_then(|rest| rest.strip_prefix(", Kind=")) == Some(self.kind)
    }

    /// The path of the collection; `namespace` `""` means all of them.
    pub fn collection(&self, namespace: &str) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis/" };
        let (group, version, plural) = (self.group, self.version, self.plural);
        if namespace.is_empty() || !self.namespaced {
            format!("{root}{group}/{version}/{plural}")
        } else {
            format!("{root}{group}/{version}/namespaces/{namespace}/{plural}")
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plural)
    }
}

const fn core(plural: &'static str, kind: &'static str, namespaced: bool) -> Resource {
    Resource { group: "", version: "v1", plural, kind, namespaced }
}

const fn storage(plural: &'static str, kind: &'static str, namespaced: bool) -> Resource {
    Resource { group: "storage.k8s.io", version: "v1", plural, kind, namespaced }
}

/// Pods.
pub static PODS: Resource = core("pods", "Pod", true);
/// Services.
pub static SERVICES: Resource = core("services", "Service", true);
/// Endpoints.
pub static ENDPOINTS: Resource = core("endpoints", "Endpoints", true);
/// Endpoint slices.
pub static ENDPOINT_SLICES: Resource = Resource {
    group: "discovery.k8s.io",
    version: "v1",
    plural: "endpointslices",
    kind: "EndpointSlice",
    namespaced: true,
};
/// Config maps.
pub static CONFIG_MAPS: Resource = core("configmaps", "ConfigMap", true);
/// Secrets.
pub static SECRETS: Resource = core("secrets", "Secret", true);
/// Persistent volume claims.
pub static CLAIMS: Resource = core("persistentvolumeclaims", "PersistentVolumeClaim", true);
/// Persistent volumes.
pub static VOLUMES: Resource = core("persistentvolumes", "PersistentVolume", false);
/// Nodes.
pub static NODES: Resource = core("nodes", "Node", false);
/// Namespaces.
pub static NAMESPACES: Resource = core("namespaces", "Namespace", false);
/// Events (core/v1: the built-in role `admin` holds no rights on `events.k8s.io`).
pub static EVENTS: Resource = core("events", "Event", true);
/// Storage classes.
pub static STORAGE_CLASSES: Resource = storage("storageclasses", "StorageClass", false);
/// What drivers a node has.
pub static CSI_NODES: Resource = storage("csinodes", "CSINode", false);
/// Drivers of storage.
pub static CSI_DRIVERS: Resource = storage("csidrivers", "CSIDriver", false);
/// How much storage of a class is left where.
pub static CSI_STORAGE_CAPACITIES: Resource =
    storage("csistoragecapacities", "CSIStorageCapacity", true);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        assert_eq!(PODS.collection("a"), "/api/v1/namespaces/a/pods");
        assert_eq!(PODS.collection(""), "/api/v1/pods");
        assert_eq!(NODES.collection("a"), "/api/v1/nodes");
        assert_eq!(
            ENDPOINT_SLICES.collection("a"),
            "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices"
        );
        assert_eq!(PODS.gvk(), "/v1, Kind=Pod");
        for kind in [&PODS, &ENDPOINT_SLICES] {
            assert!(kind.is_gvk(&kind.gvk()) && !kind.is_gvk(&NODES.gvk()));
        }
        assert!(!PODS.is_gvk("") && !PODS.is_gvk("v1, Kind=Pod") && !PODS.is_gvk("/v1, Kind=Pods"));
        assert_eq!(ENDPOINT_SLICES.gvk(), "discovery.k8s.io/v1, Kind=EndpointSlice");
    }
}
