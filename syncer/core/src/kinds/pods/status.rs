//! The status of a host pod on its way inside: all of it, also what this program does not know, but for what is not the
//! virtual pod's.

use std::borrow::Cow;

use crate::json::{Map, Value, json};

use crate::diff::merge_patch;
use crate::resource::PODS;
use crate::{Host, Object, Op, Settings, Side, Virtual, World, skew};

use super::generations::{self, Generations};
use super::inside::Names;
use super::paths::text;
use super::{conditions, hosts};

/// What each side's API server and controllers know for themselves.
const OWN: [&str; 4] = [
    // Decided at creation; may not change.
    "qosClass",
    // They name resource claims, which are not mirrored.
    "resourceClaimStatuses",
    "extendedResourceClaimStatus",
    "nodeAllocatableResourceClaimStatuses",
];

/// Statuses of containers, and where their containers are.
const CONTAINERS: [(&str, &str); 3] = [
    ("containerStatuses", "containers"),
    ("initContainerStatuses", "initContainers"),
    ("ephemeralContainerStatuses", "ephemeralContainers"),
];

/// Lists that a strategic merge patch would merge by the address in them; theirs is replaced as a whole.
const MERGED: [&str; 2] = ["podIPs", "hostIPs"];

/// The patch that brings the virtual pod's status to the host pod's, if they differ. `pending` says whether the host
/// pod's spec still lacks a change.
pub fn patch(
    virt: &Virtual<Object>,
    host: &Host<Object>,
    pending: bool,
    world: &dyn World,
    settings: &Settings,
) -> Option<Op> {
    let mut wanted = translate(virt, host, pending, &world.drops(Side::Virtual, &PODS));
    if has_messages(&wanted) {
        Names::around(virt, &Host(host.key()), host.uid(), settings).rewrite_messages(&mut wanted);
    }
    if settings.scheduling.is_inside(virt) {
        conditions::placed_inside(&mut wanted, virt);
    }
    difference(virt, wanted)
}

/// The patch that takes a virtual pod back to the state before it ran, for it is about to run again.
pub fn reset(virt: &Virtual<Object>, settings: &Settings) -> Option<Op> {
    let mut wanted = json!({"phase": "Pending"});
    if settings.scheduling.is_inside(virt) {
        conditions::placed_inside(&mut wanted, virt);
    }
    difference(virt, wanted)
}

/// The virtual status that a host pod's means.
fn translate(
    virt: &Virtual<Object>,
    host: &Host<Object>,
    pending: bool,
    drops: &[String],
) -> Value {
    let mut status = tidy(host.at(&["status"]).unwrap_or(&json!({})));
    let generations = Generations::of(virt, host, pending);
    generations::translate(&mut status, generations);
    if let Some(members) = status.as_object_mut() {
        OWN.iter().for_each(|field| drop(members.remove(field)));
        if host.at(&["spec", "nodeName"]).is_some() {
            // A bound pod is nominated for nothing; newer API servers refuse it.
            members.remove("nominatedNodeName");
        }
        for (list, of) in CONTAINERS {
            only_own(members, list, virt.items_at(&["spec", of]));
        }
        if let Some(Value::Array(conditions)) = members.get_mut("conditions") {
            conditions
                .iter_mut()
                .for_each(|condition| generations::translate(condition, generations));
        }
    }
    let mut whole = json!({ "status": status });
    drops.iter().for_each(|path| skew::remove(&mut whole, path));
    whole.get_mut("status").map(Value::take).unwrap_or_default()
}

/// A document without what API servers leave out or write as `null`: it would differ for ever.
fn tidy(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !is_left_out(value));
            Value::Object(kept.map(|(name, value)| (name.clone(), tidy(value))).collect())
        }
        Value::Array(items) => items.iter().map(tidy).collect(),
        other => other.clone(),
    }
}

/// Whether there is nothing in a document that [`tidy`] would leave out.
fn is_tidy(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.values().all(|value| !is_left_out(value) && is_tidy(value))
        }
        Value::Array(items) => items.iter().all(is_tidy),
        _ => true,
    }
}

