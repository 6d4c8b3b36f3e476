//! Conditions of pods, which both sides write: the host's components their own, and whoever answers for a readiness gate
//! inside the virtual cluster.

use crate::json::{Map, Value, json};

use crate::object::members;
use crate::{Host, Object, Virtual};

use super::generations::{self, Generations};
use super::paths::text;

/// Types that only a scheduler or a kubelet sets: gone on the host means gone inside. What else is set inside stays.
const OF_THE_HOST: [&str; 8] = [
    "AllContainersRestarting",
    "ContainersReady",
    "Initialized",
    "PodReadyToStartContainers",
    "PodResizeInProgress",
    "PodResizePending",
    "PodScheduled",
    "Ready",
];

/// The condition that a binding sets.
const SCHEDULED: &str = "PodScheduled";

/// Which way one condition goes.
enum Way {
    Inside,
    Outside,
    Neither,
}

/// The part of a strategic merge patch that brings the host's conditions inside. `host` are translated already.
pub fn inside(virt: &Virtual<Object>, host: &[Value]) -> Vec<Value> {
    let have = virt.items_at(&["status", "conditions"]);
    let mut patch = Vec::new();
    for condition in unique(host) {
        let kind = text(condition, "type");
        let before = find(have, kind);
        if is_gate(virt, kind) && !matches!(way(before, Some(condition)), Way::Inside) {
            continue;
        }
        // Each side's API server dates the binding itself; to correct that is not worth a write for every pod.
        if kind == SCHEDULED && before.is_some_and(|before| says_the_same(before, condition)) {
            continue;
        }
        if let Some(changed) = difference(before, condition) {
            patch.push(changed);
        }
    }
    for condition in unique(have) {
        let kind = text(condition, "type");
        if OF_THE_HOST.contains(&kind) && find(host, kind).is_none() {
            patch.push(json!({"type": kind, "$patch": "delete"}));
        }
    }
    patch
}

/// The part of a strategic merge patch that brings readiness gates' conditions to the host: its kubelet decides with
/// them whether the pod is ready, and its Services follow.
pub fn outside(virt: &Virtual<Object>, host: &Host<Object>) -> Vec<Value> {
    let have = host.items_at(&["status", "conditions"]);
    let set = virt.items_at(&["status", "conditions"]);
    unique(set)
        .filter(|condition| is_gate(virt, text(condition, "type")))
        .filter_map(|condition| {
            let before = find(have, text(condition, "type"));
            if !matches!(way(Some(condition), before), Way::Outside) {
                return None;
            }
            let mut wanted = condition.clone();
            generations::translate(&mut wanted, None::<Generations>);
            difference(before, &wanted)
        })
        .collect()
}

/// A virtual pod as its API server has it after a binding.
pub fn bound(virt: &Virtual<Object>, node: &str) -> Virtual<Object> {
    let mut conditions = virt.items_at(&["status", "conditions"]).to_vec();
    let scheduled = json!({"type": SCHEDULED, "status": "True"});
    match conditions.iter_mut().find(|condition| text(condition, "type") == SCHEDULED) {
        Some(condition) => *condition = scheduled,
        None => conditions.push(scheduled),
    }
    let mut bound = virt.clone();
    bound.0.set(&["spec", "nodeName"], node);
    bound.0.set(&["status", "conditions"], conditions);
    bound
}

/// Whether a pod is placed is what the scheduler inside says, if one placed it. What the host's says of the one node that is
/// left comes as an event.
pub fn placed_inside(status: &mut Value, virt: &Virtual<Object>) {
    let conditions = members(status).entry("conditions").or_insert_with(|| json!([]));
    let Value::Array(conditions) = conditions else { return };
    conditions.retain(|condition| text(condition, "type") != SCHEDULED);
    conditions.extend(find(virt.items_at(&["status", "conditions"]), SCHEDULED).cloned());
}

fn says_the_same(one: &Value, other: &Value) -> bool {
    ["status", "reason", "message"].iter().all(|field| text(one, field) == text(other, field))
}

/// Either side may answer for a gate. Where they differ the later transition counts, and a virtual one at the same time
/// or without any: hand-written conditions have none.
fn way(virt: Option<&Value>, host: Option<&Value>) -> Way {
    match (virt, host) {
        (Some(virt), Some(host)) => {
            let times = ["lastTransitionTime", "lastProbeTime"];
            let later = text(host, "lastTransitionTime") > text(virt, "lastTransitionTime");
            let same = says_the_same(virt, host)
                && times.iter().all(|field| text(virt, field) == text(host, field));
            match (same, later) {
                (true, _) => Way::Neither,
                (false, true) => Way::Inside,
                (false, false) => Way::Outside,
            }
        }
        (None, Some(_)) => Way::Inside,
        (Some(_), None) => Way::Outside,
        (None, None) => Way::Neither,
    }
}

