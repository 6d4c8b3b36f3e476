//! Labels and annotations on their way to the host (`vcluster.loft.sh/...` is upstream's vocabulary since v0.21).

use std::borrow::Cow;

use crate::names::{safe_concat, short_hash};

/// Prefix of every label and annotation of ours. A tenant's keys under it never reach the host.
pub const PREFIX: &str = "vcluster.loft.sh/";
/// Label on each host object: the virtual cluster's name.
pub const MANAGED_BY: &str = "vcluster.loft.sh/managed-by";
/// Label on each namespaced host object: the virtual namespace.
pub const NAMESPACE: &str = "vcluster.loft.sh/namespace";
/// Label upstream puts on objects that another controller of the virtual cluster owns.
pub const CONTROLLED_BY: &str = "vcluster.loft.sh/controlled-by";
/// Label of Helm releases; the chart's Services select on it, so a tenant's own must not pass.
pub const RELEASE: &str = "release";

/// Annotations that name a host object's virtual twin.
pub const OBJECT_NAME: &str = "vcluster.loft.sh/object-name";
/// The twin's namespace; absent for cluster-scoped objects.
pub const OBJECT_NAMESPACE: &str = "vcluster.loft.sh/object-namespace";
/// The twin's UID.
pub const OBJECT_UID: &str = "vcluster.loft.sh/object-uid";
/// The twin's group, version and kind, for example `/v1, Kind=Pod`.
pub const OBJECT_KIND: &str = "vcluster.loft.sh/object-kind";
/// The host object's own name, so that a copy of it elsewhere is not taken for ours.
pub const OBJECT_HOST_NAME: &str = "vcluster.loft.sh/object-host-name";
/// The host object's own namespace.
pub const OBJECT_HOST_NAMESPACE: &str = "vcluster.loft.sh/object-host-namespace";
/// The virtual resourceVersion seen when the host object was made (design D6).
pub const OBJECT_VERSION: &str = "vcluster.loft.sh/object-resource-version";
/// Annotation on host Service `NAME`: UID of the virtual `kube-system`, which is the identity of the virtual store.
pub const STORE_UID: &str = "vcluster.loft.sh/store-uid";
/// Annotation on host Service `NAME`: what someone decided when the store was another one or an older one, and when.
/// Each new decision has the store judged again.
pub const STORE_DECISION: &str = "vcluster.loft.sh/store-decision";
/// Annotation on host Service `NAME`: why nothing is written until someone decides. An older store grows until it looks as
/// new as the one that was mirrored; this stays.
pub const READ_ONLY: &str = "vcluster.loft.sh/read-only";
/// Annotation on host objects whose virtual objects went with a lost store, and that someone decided to keep.
pub const KEPT: &str = "vcluster.loft.sh/kept";
/// Newline list of the annotation keys that the syncer owns on the host object.
pub const MANAGED_ANNOTATIONS: &str = "vcluster.loft.sh/managed-annotations";
/// Newline list of the label keys that the syncer owns on the host object.
pub const MANAGED_LABELS: &str = "vcluster.loft.sh/managed-labels";
/// Annotation on virtual objects that show one of the host's: the name of that, with its namespace if it has one.
pub const FROM_HOST: &str = "vcluster.loft.sh/from-host";
/// Annotation on host pods: the kind of the set that made the virtual pod (`DaemonSet`, `Job`, `ReplicaSet` ...).
pub const OWNER_SET_KIND: &str = "vcluster.loft.sh/owner-set-kind";

/// Annotation that `kubectl apply` keeps a whole copy of the object in: of no use on the host, and large.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The label key on the host for a virtual label key: itself, but hashed where it would steer what is not the tenant's.
pub fn host_label_key<'a>(key: &'a str, vcluster: &str) -> Cow<'a, str> {
    if key == RELEASE || key.starts_with(PREFIX) {
        hashed_label_key(key, vcluster).into()
    } else {
        key.into()
    }
}

/// The label key on the host under which a virtual label means nothing to anybody else.
pub fn hashed_label_key(key: &str, vcluster: &str) -> String {
    safe_concat(&["vcluster.loft.sh/label", vcluster, "x", &short_hash(key)])
}

/// The label key on a host pod that carries a label of its virtual namespace, so that namespace selectors can work.
pub fn namespace_label_key(key: &str, vcluster: &str) -> String {
    safe_concat(&["vcluster.loft.sh/ns-label", vcluster, "x", &short_hash(key)])
}

/// Whether a tenant's annotation may pass to the host.
pub fn annotation_passes(key: &str) -> bool {
    !key.starts_with(PREFIX) && key != LAST_APPLIED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_keys_are_upstreams() {
        assert_eq!(host_label_key("app", "my-vcluster"), "app");
        assert_eq!(
            host_label_key("release", "my-vcluster"),
            "vcluster.loft.sh/label-my-vcluster-x-a4d451ec23"
        );
        assert_eq!(
            namespace_label_key("kubernetes.io/metadata.name", "my-vcluster"),
            "vcluster.loft.sh/ns-label-my-vcluster-x-cf1227b7b2"
        );
    }

    #[test]
    fn reserved_keys_do_not_pass_as_they_are() {
        for key in [MANAGED_BY, NAMESPACE, CONTROLLED_BY, "vcluster.loft.sh/anything"] {
            assert_ne!(host_label_key(key, "vc"), key);
            assert!(!annotation_passes(key));
        }
    }
}
