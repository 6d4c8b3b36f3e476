//! Labels and annotations of host pods, beyond those that every host object has.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::json::Value;

use crate::labels::{self, namespace_label_key};
use crate::metadata::{Texts, Wanted};
use crate::object::members;
use crate::resource::PODS;
use crate::{Host, Key, Object, Settings, Virtual};

use super::downward;
use super::paths::text;

/// Annotations from which the downward API is served (upstream's names).
pub const NAME: &str = "vcluster.loft.sh/name";
/// The virtual namespace.
pub const NAMESPACE: &str = "vcluster.loft.sh/namespace";
/// The virtual UID.
pub const UID: &str = "vcluster.loft.sh/uid";
/// The virtual labels, lines of `key="value"`.
pub const LABELS: &str = "vcluster.loft.sh/labels";
/// The virtual annotations, in the same form; only there when the pod reads them all.
pub const ANNOTATIONS: &str = "vcluster.loft.sh/annotations";
/// The virtual service account.
pub const SERVICE_ACCOUNT: &str = "vcluster.loft.sh/service-account-name";
/// The virtual owner references, as JSON.
pub const OWNER_REFERENCES: &str = "vcluster.loft.sh/owner-references";
/// Set on pods whose `/etc/hosts` is rewritten.
pub const HOSTS_REWRITTEN: &str = "vcluster.loft.sh/hosts-rewritten";
/// Whether the cluster autoscaler may evict the pod: it may if something would make it again.
pub const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
/// Tells the cluster autoscaler that the pod is one of a DaemonSet.
pub const DAEMON_SET_POD: &str = "cluster-autoscaler.kubernetes.io/daemonset-pod";

/// Start of the label keys that carry the labels of the virtual namespace.
const NAMESPACE_LABEL: &str = "vcluster.loft.sh/ns-label";

/// The kinds of owners that are told to the host.
const SETS: [(&str, &str); 4] = [
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
];

/// The labels and annotations of the host pod. Without the namespace object its labels are left out.
pub fn wanted<'a>(
    virt: &'a Virtual<Object>,
    namespace: Option<&'a Virtual<Object>>,
    host: &'a Host<Key>,
    settings: &'a Settings,
) -> Wanted<'a> {
    let mut wanted = Wanted::on_host(virt, &PODS, host, settings);
    for (key, value) in namespace.into_iter().flat_map(|namespace| namespace.labels()) {
        wanted.labels.insert(namespace_label_key(key, &settings.name).into(), value.into());
    }
    serve_downward_api(&mut wanted.annotations, virt, settings);
    tell_owners(&mut wanted.annotations, virt);
    wanted
}

/// The `metadata` part of a patch that brings a host pod's labels and annotations to what they should be.
pub fn patch(
    host: &Host<Object>,
    wanted: &Wanted<'_>,
    namespace: Option<&Virtual<Object>>,
) -> Option<Value> {
    let mut patch = wanted.patch(host);
    // Labels that the virtual namespace no longer has. Without its object nothing is known.
    let stale = host
        .labels()
        .map(|(key, _)| key)
        .filter(|key| key.starts_with(NAMESPACE_LABEL) && !wanted.labels.contains_key(*key));
    for key in stale.filter(|_| namespace.is_some()) {
        let labels = members(patch.get_or_insert_default()).entry("labels").or_insert(Value::Null);
        members(labels).insert(key.to_owned(), Value::Null);
    }
    patch
}

/// The controller among a pod's owners.
pub fn controller(virt: &Virtual<Object>) -> Option<&Value> {
    let owners = virt.items_at(&["metadata", "ownerReferences"]).iter();
    owners.into_iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))
}

fn serve_downward_api<'a>(
    annotations: &mut Texts<'a>,
    virt: &'a Virtual<Object>,
    settings: &'a Settings,
) {
    let account = virt.str_at(&["spec", "serviceAccountName"]).unwrap_or_default();
    let served: [(&str, Cow<'a, str>); 5] = [
        (NAME, virt.name().into()),
        (NAMESPACE, virt.namespace().into()),
        (UID, virt.uid().into()),
        (SERVICE_ACCOUNT, account.into()),
        (LABELS, lines(virt.labels()).into()),
    ];
    annotations.extend(served.into_iter().map(|(key, value)| (key.into(), value)));
    let reads = downward::reads(virt.at(&["spec"]).unwrap_or(&Value::Null));
    if reads.all_annotations {
        annotations.insert(ANNOTATIONS.into(), lines(virt.annotations()).into());
    }
    for key in &reads.annotations {
        if let Some(value) = virt.annotation(key) {
            let key = downward::host_annotation_key(key, &settings.name);
            annotations.insert(key.into(), value.into());
        }
    }
}

fn tell_owners<'a>(annotations: &mut Texts<'a>, virt: &'a Virtual<Object>) {
    let owners = virt.items_at(&["metadata", "ownerReferences"]);
    if !owners.is_empty() {
        annotations.insert(OWNER_REFERENCES.into(), Value::from(owners).to_string().into());
    }
    let set = owners.iter().find_map(|owner| {
        let (version, kind) = (text(owner, "apiVersion"), text(owner, "kind"));
        SETS.contains(&(version, kind)).then_some(kind)
    });
    if let Some(set) = set {
        annotations.insert(labels::OWNER_SET_KIND.into(), set.into());
    }
    let controller = controller(virt);
    // A tenant may know better: what he set has passed already.
    let evictable = if controller.is_some() { "true" } else { "false" };
    annotations.entry(SAFE_TO_EVICT.into()).or_insert(evictable.into());
    let of_daemon_set = controller.is_some_and(|owner| {
        (text(owner, "apiVersion"), text(owner, "kind")) == ("apps/v1", "DaemonSet")
    });
    if of_daemon_set {
        annotations.entry(DAEMON_SET_POD.into()).or_insert("true".into());
    }
}

