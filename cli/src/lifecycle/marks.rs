//! What tells the host objects of one virtual cluster from all others. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::names;

/// What tells the objects of one virtual cluster from all others.
#[derive(Clone, Debug)]
pub struct Marks {
    /// Name of the virtual cluster.
    pub name: String,
    /// Its host namespace.
    pub namespace: String,
    /// UID of Service NAME, which owns what the syncer makes.
    pub service: Option<String>,
    /// Leave the claims.
    pub keep_claims: bool,
}

/// Values of label `app` of what is no part of a control plane and goes with it.
const BESIDE: [&str; 2] = [names::ACTIVATOR, names::TEST];

/// Whether an object in the namespace belongs to the virtual cluster. Pure.
pub fn is_ours(plural: &str, metadata: &ObjectMeta, marks: &Marks) -> bool {
    let labels = metadata.labels.clone().unwrap_or_default();
    let annotations = metadata.annotations.clone().unwrap_or_default();
    if marks.keep_claims && plural == "persistentvolumeclaims" {
        return false;
    }
    let mirrored = labels.get(names::MANAGED_BY) == Some(&marks.name)
        && annotations.contains_key(names::OBJECT_NAME);
    let part = labels.get("release") == Some(&marks.name)
        && labels.get("app").is_some_and(|app| {
            BESIDE.contains(&app.as_str()) || names::APPS.contains(&app.as_str())
        });
    mirrored
        || part
        || is_owned(metadata, marks.service.as_deref())
        || has_our_name(plural, metadata, marks)
}

/// Whether Service NAME owns it.
pub fn is_owned(metadata: &ObjectMeta, service: Option<&str>) -> bool {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    service.is_some_and(|service| owners.iter().any(|owner| owner.uid == service))
}

/// Objects that a control plane makes for itself and that older ones did not mark.
fn has_our_name(plural: &str, metadata: &ObjectMeta, marks: &Marks) -> bool {
    let name = metadata.name.as_deref().unwrap_or_default();
    match plural {
        "secrets" => {
            name == names::kubeconfig_secret(&marks.name)
                || name == names::config_secret(&marks.name)
        }
        "configmaps" => name == format!("vc-cidr-{}", marks.name),
        "leases" => name == format!("vcluster-{}-controller", marks.name),
        _ => false,
    }
}

/// The finalizers that are not ours. None: none is ours. Pure.
pub fn without_our_finalizers(metadata: &ObjectMeta) -> Option<Vec<String>> {
    let all = metadata.finalizers.as_deref().unwrap_or_default();
    let rest: Vec<String> =
        all.iter().filter(|it| !it.starts_with(names::FINALIZER_PREFIX)).cloned().collect();
    (rest.len() != all.len()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn metadata(value: Value) -> ObjectMeta {
        serde_json::from_value(value).unwrap()
    }

    fn marks() -> Marks {
        Marks {
            name: "a".into(),
            namespace: "ns".into(),
            service: Some("uid-1".into()),
            keep_claims: false,
        }
    }

    #[test]
    fn only_objects_with_our_marks_are_ours() {
        let mirrored = json!({ "labels": { "vcluster.loft.sh/managed-by": "a" }, "annotations": { "vcluster.loft.sh/object-name": "x" } });
        let cases = [
            ("pods", mirrored.clone(), true),
            ("pods", json!({ "labels": { "vcluster.loft.sh/managed-by": "a" } }), false),
            ("pods", json!({ "labels": { "app": "vcluster-test", "release": "a" } }), true),
            ("pods", json!({ "labels": { "app": "vcluster-test", "release": "b" } }), false),
            ("pods", json!({ "labels": { "app": "vcluster-other", "release": "a" } }), false),
            (
                "pods",
                json!({ "labels": { "vcluster.loft.sh/managed-by": "b" }, "annotations": { "vcluster.loft.sh/object-name": "x" } }),
                false,
            ),
            (
                "services",
                json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "Service", "name": "a", "uid": "uid-1" }] }),
                true,
            ),
            (
                "services",
                json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "Service", "name": "a", "uid": "uid-2" }] }),
                false,
            ),
            (
                "persistentvolumeclaims",
                json!({ "name": "data-a-0", "labels": { "app": "vcluster", "release": "a" } }),
                true,
            ),
            ("statefulsets", json!({ "labels": { "app": "vcluster-etcd", "release": "a" } }), true),
            ("statefulsets", json!({ "labels": { "app": "nginx", "release": "a" } }), false),
            ("secrets", json!({ "name": "vc-a" }), true),
            ("secrets", json!({ "name": "a-certs" }), false),
            ("configmaps", json!({ "name": "vc-a" }), false),
            ("leases", json!({ "name": "vcluster-a-controller" }), true),
        ];
        for (plural, value, expected) in cases {
            assert_eq!(
                is_ours(plural, &metadata(value.clone()), &marks()),
                expected,
                "{plural} {value}"
            );
        }
        let keep = Marks { keep_claims: true, ..marks() };
        assert!(!is_ours("persistentvolumeclaims", &metadata(mirrored), &keep));
    }

    #[test]
    fn only_finalizers_of_ours_are_taken_off() {
        let with = |list: Value| metadata(json!({ "finalizers": list }));
        assert_eq!(without_our_finalizers(&with(json!([]))), None);
        assert_eq!(without_our_finalizers(&with(json!(["kubernetes.io/pvc-protection"]))), None);
        assert_eq!(
            without_our_finalizers(&with(json!([
                "vcluster.loft.sh/claim",
                "kubernetes.io/pvc-protection"
            ]))),
            Some(vec!["kubernetes.io/pvc-protection".to_owned()])
        );
    }
}
