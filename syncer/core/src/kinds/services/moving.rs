//! Moving a virtual Service to other addresses, by the one way that the API has: to type ExternalName and back, in two
//! writes. UID, name and EndpointSlices stay.
//!
//! The first write frees the addresses, also those that another Service waits for, so that Services can swap them. It
//! makes the API server wipe other fields, so it keeps the whole spec in an annotation; while that is there the Service
//! counts as what it was and is to be again. Whoever crashes between the writes leaves nothing but the annotation to
//! go on from.

use crate::json::{Map, Value, json};

use crate::object::members;
use crate::resource::SERVICES;
use crate::{Object, Op, Refusal, Side, Virtual, diff};

use super::{spec, taken};

/// Annotation on a virtual Service that is being moved: `metadata` and `spec` to restore, JSON.
const SAVED: &str = "vcluster.loft.sh/moving";
/// The name that a Service stands for meanwhile: RFC 6761 promises that nothing has it.
const NOWHERE: &str = "moving.vcluster.invalid";
/// Annotation on a virtual Service: the address that the host gave it, which is none of the virtual API server's.
const OUT_OF_RANGE: &str = "vcluster.loft.sh/address-out-of-range";

/// An annotation that the API allows on type LoadBalancer only.
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

/// What the first write loses: wiped by the API server, or refused by it on type ExternalName.
const LOST: [&str; 10] = [
    "type",
    "externalName",
    "clusterIP",
    "clusterIPs",
    "ipFamilies",
    "ipFamilyPolicy",
    "healthCheckNodePort",
    "externalTrafficPolicy",
    "allocateLoadBalancerNodePorts",
    "loadBalancerClass",
];
/// As [`LOST`], but not wiped by the API server: it refuses the write while they are set.
const SOURCE_RANGES_FIELD: &str = "loadBalancerSourceRanges";

/// What a Service that is being moved had. Nothing for one that is not, whatever its annotations say.
pub fn saved(virt: &Virtual<Object>) -> Option<Object> {
    let underway = virt.str_at(&["spec", "type"]) == Some("ExternalName")
        && virt.str_at(&["spec", "externalName"]) == Some(NOWHERE);
    let text = virt.annotation(SAVED).filter(|_| underway)?;
    let saved = Object::new(serde_json::from_str(text).ok()?);
    saved.at(&["spec"]).is_some_and(Value::is_object).then_some(saved)
}

/// The Service as its owner wishes it: itself, or, while it is being moved, with what the first write lost. What the
/// owner changed meanwhile counts.
pub fn wish(virt: &Virtual<Object>) -> Virtual<Object> {
    let Some(saved) = saved(virt) else { return virt.clone() };
    let mut wish = virt.clone();
    diff::apply_merge_patch(wish.0.value_mut(), &json!({ "spec": restored(virt, &saved) }));
    if let Some(ranges) = saved.annotation(SOURCE_RANGES) {
        wish.0.set(&["metadata", "annotations", SOURCE_RANGES], ranges);
    }
    wish
}

/// The first write.
pub fn begin(virt: &Virtual<Object>) -> Op {
    let mut kept = json!({ "spec": virt.at(&["spec"]) });
    let mut annotations = Map::new();
    if let Some(ranges) = virt.annotation(SOURCE_RANGES) {
        members(&mut kept).insert("metadata", json!({"annotations": {SOURCE_RANGES: ranges}}));
        annotations.insert(SOURCE_RANGES, Value::Null);
    }
    annotations.insert(SAVED, kept.to_string().into());
    let mut spec = json!({"type": "ExternalName", "externalName": NOWHERE});
    if virt.at(&["spec", SOURCE_RANGES_FIELD]).is_some() {
        members(&mut spec).insert(SOURCE_RANGES_FIELD, Value::Null);
    }
    let body = json!({"metadata": {"annotations": annotations}, "spec": spec});
    Op::patch_virtual(&SERVICES, virt, body).at_version(virt.resource_version())
}

