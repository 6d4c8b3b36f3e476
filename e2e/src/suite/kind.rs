//! Where the API servers keep each kind of object that the suite looks at.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// One kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// As in an object's `kind`.
    pub name: &'static str,
    /// Group and version, as in an object's `apiVersion`.
    version: &'static str,
    /// As in a path.
    pub plural: &'static str,
}

macro_rules! kinds {
    ($($constant:ident = $name:literal, $version:literal, $plural:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "` of `", $version, "`")]
            pub const $constant: Kind = Kind { name: $name, version: $version, plural: $plural };
        )*
        const ALL: &[Kind] = &[$($constant),*];
    };
}

kinds! {
    CONFIG_MAPS = "ConfigMap", "v1", "configmaps";
    CRON_JOBS = "CronJob", "batch/v1", "cronjobs";
    CUSTOM_RESOURCES = "CustomResourceDefinition", "apiextensions.k8s.io/v1", "customresourcedefinitions";
    DAEMON_SETS = "DaemonSet", "apps/v1", "daemonsets";
    DEPLOYMENTS = "Deployment", "apps/v1", "deployments";
    ENDPOINTS = "Endpoints", "v1", "endpoints";
    ENDPOINT_SLICES = "EndpointSlice", "discovery.k8s.io/v1", "endpointslices";
    EVENTS = "Event", "v1", "events";
    JOBS = "Job", "batch/v1", "jobs";
    LEASES = "Lease", "coordination.k8s.io/v1", "leases";
    CLAIMS = "PersistentVolumeClaim", "v1", "persistentvolumeclaims";
    CLUSTER_ROLE_BINDINGS = "ClusterRoleBinding", "rbac.authorization.k8s.io/v1", "clusterrolebindings";
    NAMESPACES = "Namespace", "v1", "namespaces";
    NODES = "Node", "v1", "nodes";
    PODS = "Pod", "v1", "pods";
    PRIORITY_CLASSES = "PriorityClass", "scheduling.k8s.io/v1", "priorityclasses";
    QUOTAS = "ResourceQuota", "v1", "resourcequotas";
    ROLE_BINDINGS = "RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings";
    ROLES = "Role", "rbac.authorization.k8s.io/v1", "roles";
    SECRETS = "Secret", "v1", "secrets";
    SERVICES = "Service", "v1", "services";
    SERVICE_ACCOUNTS = "ServiceAccount", "v1", "serviceaccounts";
    STATEFUL_SETS = "StatefulSet", "apps/v1", "statefulsets";
    STORAGE_CLASSES = "StorageClass", "storage.k8s.io/v1", "storageclasses";
    VALIDATING_WEBHOOKS = "ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1", "validatingwebhookconfigurations";
    VOLUMES = "PersistentVolume", "v1", "persistentvolumes";
}

impl Kind {
    /// The kind of an object.
    ///
    /// # Errors
    /// When it is not one of those in this file.
    pub fn of(object: &Value) -> Result<Self> {
        let field = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let (name, version) = (field("kind"), field("apiVersion"));
        ALL.iter().copied().find(|kind| kind.name == name && kind.version == version).with_context(
            || format!("the suite does not know {version} {name}; add it to e2e/src/suite/kind.rs"),
        )
    }

    /// The URL path of the collection; an empty namespace stands for all, and for kinds that have none.
    pub fn path(self, namespace: &str) -> String {
        let root = if self.version.contains('/') { "apis" } else { "api" };
        let within =
            if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
        format!("/{root}/{}{within}/{}", self.version, self.plural)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_kubernetes() {
        assert_eq!(PODS.path("a"), "/api/v1/namespaces/a/pods");
        assert_eq!(NODES.path(""), "/api/v1/nodes");
        assert_eq!(DEPLOYMENTS.path("a"), "/apis/apps/v1/namespaces/a/deployments");
    }
}
