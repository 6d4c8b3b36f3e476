//! Kinds whose originals are the host's: shown inside as they are there, for those who read them, and no more.

use crate::json::{Map, Text, Value};

use crate::{Host, Object, Op, Plan, Resource, Side, View, Virtual, World, diff, labels, metadata};

/// What API servers keep apart from the rest of an object.
const APART: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

/// Plans a virtual object that is as its original is: made while there is one, taken away with it. One that a tenant made
/// is left to him as long as the host has none of its name.
pub fn plan(
    kind: &'static Resource,
    view: &View,
    original: Option<&Host<Object>>,
    world: &dyn World,
) -> Plan {
    match (view.virt(), original) {
        (None, Some(original)) => Op::create_virtual(kind, made_of(kind, view, original)).into(),
        (Some(virt), _) if virt.is_deleting() => Plan::nothing(),
        (Some(virt), Some(original)) => {
            let Some(body) = change(virt, original) else { return Plan::nothing() };
            // Some fields may not change; which ones is the API server's to know.
            match world.refusals().is_empty() {
                true => Op::patch_virtual(kind, virt, body).into(),
                false => Op::delete(Side::Virtual, kind, virt, None).into(),
            }
        }
        (Some(virt), None) if is_ours(virt) => Op::delete(Side::Virtual, kind, virt, None).into(),
        _ => Plan::nothing(),
    }
}

/// Whether we made a virtual object to show one of the host's.
pub fn is_ours(virt: &Virtual<Object>) -> bool {
    virt.annotation(labels::FROM_HOST).is_some()
}

fn made_of(kind: &'static Resource, view: &View, original: &Host<Object>) -> Virtual<Object> {
    let mut object = Object::new(Value::Object(fields(original).collect()));
    object.set(&["apiVersion"], kind.api_version());
    object.set(&["kind"], kind.kind);
    object.set(&["metadata"], metadata::from_host(original, true));
    let key = view.key();
    object.set(&["metadata", "name"], key.name());
    if kind.namespaced {
        object.set(&["metadata", "namespace"], key.namespace());
    }
    Virtual(object)
}

/// The merge patch that brings the virtual object to its original, if they differ.
fn change(virt: &Virtual<Object>, original: &Host<Object>) -> Option<Value> {
    let have: Map = fields(virt).collect();
    let wanted: Map = fields(original).collect();
    let mut body = diff::merge_patch(&have.into(), &wanted.into())
        .and_then(|body| body.as_object().cloned())
        .unwrap_or_default();
    if let Some(metadata) = metadata::patch(virt, &metadata::from_host(original, true)) {
        body.insert("metadata", metadata);
    }
    (!body.is_empty()).then_some(Value::Object(body))
}

fn fields(object: &Object) -> impl Iterator<Item = (Text, Value)> {
    let members = object.value().as_object().into_iter().flatten();
    members
        .filter(|(name, _)| !APART.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
}