/// The second write: the Service gets the addresses and ports of its host twin.
///
/// What another virtual Service holds is asked for again and again, since that one has to move too. What the virtual
/// API server will never give is left to its choice; an address like that is remembered ([`cannot_follow`]).
pub fn end(virt: &Virtual<Object>, saved: &Object, host: &Object, refusals: &[Refusal]) -> Op {
    let lost = taken::addresses_out_of_range(refusals, Side::Virtual);
    let address = spec::cluster_ips(host).first().copied();
    let mut restored = restored(virt, saved);
    let fields = members(&mut restored);
    spec::without_addresses(fields);
    if !lost {
        fields.extend(addresses_of(host, spec::cluster_ips(saved).len().max(1)));
    }
    if let Some(port) = spec::health_port(host) {
        fields.insert("healthCheckNodePort", port.clone());
    } else if taken::health_port(refusals, Side::Virtual) {
        fields.remove("healthCheckNodePort");
    }
    let given = host.items_at(&["spec", "ports"]);
    let out_of_range = taken::node_ports_out_of_range(refusals, Side::Virtual);
    let refused = taken::node_ports(refusals, Side::Virtual);
    let ports = fields.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten();
    for (place, port) in ports.enumerate() {
        let number = spec::same_port(port, given).and_then(|given| given.get("nodePort")).cloned();
        let port = members(port);
        match number.filter(|_| !out_of_range.contains(&place)) {
            Some(number) if port.contains_key("nodePort") => {
                port.insert("nodePort", number);
            }
            None if refused.contains(&place) => drop(port.remove("nodePort")),
            _ => {}
        }
    }
    let mut annotations = json!({ SAVED: null, OUT_OF_RANGE: address.filter(|_| lost) });
    if let Some(ranges) = saved.annotation(SOURCE_RANGES) {
        members(&mut annotations).insert(SOURCE_RANGES, ranges.into());
    }
    let body = json!({"metadata": {"annotations": annotations}, "spec": restored});
    Op::patch_virtual(&SERVICES, virt, body).at_version(virt.resource_version())
}

/// The host's addresses, as many as the virtual Service had.
fn addresses_of(host: &Object, stacks: usize) -> Map {
    let ips: Vec<_> = spec::cluster_ips(host).into_iter().take(stacks).collect();
    let mut fields = Map::new();
    if let Some(first) = ips.first() {
        fields.insert("clusterIP", (*first).into());
        fields.insert("clusterIPs", json!(&ips));
        let families = host.items_at(&["spec", "ipFamilies"]).iter().take(ips.len());
        fields.insert("ipFamilies", families.cloned().collect());
    }
    fields
}

/// Whether this address of the host's cannot be had inside, as was found out before.
pub fn cannot_follow(virt: &Virtual<Object>, address: &str) -> bool {
    virt.annotation(OUT_OF_RANGE) == Some(address)
}

/// Whether some address of the host's could not be had inside.
pub fn could_not_follow(virt: &Virtual<Object>) -> bool {
    virt.annotation(OUT_OF_RANGE).is_some()
}

/// What is left of a move that was ended by someone else: its owner wrote the whole spec.
pub fn leftover(virt: &Virtual<Object>) -> Option<Op> {
    let stale = virt.annotation(SAVED).is_some() && saved(virt).is_none();
    stale.then(|| {
        let body = json!({"metadata": {"annotations": {SAVED: null}}});
        Op::patch_virtual(&SERVICES, virt, body)
    })
}

/// The members of the spec to restore, with `null` for those that were not there.
fn restored(virt: &Virtual<Object>, saved: &Object) -> Value {
    let mut spec = Map::new();
    for field in LOST {
        let value = saved.at(&["spec", field]).cloned().unwrap_or_default();
        spec.insert(field.to_owned(), value);
    }
    if let Some(ranges) = saved.at(&["spec", SOURCE_RANGES_FIELD]) {
        spec.insert(SOURCE_RANGES_FIELD.to_owned(), ranges.clone());
    }
    let mut ports = virt.items_at(&["spec", "ports"]).to_vec();
    let had = saved.items_at(&["spec", "ports"]);
    for port in &mut ports {
        let number = spec::same_port(port, had).and_then(|had| had.get("nodePort"));
        if let (Some(number), None) = (number, port.get("nodePort")) {
            members(port).insert("nodePort", number.clone());
        }
    }
    if !ports.is_empty() {
        spec.insert("ports", Value::Array(ports));
    }
    Value::Object(spec)
}
