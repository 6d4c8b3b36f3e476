//! `observedGeneration` counts changes of the spec, and the two pods of a pair do not count alike.
//!
//! Tools inside wait until the observed generation is the pod's own, so it must be told in the virtual pod's count.

use crate::json::Value;

use crate::{Host, Object, Virtual};

/// How the host pod's generations translate.
#[derive(Clone, Copy, Debug)]
pub struct Generations {
    virt: i64,
    host: i64,
}

impl Generations {
    /// The relation of a pair; `pending` if the host pod's spec still lacks a change of the virtual one's.
    pub fn of(virt: &Virtual<Object>, host: &Host<Object>, pending: bool) -> Option<Generations> {
        let generation = |pod: &Object| pod.at(&["metadata", "generation"]).and_then(Value::as_i64);
        let inside = generation(virt).filter(|generation| *generation > 0)?;
        let observed = host.at(&["status", "observedGeneration"]).and_then(Value::as_i64);
        let outside = generation(host).or(observed).unwrap_or_default();
        // Deletion counts as a change, on one side before the other.
        let ahead =
            |this: &Object, other: &Object| i64::from(this.is_deleting() && !other.is_deleting());
        Some(Generations {
            virt: inside.saturating_sub(i64::from(pending)).saturating_sub(ahead(virt, host)),
            host: outside.saturating_sub(ahead(host, virt)),
        })
    }

    /// Translates one observed generation: as far behind the virtual pod's as it is behind the host pod's.
    pub fn inside(self, observed: i64) -> i64 {
        let behind = self.host.saturating_sub(observed).max(0);
        self.virt.saturating_sub(behind).max(1)
    }
}

/// Translates the member `observedGeneration` of a status or condition. A virtual API server that counts no generations
/// of pods knows no observed ones either.
pub fn translate(holder: &mut Value, generations: Option<Generations>) {
    let Some(members) = holder.as_object_mut() else { return };
    let observed = members.get("observedGeneration").and_then(Value::as_i64);
    match (observed, generations) {
        (Some(observed), Some(generations)) => {
            members.insert("observedGeneration", generations.inside(observed).into());
        }
        _ => drop(members.remove("observedGeneration")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    fn told(virt: Value, host: Value, observed: i64, pending: bool) -> Value {
        let virt = Virtual(Object::new(json!({"metadata": {"generation": virt}})));
        let host = Host(Object::new(json!({"metadata": {"generation": host}})));
        let mut condition = json!({"observedGeneration": observed});
        translate(&mut condition, Generations::of(&virt, &host, pending));
        condition.get("observedGeneration").cloned().unwrap_or_default()
    }

    #[test]
    fn what_is_observed_on_the_host_is_observed_inside() {
        assert_eq!(told(json!(1), json!(1), 1, false), 1);
        // The host counts more changes than there were inside, or fewer.
        assert_eq!(told(json!(1), json!(4), 4, false), 1);
        assert_eq!(told(json!(5), json!(1), 1, false), 5);
        // A change on its way is not observed before the host's kubelet has seen it.
        assert_eq!(told(json!(2), json!(1), 1, true), 1);
        assert_eq!(told(json!(2), json!(2), 1, false), 1);
        assert_eq!(told(json!(2), json!(2), 2, false), 2);
        assert_eq!(told(json!(1), json!(1), -5, true), 1);
    }

    #[test]
    fn a_deletion_on_one_side_only_is_not_a_lag() {
        let pod = |generation: i64, deleting: bool| {
            let time = deleting.then_some("2026-01-01T00:00:00Z");
            Object::new(json!({"metadata": {"generation": generation, "deletionTimestamp": time}}))
        };
        for (virt, host) in [
            (pod(1, false), pod(1, false)),
            (pod(2, true), pod(1, false)),
            (pod(1, false), pod(2, true)),
        ] {
            let generations = Generations::of(&Virtual(virt), &Host(host), false).unwrap();
            assert_eq!(generations.inside(1), 1);
        }
    }

    #[test]
    fn old_servers_are_not_told() {
        assert_eq!(told(Value::Null, json!(1), 1, false), Value::Null);
        assert_eq!(told(json!(0), json!(1), 1, false), Value::Null);
        // A host that does not count cannot be behind.
        assert_eq!(told(json!(3), Value::Null, 1, false), 3);
    }
}
