//! The virtual node itself. The host's nodes cannot be read with a namespace's rights, so it says what can be said
//! without: the sizes are upstream's, and large enough that nothing inside waits for a larger node.

use crate::json::{Map, Value, json};
use jiff::Timestamp;

use crate::diff::{apply_merge_patch, merge_patch};
use crate::object::members;
use crate::resource::NODES;
use crate::{Host, Key, Object, Op, PatchForm, Settings, Side, Virtual, World, skew};

use super::service::KUBELET_PORT;
use crate::kinds::shown;

/// Label on each stand-in.
const FAKE: &str = "vcluster.loft.sh/fake-node";
/// The taint that the API server gives each new node, until a controller takes it away that watches real nodes.
pub const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// Whether a virtual node is one that we made.
pub fn is_ours(node: &Virtual<Object>) -> bool {
    node.label(FAKE) == Some("true") || shown::is_ours(node)
}

/// The node for a host node that became used.
pub fn made_for(
    node: &Virtual<Key>,
    service: &Host<Object>,
    now: Timestamp,
    settings: &Settings,
) -> Virtual<Object> {
    let mut status = steady_status(node.name(), service, settings);
    let conditions = wanted_conditions(&[], now);
    members(&mut status).insert("conditions", conditions);
    Virtual(Object::new(json!({
        "apiVersion": NODES.api_version(),
        "kind": NODES.kind,
        "metadata": {"name": node.name(), "labels": labels(node.name(), settings)},
        "status": status,
    })))
}

/// The write that brings a node to what it should be, if it differs. What else its users put on it stays: labels,
/// taints, resources of their own.
pub fn healed(
    node: &Virtual<Object>,
    service: &Host<Object>,
    world: &dyn World,
    settings: &Settings,
) -> Option<Op> {
    if let Some(body) = identity_patch(node, settings) {
        return Some(Op::patch_virtual(&NODES, node, body).at_version(node.resource_version()));
    }
    let have = node.at(&["status"]).cloned().unwrap_or_else(|| json!({}));
    let mut wanted = steady_status(node.name(), service, settings);
    let conditions = wanted_conditions(node.items_at(&["status", "conditions"]), world.now());
    members(&mut wanted).insert("conditions", conditions);
    let mut wanted = json!({ "status": wanted });
    for path in world.drops(Side::Virtual, &NODES) {
        skew::remove(&mut wanted, &path);
    }
    let have = json!({ "status": have });
    let mut merged = have.clone();
    apply_merge_patch(&mut merged, &wanted);
    let body = merge_patch(&have, &merged)?;
    let op = Op::patch(Side::Virtual, &NODES, node, PatchForm::Merge, Some("status"), body);
    Some(op.at_version(node.resource_version()))
}

/// Labels that are missing, and the taint that would keep DaemonSets away.
fn identity_patch(node: &Virtual<Object>, settings: &Settings) -> Option<Value> {
    let mut body = Map::new();
    let labels: Map = labels(node.name(), settings)
        .into_iter()
        .filter(|(key, wanted)| node.label(key) != wanted.as_str())
        .collect();
    if !labels.is_empty() {
        body.insert("metadata", json!({ "labels": labels }));
    }
    let taints = node.items_at(&["spec", "taints"]);
    let kept: Vec<_> = taints.iter().filter(|taint| !is_not_ready(taint)).collect();
    if kept.len() != taints.len() {
        body.insert("spec", json!({ "taints": kept }));
    }
    (!body.is_empty()).then_some(Value::Object(body))
}

fn is_not_ready(taint: &Value) -> bool {
    taint.get("key").and_then(Value::as_str) == Some(NOT_READY)
}

fn labels(name: &str, settings: &Settings) -> Map {
    let labels = [
        (FAKE, "true"),
        ("beta.kubernetes.io/arch", &settings.architecture),
        ("beta.kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", &settings.architecture),
        // As on the host: pods that ask for a node by this label must find it on both sides.
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
    ];
    labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// All of the status that does not name a time.
fn steady_status(name: &str, service: &Host<Object>, settings: &Settings) -> Value {
    let size = json!({"cpu": "16", "memory": "32Gi", "ephemeral-storage": "100Gi", "pods": "110"});
    let mut addresses = vec![json!({"type": "Hostname", "address": name})];
    let ips = service.items_at(&["spec", "clusterIPs"]).iter();
    addresses.extend(ips.map(|ip| json!({"type": "InternalIP", "address": ip})));
    json!({
        "addresses": addresses,
        "allocatable": &size,
        "capacity": size,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
        "nodeInfo": {
            "architecture": &settings.architecture,
            "bootID": "",
            "containerRuntimeVersion": "host://unknown",
            "kernelVersion": "unknown",
            "kubeProxyVersion": "",
            "kubeletVersion": &settings.kubernetes_version,
            "machineID": "",
            "operatingSystem": "linux",
            "osImage": "a node of the host cluster",
            "systemUUID": "",
        },
    })
}

/// Conditions without a heartbeat: the time is that of the last change, so that idle nodes write nothing.
fn wanted_conditions(have: &[Value], now: Timestamp) -> Value {
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut conditions = have.to_vec();
    for (kind, status, reason, message) in [
        ("MemoryPressure", "False", "HostKubelet", "the host's scheduler sees to it"),
        ("DiskPressure", "False", "HostKubelet", "the host's scheduler sees to it"),
        ("PIDPressure", "False", "HostKubelet", "the host's scheduler sees to it"),
        ("Ready", "True", "HostKubelet", "pods of this cluster run on the node"),
    ] {
        let text = |condition: &Value, member| {
            condition.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let wanted = json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": &now, "lastTransitionTime": &now,
        });
        match conditions.iter_mut().find(|condition| text(condition, "type") == kind) {
            Some(condition) if text(condition, "status") == status => {}
            Some(condition) => *condition = wanted,
            None => conditions.push(wanted),
        }
    }
    Value::Array(conditions)
}
