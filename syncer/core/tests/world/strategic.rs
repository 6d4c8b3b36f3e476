//! Strategic merge patches, as far as the built-in kinds that we patch need them.

use vcluster_syncer_core::json::{Map, Value};

/// The member by which the elements of a list are told apart; lists not named here are replaced.
fn merge_key(list: &str) -> Option<&'static str> {
    Some(match list {
        "conditions" | "addresses" => "type",
        "podIPs" | "hostIPs" | "hostAliases" => "ip",
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "schedulingGates" => "name",
        "ownerReferences" => "uid",
        "taints" => "key",
        _ => return None,
    })
}

/// Applies a strategic merge patch.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { unreachable!("made an object above") };
    if changes.get("$patch").is_some_and(|directive| directive == "replace") {
        *members = Map::new();
    }
    for (name, change) in changes.iter().filter(|(name, _)| !name.starts_with('$')) {
        match (change, merge_key(name)) {
            (Value::Null, _) => {
                members.remove(name);
            }
            (Value::Array(items), Some(key)) => {
                merge_list(
                    members.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new())),
                    items,
                    key,
                );
            }
            (Value::Array(_), None) => {
                members.insert(name.clone(), change.clone());
            }
            _ => merge(members.entry(name.clone()).or_insert(Value::Null), change),
        }
    }
}

fn merge_list(target: &mut Value, items: &[Value], key: &str) {
    let directive = |item: &Value| item.get("$patch").and_then(Value::as_str).map(str::to_owned);
    let mut merged = target.as_array().cloned().unwrap_or_default();
    if items.iter().any(|item| directive(item).as_deref() == Some("replace")) {
        merged.clear();
    }
    for item in items {
        let place = merged.iter().position(|have| have.get(key) == item.get(key));
        match (directive(item).as_deref(), place) {
            (Some("replace"), _) => {}
            (Some("delete"), Some(place)) => drop(merged.remove(place)),
            (Some("delete"), None) => {}
            (_, Some(place)) => merge(&mut merged[place], item),
            (_, None) => {
                let mut added = Value::Null;
                merge(&mut added, item);
                merged.push(added);
            }
        }
    }
    *target = Value::Array(merged);
}
