//! The downward API: what a container reads about its pod must be the virtual pod's, so fields that differ on the host
//! are read from annotations instead.

use crate::json::Value;

use crate::Settings;
use crate::labels::{annotation_passes, host_label_key};
use crate::names::{safe_concat, short_hash};

use super::marks;
use super::paths::{each, each_mut, text};

/// Where a pod's spec refers to fields of the pod.
const FIELD_REFS: [&str; 5] = [
    "containers[].env[].valueFrom.fieldRef",
    "initContainers[].env[].valueFrom.fieldRef",
    "ephemeralContainers[].env[].valueFrom.fieldRef",
    "volumes[].downwardAPI.items[].fieldRef",
    "volumes[].projected.sources[].downwardAPI.items[].fieldRef",
];

/// Puts the paths on the host in place of the virtual ones, in a pod's spec.
pub fn translate(spec: &mut Value, settings: &Settings) {
    for at in FIELD_REFS {
        each_mut(spec, at, &mut |field_ref| rename(field_ref, settings));
    }
}

/// The same for one container.
pub fn translate_container(container: &mut Value, settings: &Settings) {
    each_mut(container, "env[].valueFrom.fieldRef", &mut |field_ref| rename(field_ref, settings));
}

/// What a spec reads of its pod's annotations, beyond those that pass to the host under their own names.
#[derive(Debug, Default, PartialEq)]
pub struct Reads {
    /// Single annotations, each to be found under [`host_annotation_key`].
    pub annotations: Vec<String>,
    /// All of them, as one text.
    pub all_annotations: bool,
}

/// Finds out what annotations a spec reads.
pub fn reads(spec: &Value) -> Reads {
    let mut reads = Reads::default();
    for field_ref in FIELD_REFS.into_iter().flat_map(|at| each(spec, at)) {
        match subscripted(text(field_ref, "fieldPath")) {
            ("metadata.annotations", None) => reads.all_annotations = true,
            ("metadata.annotations", Some(key)) if !annotation_passes(key) => {
                reads.annotations.push(key.to_owned());
            }
            _ => {}
        }
    }
    reads
}

/// The annotation on the host that carries a tenant's annotation whose own key cannot pass. Nested virtual clusters
/// read such ones: their marks are a tenant's annotations here.
pub fn host_annotation_key(key: &str, vcluster: &str) -> String {
    safe_concat(&["vcluster.loft.sh/annotation", vcluster, "x", &short_hash(key)])
}

fn rename(field_ref: &mut Value, settings: &Settings) {
    if let Some(path) = host_path(text(field_ref, "fieldPath"), settings)
        && let Some(members) = field_ref.as_object_mut()
    {
        members.insert("fieldPath", path.into());
    }
}

fn host_path(path: &str, settings: &Settings) -> Option<String> {
    let annotation = |key: &str| format!("metadata.annotations['{key}']");
    Some(match subscripted(path) {
        ("metadata.name", None) => annotation(marks::NAME),
        ("metadata.namespace", None) => annotation(marks::NAMESPACE),
        ("metadata.uid", None) => annotation(marks::UID),
        ("metadata.labels", None) => annotation(marks::LABELS),
        ("metadata.annotations", None) => annotation(marks::ANNOTATIONS),
        ("spec.serviceAccountName", None) => annotation(marks::SERVICE_ACCOUNT),
        ("metadata.labels", Some(key)) => {
            format!("metadata.labels['{}']", host_label_key(key, &settings.name))
        }
        ("metadata.annotations", Some(key)) if !annotation_passes(key) => {
            annotation(&host_annotation_key(key, &settings.name))
        }
        _ => return None,
    })
}

/// Splits `metadata.labels['app']` into path and key, as the API does.
fn subscripted(path: &str) -> (&str, Option<&str>) {
    let split = path.strip_suffix("']").and_then(|path| path.split_once("['"));
    split.map_or((path, None), |(path, key)| (path, Some(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn each_field_is_read_where_the_host_has_it() {
        let settings = Settings::example();
        let hashed = host_label_key("release", "my-vc");
        let reserved = host_annotation_key("vcluster.loft.sh/name", "my-vc");
        for (path, wanted) in [
            ("metadata.name", "metadata.annotations['vcluster.loft.sh/name']".to_owned()),
            ("metadata.namespace", "metadata.annotations['vcluster.loft.sh/namespace']".into()),
            ("metadata.uid", "metadata.annotations['vcluster.loft.sh/uid']".into()),
            ("metadata.labels", "metadata.annotations['vcluster.loft.sh/labels']".into()),
            ("metadata.annotations", "metadata.annotations['vcluster.loft.sh/annotations']".into()),
            (
                "spec.serviceAccountName",
                "metadata.annotations['vcluster.loft.sh/service-account-name']".into(),
            ),
            ("metadata.labels['app']", "metadata.labels['app']".into()),
            ("metadata.labels['release']", format!("metadata.labels['{hashed}']")),
            ("metadata.annotations['a.b/c']", "metadata.annotations['a.b/c']".into()),
            (
                "metadata.annotations['vcluster.loft.sh/name']",
                format!("metadata.annotations['{reserved}']"),
            ),
            ("status.podIP", "status.podIP".into()),
            ("spec.nodeName", "spec.nodeName".into()),
            ("", "".into()),
        ] {
            let mut spec = json!({"volumes": [{"downwardAPI": {"items": [
                {"path": "p", "fieldRef": {"apiVersion": "v1", "fieldPath": path}},
                {"path": "q", "resourceFieldRef": {"resource": "limits.cpu"}},
            ]}}]});
            translate(&mut spec, &settings);
            assert_eq!(
                spec["volumes"][0]["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"],
                wanted
            );
        }
    }

    #[test]
    fn annotations_that_cannot_pass_are_noted() {
        let read = |path: &str| {
            reads(
                &json!({"containers": [{"env": [{"valueFrom": {"fieldRef": {"fieldPath": path}}}]}]}),
            )
        };
        assert_eq!(read("metadata.annotations['a']"), Reads::default());
        assert!(read("metadata.annotations").all_annotations);
        assert_eq!(read("metadata.annotations['vcluster.loft.sh/uid']").annotations.len(), 1);
    }
}
