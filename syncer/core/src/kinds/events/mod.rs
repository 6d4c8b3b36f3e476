//! Events of the host about objects of ours, told inside about their virtual twins.
//!
//! Not a [`crate::Mirror`]: events come one way, are told once, and are never taken back.

mod message;

use crate::json::{Map, Value, json};

use crate::metadata::{self, Owner};
use crate::names::short_hash;
use crate::resource::{EVENTS, NODES};
use crate::{Host, Object, Rule, Settings, Virtual};

use super::pods::hosts::REWRITER;

/// The rights on the host that it takes.
pub const RULES: &[Rule] =
    &[Rule { group: "", resources: &["events"], verbs: &["list", "watch"], in_admin: true }];

/// What an event says, apart from whom it is about and the text. Labels and annotations are the host's own.
const SAID: [&str; 11] = [
    "reason",
    "type",
    "count",
    "firstTimestamp",
    "lastTimestamp",
    "eventTime",
    "series",
    "action",
    "source",
    "reportingComponent",
    "reportingInstance",
];

/// The virtual event that tells of a host event about the host object `twin`, which bears our marks. Telling the same
/// host event again gives an event of the same name, to bring the first one up to date.
///
/// Nothing for events that concern nobody inside: about an object that had the twin's name before, the Service behind a
/// virtual node, or a container that we added.
pub fn to_virtual(
    event: &Host<Object>,
    twin: &Host<Object>,
    settings: &Settings,
) -> Option<Virtual<Object>> {
    let owner = metadata::owner(twin, settings)?;
    let about = |member| event.str_at(&["involvedObject", member]).unwrap_or_default();
    let of_another = !about("uid").is_empty() && about("uid") != twin.uid();
    if of_another || NODES.is_gvk(&owner.gvk) || about("fieldPath").contains(REWRITER) {
        return None;
    }
    let mut told = Map::new();
    for (name, value) in SAID.iter().filter_map(|name| Some((*name, event.at(&[name])?))) {
        told.insert(name.to_owned(), value.clone());
    }
    if let Some(text) = event.str_at(&["message"]) {
        told.insert("message", message::inside(text, twin, &owner, settings).into());
    }
    // The API wants an event in its object's namespace, or in `default` if that has none.
    let namespace =
        if owner.key.namespace().is_empty() { "default" } else { owner.key.namespace() };
    let key = json!({"name": name(event, twin, &owner), "namespace": namespace});
    told.insert("apiVersion", EVENTS.api_version().into());
    told.insert("kind", EVENTS.kind.into());
    told.insert("metadata", key);
    told.insert("involvedObject", involved(event, &owner)?);
    Some(Virtual(Object::new(Value::Object(told))))
}

/// `POD.HASH` becomes the virtual pod's name with the same hash.
fn name(event: &Host<Object>, twin: &Host<Object>, owner: &Owner) -> String {
    match event.name().strip_prefix(twin.name()) {
        Some(hash) if hash.starts_with('.') => format!("{}{hash}", owner.key.name()),
        _ => format!("{}.{}", owner.key.name(), short_hash(event.name())),
    }
}

fn involved(event: &Host<Object>, owner: &Owner) -> Option<Value> {
    // `GROUP/VERSION, Kind=KIND`, with an empty group for the core one.
    let (version, kind) = owner.gvk.split_once(", Kind=")?;
    let mut involved = Object::new(json!({
        "apiVersion": version.trim_start_matches('/'),
        "kind": kind,
        "name": owner.key.name(),
        "uid": &owner.uid,
    }));
    if !owner.key.namespace().is_empty() {
        involved.set(&["namespace"], owner.key.namespace());
    }
    if let Some(path) = event.str_at(&["involvedObject", "fieldPath"]) {
        involved.set(&["fieldPath"], path);
    }
    Some(involved.into_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twin() -> Host<Object> {
        let virt = Virtual(Object::new(json!({"metadata": {
            "name": "web", "namespace": "shop", "uid": "virtual-uid",
        }})));
        let settings = Settings::example();
        let key = crate::kinds::namespaced_host_key(&Virtual(virt.key()), &settings);
        let made = metadata::to_host(&virt, &crate::resource::PODS, &key, &settings);
        let mut twin = Object::new(json!({ "metadata": made }));
        twin.set(&["metadata", "uid"], "host-uid");
        Host(twin)
    }

    fn event(about: Value, more: Value) -> Host<Object> {
        let mut event = json!({
            "metadata": {"name": "web-x-shop-x-my-vc.17a2", "namespace": "team-x", "labels": {"host": "own"}},
            "involvedObject": about,
            "reason": "Scheduled",
            "type": "Normal",
            "message": "Successfully assigned team-x/web-x-shop-x-my-vc to node-a",
        });
        crate::diff::apply_merge_patch(&mut event, &more);
        Host(Object::new(event))
    }

    #[test]
    fn an_event_is_told_about_the_twin() {
        let about = json!({
            "kind": "Pod", "namespace": "team-x", "name": "web-x-shop-x-my-vc", "uid": "host-uid",
            "resourceVersion": "9", "fieldPath": "spec.containers{web}",
        });
        let more = json!({
            "count": 3, "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Binding",
            "source": {"component": "kubelet", "host": "node-a"}, "reportingComponent": "kubelet",
            "reportingInstance": "node-a", "series": {"count": 3}, "related": {"name": "x"},
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z",
        });
        let told = to_virtual(&event(about, more), &twin(), &Settings::example());
        let wanted = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": "web.17a2", "namespace": "shop"},
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web",
                "uid": "virtual-uid", "fieldPath": "spec.containers{web}",
            },
            "reason": "Scheduled", "type": "Normal",
            "message": "Successfully assigned shop/web to node-a",
            "count": 3, "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Binding",
            "source": {"component": "kubelet", "host": "node-a"}, "reportingComponent": "kubelet",
            "reportingInstance": "node-a", "series": {"count": 3},
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z",
        });
        assert_eq!(told.map(|told| told.0.into_value()), Some(wanted));
    }

    #[test]
    fn events_that_concern_nobody_are_not_told() {
        let settings = Settings::example();
        let earlier = event(json!({"uid": "another"}), json!({}));
        assert_eq!(to_virtual(&earlier, &twin(), &settings), None);
        let added =
            event(json!({"fieldPath": "spec.initContainers{vcluster-rewrite-hosts}"}), json!({}));
        assert_eq!(to_virtual(&added, &twin(), &settings), None);
        let mut of_node = twin();
        of_node.0.set(&["metadata", "annotations", crate::labels::OBJECT_KIND], NODES.gvk());
        assert_eq!(to_virtual(&event(json!({}), json!({})), &of_node, &settings), None);
        let mut foreign = twin();
        foreign.0.remove(&["metadata", "annotations"]);
        assert_eq!(to_virtual(&event(json!({}), json!({})), &foreign, &settings), None);
    }

    #[test]
    fn an_event_of_any_name_has_one_name_inside() {
        let odd = event(json!({}), json!({"metadata": {"name": "something"}}));
        let told = to_virtual(&odd, &twin(), &Settings::example()).expect("told");
        assert_eq!(told.name(), format!("web.{}", short_hash("something")));
    }
}
