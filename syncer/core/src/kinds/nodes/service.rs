//! The host Service that a virtual node's address belongs to.

use std::collections::BTreeSet;

use crate::json::{Map, Value, json};

use crate::resource::{NODES, SERVICES};
use crate::{Host, Key, Object, Op, Settings, Virtual, labels, metadata, names};

/// The kubelet's port, as the virtual API server dials it.
pub const KUBELET_PORT: u16 = 10250;

/// The syncer's ports for nodes: above what servers use by habit, below what Linux gives to outgoing connections.
const FIRST: u16 = 20000;
const COUNT: u16 = 12000;

/// The range of these ports. The chart's network policies let pods and control plane through to it.
pub const KUBELET_PORTS: std::ops::RangeInclusive<u16> = FIRST..=FIRST + COUNT - 1;

/// Labels by which upstream's tools find these Services.
const BELONGS_TO: &str = "vcluster.loft.sh/belongs-to";
const NODE: &str = "vcluster.loft.sh/node";

/// The Service of a node that has none yet.
pub fn made_for(node: &Virtual<Key>, others: &[Host<Object>], settings: &Settings) -> Host<Object> {
    let port = free_port(node, &taken(node, others));
    Host(Object::new(json!({
        "apiVersion": SERVICES.api_version(),
        "kind": SERVICES.kind,
        "metadata": wanted_metadata(node, settings),
        "spec": {"type": "ClusterIP", "selector": selector(settings), "ports": ports(port)},
    })))
}

/// The write that brings a node's Service to what it should be, if it differs.
pub fn healed(
    node: &Virtual<Key>,
    host: &Host<Object>,
    others: &[Host<Object>],
    settings: &Settings,
) -> Option<Op> {
    let mut body = Map::new();
    if let Some(metadata) = metadata::patch(host, &wanted_metadata(node, settings)) {
        body.insert("metadata", metadata);
    }
    let mut spec = Map::new();
    let kept = target_port(host).filter(|port| !is_another_nodes(*port, node, others));
    let wanted = ports(kept.unwrap_or_else(|| free_port(node, &taken(node, others))));
    if host.at(&["spec", "ports"]) != Some(&wanted) {
        spec.insert("ports", wanted);
    }
    let have = host.at(&["spec", "selector"]).unwrap_or(&Value::Null);
    if let Some(difference) = crate::diff::merge_patch(have, &selector(settings)) {
        spec.insert("selector", difference);
    }
    if !spec.is_empty() {
        body.insert("spec", Value::Object(spec));
    }
    (!body.is_empty()).then(|| Op::patch_host(&SERVICES, host, Value::Object(body)))
}

/// The marks name the virtual node; a UID is not among them, since the Service is there before the node.
fn wanted_metadata(node: &Virtual<Key>, settings: &Settings) -> Value {
    let named = Virtual(Object::new(json!({"metadata": {"name": node.name()}})));
    let name = names::node_service(node.name(), &settings.name);
    let key = Host(Key::new(&settings.host_namespace, &name));
    let made = metadata::to_host(&named, &NODES, &key, settings);
    let mut made = Object::new(json!({ "metadata": made }));
    made.set(&["metadata", "labels", BELONGS_TO], settings.name.as_str());
    made.set(&["metadata", "labels", NODE], names::safe_concat(&[node.name()]));
    made.at(&["metadata"]).cloned().unwrap_or_default()
}

/// The pods of the control plane, which hold the syncer.
fn selector(settings: &Settings) -> Value {
    json!({"app": "vcluster", "release": &settings.name})
}

fn ports(target: u16) -> Value {
    json!([{"name": "kubelet", "port": KUBELET_PORT, "protocol": "TCP", "targetPort": target}])
}

/// The syncer's port that a node's Service leads to.
fn target_port(service: &Host<Object>) -> Option<u16> {
    let port = service.items_at(&["spec", "ports"]).first()?.get("targetPort")?.as_u64()?;
    u16::try_from(port).ok().filter(|port| (FIRST..FIRST + COUNT).contains(port))
}

fn node_name(service: &Host<Object>) -> &str {
    service.annotation(labels::OBJECT_NAME).unwrap_or_default()
}

fn taken(node: &Virtual<Key>, others: &[Host<Object>]) -> BTreeSet<u16> {
    let others = others.iter().filter(|service| node_name(service) != node.name());
    others.filter_map(target_port).collect()
}

/// Two nodes that were made at the same time may have chosen the same port: the one with the lesser name keeps it.
fn is_another_nodes(port: u16, node: &Virtual<Key>, others: &[Host<Object>]) -> bool {
    others.iter().any(|other| target_port(other) == Some(port) && node_name(other) < node.name())
}

/// The port that the name leads to, or the next that is free.
fn free_port(node: &Virtual<Key>, taken: &BTreeSet<u16>) -> u16 {
    let hash = u64::from_str_radix(&names::short_hash(node.name()), 16).unwrap_or_default();
    let start = u16::try_from(hash % u64::from(COUNT)).unwrap_or_default();
    let candidates = (start..COUNT).chain(0..start).map(|offset| FIRST + offset);
    candidates.into_iter().find(|port| !taken.contains(port)).unwrap_or(FIRST)
}