/// The element that changes one condition to what it should be. An observed generation that is there is left: API
/// servers keep it.
fn difference(before: Option<&Value>, wanted: &Value) -> Option<Value> {
    let wanted = wanted.as_object()?;
    let none = Map::new();
    let before = before.and_then(Value::as_object).unwrap_or(&none);
    let mut patch: Map = wanted
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let changed = patch.iter().any(|(name, value)| before.get(name) != Some(value));
    let stale: Vec<_> = before
        .iter()
        .filter(|(name, value)| {
            !value.is_null() && !patch.contains_key(name) && *name != "observedGeneration"
        })
        .map(|(name, _)| (name.clone(), Value::Null))
        .collect();
    let differs = changed || !stale.is_empty();
    patch.extend(stale);
    differs.then_some(Value::Object(patch))
}

/// Whether the virtual pod's readiness depends on a condition that no component of the host sets by itself.
fn is_gate(virt: &Virtual<Object>, kind: &str) -> bool {
    let mut gates = virt.items_at(&["spec", "readinessGates"]).iter();
    !OF_THE_HOST.contains(&kind) && gates.any(|gate| text(gate, "conditionType") == kind)
}

fn find<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a Value> {
    conditions.iter().find(|condition| text(condition, "type") == kind)
}

/// The conditions with a type, the first of each.
fn unique(conditions: &[Value]) -> impl Iterator<Item = &Value> {
    conditions.iter().enumerate().filter_map(|(place, condition)| {
        let kind = text(condition, "type");
        let first = conditions.iter().position(|other| text(other, "type") == kind) == Some(place);
        (first && !kind.is_empty()).then_some(condition)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn virt(conditions: Value) -> Virtual<Object> {
        Virtual(Object::new(json!({
            "spec": {"readinessGates": [{"conditionType": "gate"}, {"conditionType": "Ready"}]},
            "status": {"conditions": conditions},
        })))
    }

    fn host(conditions: Value) -> Host<Object> {
        Host(Object::new(json!({"status": {"conditions": conditions}})))
    }

    fn both(v: Value, h: Value) -> (Vec<Value>, Vec<Value>) {
        let (virt, host) = (virt(v), host(h));
        (inside(&virt, host.items_at(&["status", "conditions"])), outside(&virt, &host))
    }

    #[test]
    fn the_hosts_own_win_and_vanish() {
        let (inside, outside) = both(
            json!([{"type": "Ready", "status": "True", "reason": "old", "lastProbeTime": null}, {"type": "PodResizePending"}, {"type": "mine"}]),
            json!([{"type": "Ready", "status": "False"}, {"type": "foreign", "status": "True"}]),
        );
        assert_eq!(
            inside,
            [
                json!({"type": "Ready", "status": "False", "reason": null}),
                json!({"type": "foreign", "status": "True"}),
                json!({"type": "PodResizePending", "$patch": "delete"}),
            ]
        );
        assert!(outside.is_empty());
    }

    #[test]
    fn gates_go_to_the_host_and_come_back_only_when_newer() {
        let gate = |status: &str, at: &str| {
            let mut gate = json!({"type": "gate", "status": status});
            if !at.is_empty() {
                gate["lastTransitionTime"] = at.into();
            }
            gate
        };
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z");
        for (virt, host, to_inside, to_outside) in [
            (json!([gate("True", "")]), json!([]), 0, 1),
            (json!([gate("True", "")]), json!([gate("True", "")]), 0, 0),
            (json!([gate("False", "")]), json!([gate("True", "")]), 0, 1),
            (json!([gate("False", late)]), json!([gate("True", early)]), 0, 1),
            (json!([gate("False", early)]), json!([gate("True", late)]), 1, 0),
            (json!([gate("False", early)]), json!([gate("True", early)]), 0, 1),
            (json!([]), json!([gate("True", early)]), 1, 0),
            (json!([]), json!([]), 0, 0),
        ] {
            let (inside, outside) = both(virt.clone(), host.clone());
            assert_eq!((inside.len(), outside.len()), (to_inside, to_outside), "{virt} {host}");
        }
    }

    #[test]
    fn odd_conditions_are_coped_with() {
        let (inside, outside) = both(
            json!([3, {}, {"type": 1}, {"type": "gate"}, {"type": "gate"}]),
            json!([null, [], {"type": ""}]),
        );
        assert_eq!((inside.len(), outside.len()), (0, 1));
    }
}
