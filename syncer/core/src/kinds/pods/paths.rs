//! Walking to the fields of a document by paths such as `volumes[].projected.sources[].secret`.

use crate::json::Value;

/// The lists of containers in a pod's spec.
pub const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Calls `visit` with each value at a path; `[]` after a member goes into each element of its list.
pub fn each_mut(value: &mut Value, path: &str, visit: &mut dyn FnMut(&mut Value)) {
    let (step, rest) = split(path);
    let mut go_on = |value: &mut Value| match rest {
        Some(rest) => each_mut(value, rest, visit),
        None => visit(value),
    };
    match step.strip_suffix("[]") {
        Some(list) => {
            let items = value.get_mut(list).and_then(Value::as_array_mut);
            items.into_iter().flatten().for_each(go_on);
        }
        None => value.get_mut(step).into_iter().for_each(&mut go_on),
    }
}

/// The values at a path.
pub fn each<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = Vec::new();
    visit(value, path, &mut |value| found.push(value));
    found
}

fn visit<'a>(value: &'a Value, path: &str, found: &mut dyn FnMut(&'a Value)) {
    let (step, rest) = split(path);
    let mut go_on = |value: &'a Value| match rest {
        Some(rest) => visit(value, rest, found),
        None => found(value),
    };
    match step.strip_suffix("[]") {
        Some(list) => {
            let items = value.get(list).and_then(Value::as_array);
            items.into_iter().flatten().for_each(go_on);
        }
        None => value.get(step).into_iter().for_each(&mut go_on),
    }
}

/// All containers of a pod's spec: init, ordinary and ephemeral ones.
pub fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    CONTAINER_LISTS.into_iter().filter_map(|list| spec.get(list)?.as_array()).flatten()
}

/// Calls `visit` with each container of a pod's spec.
pub fn each_container(spec: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    for list in CONTAINER_LISTS {
        let items = spec.get_mut(list).and_then(Value::as_array_mut);
        items.into_iter().flatten().for_each(&mut *visit);
    }
}

/// A member's text, or `""`.
pub fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn paths_lead_through_lists_and_past_odd_values() {
        let mut document = json!({"a": [{"b": {"c": 1}}, 3, {"b": []}, {"b": {"c": 2}}]});
        assert_eq!(each(&document, "a[].b.c"), [&json!(1), &json!(2)]);
        each_mut(&mut document, "a[].b.c", &mut |value| *value = json!(0));
        assert_eq!(each(&document, "a[].b.c"), [&json!(0), &json!(0)]);
        assert!(each(&document, "a.b").is_empty() && each(&document, "x[]").is_empty());
    }
}
