//! The host's nodes as they are: labels, taints, sizes, conditions. What points back to the host's own API stays there:
//! annotations, addresses, providers' ids.
//!
//! Nothing inside changes the host's node. Its taints and labels hold inside too, and the virtual cluster's users may add
//! their own to the virtual node.

use crate::json::{Map, Value, json};

use crate::object::members;
use crate::resource::NODES;
use crate::{Host, HostNodes, Key, Object, Op, Settings, Virtual, World, metadata};

use super::super::status;
use super::object::NOT_READY;
use super::service::KUBELET_PORT;

/// Annotation on a virtual node: the taints of the host's node that it was given, as upstream notes them.
const TAINTS: &str = "vcluster.loft.sh/original-taints";
/// Taint of a virtual node whose host node takes no more pods of this virtual cluster.
const WITHDRAWN: &str = "vcluster.loft.sh/withdrawn";
/// What is shown of a host node's status, besides addresses and conditions.
const SHOWN: [&str; 6] =
    ["allocatable", "capacity", "features", "images", "nodeInfo", "runtimeHandlers"];

/// The node that shows a host's.
pub fn made_for(
    key: &Virtual<Key>,
    original: &Host<Object>,
    service: Option<&Host<Object>>,
    nodes: &HostNodes,
    settings: &Settings,
) -> Virtual<Object> {
    let taints = taints(original, nodes, settings);
    let mut metadata = wanted_metadata(original, &taints);
    members(&mut metadata).insert("name", key.name().into());
    Virtual(Object::new(json!({
        "apiVersion": NODES.api_version(),
        "kind": NODES.kind,
        "metadata": metadata,
        "spec": {"taints": taints},
        "status": wanted_status(None, original, service, nodes),
    })))
}

/// The write that brings a virtual node to what the host's is, if it differs.
pub fn healed(
    node: &Virtual<Object>,
    original: &Host<Object>,
    service: Option<&Host<Object>>,
    nodes: &HostNodes,
    world: &dyn World,
    settings: &Settings,
) -> Option<Op> {
    if let Some(body) = identity_patch(node, original, &taints(original, nodes, settings)) {
        return Some(Op::patch_virtual(&NODES, node, body).at_version(node.resource_version()));
    }
    let mut wanted = node.at(&["status"]).cloned().unwrap_or_else(|| json!({}));
    let shown = wanted_status(Some(node), original, service, nodes);
    let status = members(&mut wanted);
    for field in SHOWN.iter().chain(&["addresses", "conditions", "daemonEndpoints"]) {
        status.remove(field);
    }
    status.extend(shown.as_object().cloned().unwrap_or_default());
    status::follow(&NODES, node, wanted, world)
}

/// Takes away what is not shown, and changes with every volume that comes or goes.
pub fn slim(original: &mut Object) {
    for path in [
        &["metadata", "annotations"][..],
        &["status", "addresses"],
        &["status", "volumesAttached"],
        &["status", "volumesInUse"],
    ] {
        original.remove(path);
    }
}

fn wanted_metadata(original: &Host<Object>, taints: &[Value]) -> Value {
    let mut metadata = metadata::from_host(original, false);
    if let Some(annotations) = metadata.get_mut("annotations") {
        members(annotations).insert(TAINTS, Value::from(taints).to_string().into());
    }
    metadata
}

fn identity_patch(
    node: &Virtual<Object>,
    original: &Host<Object>,
    taints: &[Value],
) -> Option<Value> {
    let mut body = Map::new();
    if let Some(metadata) = metadata::patch(node, &wanted_metadata(original, taints)) {
        body.insert("metadata", metadata);
    }
    let taints = merged_taints(node, taints);
    if taints != node.items_at(&["spec", "taints"]) {
        body.insert("spec", json!({ "taints": taints }));
    }
    (!body.is_empty()).then_some(Value::Object(body))
}

/// The taints of the host's node, but for those that every pod of ours bears.
fn taints(original: &Host<Object>, nodes: &HostNodes, settings: &Settings) -> Vec<Value> {
    let borne =
        |taint: &&Value| settings.tolerations.iter().any(|toleration| bears(toleration, taint));
    let taints = original.items_at(&["spec", "taints"]).iter().filter(|taint| !borne(taint));
    let withdrawn =
        (!nodes.which.offers(original)).then(|| json!({"key": WITHDRAWN, "effect": "NoSchedule"}));
    taints.cloned().chain(withdrawn).collect()
}

/// Whether a toleration is of a taint, as schedulers see it.
fn bears(toleration: &Value, taint: &Value) -> bool {
    let same = |member| {
        let wanted = text(toleration, member);
        wanted.is_empty() || wanted == text(taint, member)
    };
    let any_value = text(toleration, "operator") == "Exists";
    same("key")
        && same("effect")
        && (any_value || text(toleration, "value") == text(taint, "value"))
}

/// The host's taints, and those of the virtual cluster's users. A taint that the host took away again is known by the
/// note; the one that the API server gives each new node is nobody's.
fn merged_taints(node: &Virtual<Object>, of_host: &[Value]) -> Vec<Value> {
    let mut merged = of_host.to_vec();
    let noted: Vec<Value> = node
        .annotation(TAINTS)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    for taint in node.items_at(&["spec", "taints"]) {
        let same = |other: &Value| identity(other) == identity(taint);
        let is_users = !merged.iter().any(same) && !noted.iter().any(same);
        if is_users && identity(taint).0 != NOT_READY {
            merged.push(taint.clone());
        }
    }
    merged
}

/// What tells taints of a node apart.
fn identity(taint: &Value) -> (&str, &str) {
    (text(taint, "key"), text(taint, "effect"))
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn wanted_status(
    node: Option<&Virtual<Object>>,
    original: &Host<Object>,
    service: Option<&Host<Object>>,
    nodes: &HostNodes,
) -> Value {
    let mut status = Map::new();
    for field in SHOWN {
        let left_out = field == "images" && nodes.without_images;
        if let Some(value) = original.at(&["status", field]).filter(|_| !left_out) {
            status.insert(field, value.clone());
        }
    }
    let have = node.map(|node| node.items_at(&["status", "conditions"])).unwrap_or_default();
    status.insert("conditions", conditions(have, original).into());
    let mut addresses = vec![json!({"type": "Hostname", "address": original.name()})];
    if let Some(service) = service {
        let ips = service.items_at(&["spec", "clusterIPs"]).iter();
        addresses.extend(ips.map(|ip| json!({"type": "InternalIP", "address": ip})));
        let endpoint = json!({"kubeletEndpoint": {"Port": KUBELET_PORT}});
        status.insert("daemonEndpoints", endpoint);
    }
    status.insert("addresses", addresses.into());
    Value::Object(status)
}

/// The host's conditions. A heartbeat alone is not worth a write.
fn conditions(have: &[Value], original: &Host<Object>) -> Vec<Value> {
    let still = |condition: &Value| {
        let mut condition = condition.clone();
        members(&mut condition).remove("lastHeartbeatTime");
        condition
    };
    let shown = original.items_at(&["status", "conditions"]).iter();
    shown
        .map(|condition| {
            let same = have.iter().find(|have| still(have) == still(condition));
            same.unwrap_or(condition).clone()
        })
        .collect()
}