fn is_left_out(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// Whether there is a text in which the host's names may stand; most statuses have none.
fn has_messages(status: &Value) -> bool {
    match status {
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name == "message" && value.is_string() || has_messages(value)),
        Value::Array(items) => items.iter().any(has_messages),
        _ => false,
    }
}

/// Leaves out what the host put into the pod: containers, and mounts in the tenant's containers.
fn only_own(members: &mut Map, list: &str, containers: &[Value]) {
    let Some(Value::Array(statuses)) = members.get_mut(list) else { return };
    statuses.retain(|status| {
        containers.iter().any(|container| text(container, "name") == text(status, "name"))
    });
    for status in statuses.iter_mut().filter_map(Value::as_object_mut) {
        if let Some(Value::Array(mounts)) = status.get_mut("volumeMounts") {
            mounts.retain(|mount| text(mount, "name") != hosts::REWRITER);
            if mounts.is_empty() {
                status.remove("volumeMounts");
            }
        }
    }
    if statuses.is_empty() {
        members.remove(list);
    }
}

fn difference(virt: &Virtual<Object>, wanted: Value) -> Option<Op> {
    let have = virt.at(&["status"]).unwrap_or(&Value::Null);
    let have = if is_tidy(have) { Cow::Borrowed(have) } else { Cow::Owned(tidy(have)) };
    let (none, mut patch, mut unknown_list) = (Map::new(), Map::new(), false);
    let (have, wanted) = (have.as_object().unwrap_or(&none), wanted.as_object().unwrap_or(&none));
    for (name, value) in wanted.iter().filter(|(name, _)| *name != "conditions") {
        let before = have.get(name);
        if before == Some(value) {
            continue;
        }
        let change = match (before, value) {
            (Some(before @ Value::Object(_)), Value::Object(_)) => merge_patch(before, value),
            (_, Value::Array(items)) if MERGED.contains(&name.as_str()) => {
                let directive = json!({"$patch": "replace"});
                Some([directive].into_iter().chain(items.iter().cloned()).collect())
            }
            (_, Value::Array(_)) if !CONTAINERS.iter().any(|(list, _)| list == name) => {
                unknown_list = true;
                Some(value.clone())
            }
            _ => Some(value.clone()),
        };
        patch.extend(change.map(|change| (name.clone(), change)));
    }
    let kept =
        |name: &str| OWN.contains(&name) || ["conditions", "observedGeneration"].contains(&name);
    for name in have.keys().filter(|name| !wanted.contains_key(name) && !kept(name)) {
        patch.insert(name.clone(), Value::Null);
    }
    let from_host =
        wanted.get("conditions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let conditions = conditions::inside(virt, from_host);
    if !conditions.is_empty() {
        patch.insert("conditions", conditions.into());
    }
    if patch.is_empty() {
        return None;
    }
    if unknown_list {
        return Some(whole(virt, patch));
    }
    Some(Op::patch_virtual_status(&PODS, virt, Value::Object(patch)))
}

/// How a strategic merge patch would treat a list that we do not know cannot be said. So lists are sent whole, and the
/// version guards those that others may write to.
fn whole(virt: &Virtual<Object>, mut patch: Map) -> Op {
    if let Some(Value::Array(changes)) = patch.remove("conditions") {
        let mut conditions = virt.items_at(&["status", "conditions"]).to_vec();
        for change in changes {
            let place =
                conditions.iter().position(|have| text(have, "type") == text(&change, "type"));
            let before = place.map(|place| conditions.remove(place));
            if change.get("$patch").is_none() {
                let mut merged = before.unwrap_or_else(|| json!({}));
                crate::diff::apply_merge_patch(&mut merged, &change);
                let place = place.unwrap_or(conditions.len()).min(conditions.len());
                conditions.insert(place, merged);
            }
        }
        patch.insert("conditions", conditions.into());
    }
    for list in MERGED {
        if let Some(Value::Array(items)) = patch.get_mut(list) {
            items.retain(|item| item.get("$patch").is_none());
        }
    }
    let body = json!({ "status": patch });
    Op::patch(Side::Virtual, &PODS, virt, crate::PatchForm::Merge, Some("status"), body)
        .at_version(virt.resource_version())
}