/// The form in which the kubelet writes labels and annotations to a file.
fn lines<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut lines = String::new();
    for (key, value) in pairs {
        let line_break = if lines.is_empty() { "" } else { "\n" };
        // Writing to a string does not fail.
        let _written = write!(lines, "{line_break}{key}={}", Value::from(value));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    fn pod(metadata: Value, spec: Value) -> Virtual<Object> {
        let mut pod = Object::new(json!({"metadata": metadata, "spec": spec}));
        pod.set(&["metadata", "name"], "web");
        pod.set(&["metadata", "namespace"], "shop");
        pod.set(&["metadata", "uid"], "u1");
        Virtual(pod)
    }

    fn marks(virt: &Virtual<Object>) -> Host<Object> {
        let namespace =
            Virtual(Object::new(json!({"metadata": {"name": "shop", "labels": {"team": "a"}}})));
        let key = Host(Key::new("team-x", "web-x-shop-x-my-vc"));
        let settings = Settings::example();
        let metadata =
            wanted(virt, Some(&namespace), &key, &settings).into_metadata(&key, &settings);
        Host(Object::new(json!({ "metadata": metadata })))
    }

    #[test]
    fn the_rows_of_the_table() {
        let owner = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "o", "controller": true});
        let host = marks(&pod(
            json!({"labels": {"b": "2\"", "a": "1"}, "ownerReferences": [&owner]}),
            json!({"serviceAccountName": "robot"}),
        ));
        for (key, wanted) in [
            (NAME, "web"),
            (NAMESPACE, "shop"),
            (UID, "u1"),
            (SERVICE_ACCOUNT, "robot"),
            (LABELS, "a=\"1\"\nb=\"2\\\"\""),
            (labels::OWNER_SET_KIND, "DaemonSet"),
            (SAFE_TO_EVICT, "true"),
            (DAEMON_SET_POD, "true"),
        ] {
            assert_eq!(host.annotation(key), Some(wanted), "{key}");
        }
        assert_eq!(
            host.annotation(OWNER_REFERENCES).unwrap().parse::<Value>().unwrap(),
            json!([owner])
        );
        assert_eq!(host.label(&namespace_label_key("team", "my-vc")), Some("a"));
        assert_eq!(host.annotation(ANNOTATIONS), None);
    }

    #[test]
    fn a_bare_pod_is_not_evicted_unless_its_owner_says_so() {
        let host = marks(&pod(json!({}), json!({})));
        assert_eq!(host.annotation(SAFE_TO_EVICT), Some("false"));
        assert_eq!(host.annotation(OWNER_REFERENCES), None);
        let host = marks(&pod(json!({"annotations": {SAFE_TO_EVICT: "true"}}), json!({})));
        assert_eq!(host.annotation(SAFE_TO_EVICT), Some("true"));
    }

    #[test]
    fn labels_of_the_namespace_follow_it() {
        let virt = pod(json!({}), json!({}));
        let mut host = marks(&virt);
        let stale = namespace_label_key("old", "my-vc");
        host.0.set(&["metadata", "labels", &stale], "x");
        let namespace =
            Virtual(Object::new(json!({"metadata": {"name": "shop", "labels": {"team": "b"}}})));
        let key = Host(host.key());
        let settings = Settings::example();
        let want = wanted(&virt, Some(&namespace), &key, &settings);
        let change = patch(&host, &want, Some(&namespace)).expect("changed");
        let team = namespace_label_key("team", "my-vc");
        assert_eq!(change, json!({"labels": {team: "b", stale: null}}));
        let without = wanted(&virt, None, &key, &settings);
        assert_eq!(patch(&host, &without, None), None);
    }

    #[test]
    fn annotations_that_are_read_inside_are_served() {
        let read = |path: &str| json!({"volumes": [{"downwardAPI": {"items": [{"fieldRef": {"fieldPath": path}}]}}]});
        let annotated = json!({"annotations": {"vcluster.loft.sh/name": "inner", "b": "2"}});
        let host =
            marks(&pod(annotated.clone(), read("metadata.annotations['vcluster.loft.sh/name']")));
        let key = downward::host_annotation_key("vcluster.loft.sh/name", "my-vc");
        assert_eq!(host.annotation(&key), Some("inner"));
        assert_eq!(host.annotation(NAME), Some("web"));
        let host = marks(&pod(annotated, read("metadata.annotations")));
        assert_eq!(host.annotation(ANNOTATIONS), Some("b=\"2\"\nvcluster.loft.sh/name=\"inner\""));
    }
}
