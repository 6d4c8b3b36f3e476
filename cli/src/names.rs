//! Names, labels and annotations that the host sees. They are a format that others rely on; never change one.

use sha2::{Digest, Sha256};

/// Label `app` of everything that belongs to a control plane.
pub const APP: &str = "vcluster";

/// Values of label `app` of one release: the second to fifth are those of control planes in several pods.
pub const APPS: [&str; 6] = [
    APP,
    "vcluster-api",
    "vcluster-controller",
    "vcluster-scheduler",
    "vcluster-etcd",
    "vcluster-kine",
];

/// Label `app` of what holds the door of a virtual cluster that sleeps. It is no part of the control plane: pausing
/// leaves it alone.
pub const ACTIVATOR: &str = "vcluster-activator";

/// Label `app` of the pod of `helm test`, which stays when it fails. No part of the control plane either.
pub const TEST: &str = "vcluster-test";

/// Label on each host object that stands for a virtual one; the value is the virtual cluster's name, or for objects
/// without a namespace [`cluster_marker`].
pub const MANAGED_BY: &str = "vcluster.loft.sh/managed-by";

/// Annotation with the name of the virtual object.
pub const OBJECT_NAME: &str = "vcluster.loft.sh/object-name";

/// Annotations with the namespace, the UID and the kind of the virtual object; the kind as `apps/v1, Kind=Deployment`.
pub const OBJECT_NAMESPACE: &str = "vcluster.loft.sh/object-namespace";
/// See [`OBJECT_NAMESPACE`].
pub const OBJECT_UID: &str = "vcluster.loft.sh/object-uid";
/// See [`OBJECT_NAMESPACE`].
pub const OBJECT_KIND: &str = "vcluster.loft.sh/object-kind";

/// Annotation with the host object's own name.
pub const OBJECT_HOST_NAME: &str = "vcluster.loft.sh/object-host-name";

/// Annotation with the virtual resourceVersion seen when the host object was made.
pub const OBJECT_VERSION: &str = "vcluster.loft.sh/object-resource-version";

/// Annotation on a host object that someone decided to keep without its virtual object.
pub const KEPT: &str = "vcluster.loft.sh/kept";

/// Annotation on host Service `NAME`: UID of the virtual `kube-system`, the identity of the store that is mirrored.
pub const STORE_UID: &str = "vcluster.loft.sh/store-uid";

/// Annotation on host Service `NAME`: why the syncer writes nothing until someone decides.
pub const READ_ONLY: &str = "vcluster.loft.sh/read-only";

/// Annotation on host Service `NAME`: what was decided about another store, or an older one, and when.
pub const STORE_DECISION: &str = "vcluster.loft.sh/store-decision";

/// Annotation on host Service `NAME`: when someone asked for new certificates.
pub const CERTIFICATES_ASKED: &str = "vcluster.loft.sh/certificates-asked";

/// Annotation on a StatefulSet whose pods are ready before CoreDNS is: `awaited` by whoever wants to use the cluster.
pub const DNS: &str = "vcluster.loft.sh/dns";

/// Annotation on a Secret with a virtual cluster's kubeconfig: whose it is, as `NAMESPACE/NAME`.
pub const EXPORTED_FROM: &str = "vcluster.loft.sh/exported-from";

/// Annotation on a host namespace that `create` made.
pub const CREATED: &str = "vcluster.loft.sh/created";

/// Annotations of a paused workload.
pub const PAUSED: &str = "loft.sh/paused";
/// How many replicas a paused workload had.
pub const PAUSED_REPLICAS: &str = "loft.sh/paused-replicas";
/// When a workload was paused, RFC 3339.
pub const PAUSED_DATE: &str = "loft.sh/paused-date";

/// The [`PAUSED_DATE`] of a workload that fell asleep by itself. Such a one wakes up when somebody asks; one that a person
/// paused does not.
pub const ASLEEP_SINCE: &str = "vcluster.loft.sh/asleep-since";

/// Finalizers with this prefix are ours.
pub const FINALIZER_PREFIX: &str = "vcluster.loft.sh/";

/// Label selector for the control-plane pods and workloads of one virtual cluster.
pub fn selector(name: &str) -> String {
    format!("app={APP},release={name}")
}

/// The same, including the parts of a control plane in several pods.
pub fn selector_of_all_parts(name: &str) -> String {
    format!("app in ({}),release={name}", APPS.join(","))
}

/// Label selector for the host pods of CoreDNS inside.
pub fn selector_of_dns(name: &str) -> String {
    format!("{MANAGED_BY}={name},k8s-app=vcluster-kube-dns")
}

/// Label selector for the pod that holds the door of one virtual cluster.
pub fn activator(name: &str) -> String {
    format!("app={ACTIVATOR},release={name}")
}

/// Secret with the kubeconfig.
pub fn kubeconfig_secret(name: &str) -> String {
    format!("vc-{name}")
}

/// Secret with the values that the control plane runs with.
pub fn config_secret(name: &str) -> String {
    format!("vc-config-{name}")
}

/// Secret with the virtual cluster's certificates.
pub fn certs_secret(name: &str) -> String {
    format!("{name}-certs")
}

/// Value of [`MANAGED_BY`] on objects that have no namespace.
pub fn cluster_marker(name: &str, namespace: &str) -> String {
    safe_concat(&[namespace, "x", name])
}

/// Joins with dashes; what is longer than 63 characters is cut and gets a hash of the whole.
fn safe_concat(parts: &[&str]) -> String {
    let full = parts.join("-");
    if full.len() <= 63 {
        return full;
    }
    let hash: String =
        Sha256::digest(full.as_bytes()).iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    let cut: String = full.chars().take(52).collect();
    format!("{cut}-{hash}").replace(".-", "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_hashed() {
        assert_eq!(
            safe_concat(&[
                "nginx-vcluster1-694d446f64-ld6qb",
                "x",
                "a-rather-long-namespace-name",
                "x",
                "my-vcluster"
            ]),
            "nginx-vcluster1-694d446f64-ld6qb-x-a-rather-long-nam-66c9b03f09"
        );
        assert_eq!(cluster_marker("my-vc", "team-x"), "team-x-x-my-vc");
    }

    #[test]
    fn selectors_name_the_release() {
        assert_eq!(selector("a"), "app=vcluster,release=a");
        assert!(selector_of_all_parts("a").starts_with("app in (vcluster,vcluster-api,"));
    }
}
