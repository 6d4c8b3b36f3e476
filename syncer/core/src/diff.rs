//! JSON merge patches (RFC 7386) of what differs.

use crate::json::{Map, Value};

/// The merge patch that turns `from` into `to`, or nothing when they are equal.
///
/// A `null` inside `to` cannot be expressed by a merge patch; the API drops nulls anyway, so they read as absent.
pub fn merge_patch(from: &Value, to: &Value) -> Option<Value> {
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return (from != to).then(|| to.clone());
    };
    let mut patch = Map::new();
    for key in from.keys() {
        if to.get(key).is_none_or(Value::is_null)
            && from.get(key).is_some_and(|value| !value.is_null())
        {
            patch.insert(key.clone(), Value::Null);
        }
    }
    for (key, wanted) in to.iter().filter(|(_, wanted)| !wanted.is_null()) {
        let difference = match from.get(key) {
            Some(have) => merge_patch(have, wanted),
            None => Some(without_nulls(wanted)),
        };
        if let Some(difference) = difference {
            patch.insert(key.clone(), difference);
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Applies a merge patch: what the API server does with one. For tests and for the in-memory world.
pub fn apply_merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    let members = crate::object::members(target);
    for (key, change) in changes {
        if change.is_null() {
            members.remove(key);
        } else {
            apply_merge_patch(members.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;
    use proptest::prelude::*;

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..3i64).prop_map(Value::from),
            "[ab]".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn applying_the_patch_gives_the_wanted_document(from in document(), to in document()) {
            let mut got = from.clone();
            if let Some(patch) = merge_patch(&from, &to) {
                apply_merge_patch(&mut got, &patch);
            }
            prop_assert_eq!(&got, &to);
            prop_assert_eq!(merge_patch(&got, &to), None);
        }
    }

    #[test]
    fn only_what_differs_is_named() {
        let patch = merge_patch(
            &json!({"a": 1, "b": {"c": 1, "d": 2}}),
            &json!({"b": {"c": 1, "d": 3}, "e": [1]}),
        );
        assert_eq!(patch, Some(json!({"a": null, "b": {"d": 3}, "e": [1]})));
    }
}
