//! Which side of a Service changed since both agreed, field by field.

use std::collections::BTreeSet;

use crate::json::{Map, Text, Value};

use crate::{Host, Object, Refusal, Side, diff};

use super::{AGREED, spec, taken};

/// Fields that other rules decide about: [`super::addresses`] and [`super::moving`].
const APART: [&str; 6] = [
    "clusterIP",
    "clusterIPs",
    "ipFamilies",
    "ipFamilyPolicy",
    "healthCheckNodePort",
    "externalIPs",
];

/// Fields that only the virtual side decides about.
const ONE_WAY: [&str; 2] = ["selector", "externalName"];

/// What each side must take over, as members of a merge patch of `spec`, and what both agree on then.
pub struct Merge {
    pub to_host: Map,
    pub to_virtual: Map,
    pub agreed: Map,
}

/// What both sides agree on once the host has this spec.
pub fn agreed_from(wanted: &Map) -> Map {
    let shared = wanted.iter().filter(|(name, _)| !is_address(name) && *name != "selector");
    shared.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What both sides last agreed on.
pub fn last_agreed(host: &Host<Object>) -> Map {
    let noted = host.annotation(AGREED).and_then(|text| serde_json::from_str(text).ok());
    noted.unwrap_or_default()
}

/// Compares what the host should have with what it has. Who changed since both agreed is followed; the virtual side,
/// when both did, or when the virtual API server refused the host's change.
pub fn three_way(
    wanted: &Map,
    host: &Host<Object>,
    agreed: &Map,
    refusals: &[Refusal],
    dropped: &[String],
) -> Merge {
    let mut merge =
        Merge { to_host: Map::new(), to_virtual: Map::new(), agreed: agreed_from(wanted) };
    let empty = Map::new();
    let have = host.at(&["spec"]).and_then(Value::as_object).unwrap_or(&empty);
    let to_or_from_external = [spec::kind(host), kind_of(wanted)].contains(&"ExternalName");
    let names: BTreeSet<&Text> = wanted.keys().chain(have.keys()).collect();
    for name in names.into_iter().filter(|name| !APART.contains(&name.as_str())) {
        let (wants, has) = (present(wanted.get(name)), present(have.get(name)));
        if wants == has || dropped.iter().any(|path| path.strip_prefix("spec.") == Some(name)) {
            continue;
        }
        let virtual_changed = wants != present(agreed.get(name));
        let one_way = ONE_WAY.contains(&name.as_str()) || name == "type" && to_or_from_external;
        let refused = taken::anything(refusals, Side::Virtual);
        if virtual_changed || one_way || (refused && wants.is_some()) {
            merge.to_host.extend(change(name, has, wants));
        } else if !refused {
            merge.to_virtual.extend(change(name, wants, has));
            match has {
                Some(has) => drop(merge.agreed.insert(name.clone(), has.clone())),
                None => drop(merge.agreed.remove(name)),
            }
        }
    }
    node_ports_taken(&mut merge, have, refusals);
    merge
}

/// Where the host refused a node port, it keeps or chooses its own, and the virtual Service follows.
fn node_ports_taken(merge: &mut Merge, have: &Map, refusals: &[Refusal]) {
    let taken = taken::node_ports(refusals, Side::Host);
    let given = have.get("ports").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let Some(Value::Array(ports)) = merge.to_host.get_mut("ports").filter(|_| !taken.is_empty())
    else {
        return;
    };
    for (_, port) in ports.iter_mut().enumerate().filter(|(place, _)| taken.contains(place)) {
        let number = spec::same_port(port, given).and_then(|given| given.get("nodePort")).cloned();
        let port = crate::object::members(port);
        match number {
            Some(number) => drop(port.insert("nodePort", number)),
            None => drop(port.remove("nodePort")),
        }
    }
    if ports.as_slice() == given {
        merge.to_host.remove("ports");
        let given = Value::Array(given.to_vec());
        merge.to_virtual.insert("ports", given.clone());
        merge.agreed.insert("ports", given);
    }
}

/// The member of a merge patch that turns one value of a field into another.
fn change(name: &str, from: Option<&Value>, to: Option<&Value>) -> Option<(String, Value)> {
    let difference = match (from, to) {
        (Some(from), Some(to)) => diff::merge_patch(from, to)?,
        _ => to.cloned().unwrap_or_default(),
    };
    Some((name.to_owned(), difference))
}

fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

fn kind_of(spec: &Map) -> &str {
    spec.get("type").and_then(Value::as_str).unwrap_or("ClusterIP")
}

fn is_address(name: &str) -> bool {
    ["clusterIP", "clusterIPs", "healthCheckNodePort", "externalIPs"].contains(&name)
}
