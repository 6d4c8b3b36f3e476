//! What an API server of another version makes of a write: it drops the fields that it does not know.
//!
//! A plan that compares would ask for such a field for ever. So the engine looks at each answer once, remembers what
//! was dropped, and tells plans through [`crate::World::drops`].

use crate::json::Value;

/// The paths of what a patch set and the answer lacks, such as `status.conditions[].observedGeneration`; indices are
/// left out, so that what is learned of one element holds for all.
///
/// `answer` is the whole object that the server returned for the patch. Members that mean the same as absent ones
/// (`null`, `""`, `0`, `false`, empty lists and objects) are not missed. Elements of lists are found by `type`, `name`,
/// `ip` or `mountPath`, or else by place.
pub fn dropped(patch: &Value, answer: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    compare("", patch, answer, &mut paths);
    paths.sort();
    paths.dedup();
    paths
}

/// Takes away from an object what its server would drop.
pub fn remove(object: &mut Value, path: &str) {
    let (first, rest) =
        path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let name = first.trim_end_matches("[]");
    let Some(members) = object.as_object_mut() else { return };
    let Some(rest) = rest else {
        members.remove(name);
        return;
    };
    match members.get_mut(name) {
        Some(Value::Array(items)) if first.ends_with("[]") => {
            items.iter_mut().for_each(|item| remove(item, rest));
        }
        Some(member) => remove(member, rest),
        None => {}
    }
}

fn compare(path: &str, patch: &Value, answer: &Value, paths: &mut Vec<String>) {
    match (patch, answer) {
        (Value::Object(wanted), Value::Object(got)) => {
            let wanted =
                wanted.iter().filter(|(key, value)| !key.starts_with('$') && !is_empty(value));
            for (key, value) in wanted {
                let inner = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
                match got.get(key) {
                    Some(got) => compare(&inner, value, got, paths),
                    None => paths.push(inner),
                }
            }
        }
        (Value::Array(wanted), Value::Array(got)) => {
            let elements = wanted.iter().filter(|element| element.get("$patch").is_none());
            for (index, element) in elements.enumerate() {
                if let Some(same) = same_element(element, index, got) {
                    compare(&format!("{path}[]"), element, same, paths);
                }
            }
        }
        _ => {}
    }
}

/// The element of an answer that stands for one of a patch. One that has a key and is not there stands for none: to take
/// another for it would be to miss what was never meant for that one.
fn same_element<'a>(element: &Value, index: usize, list: &'a [Value]) -> Option<&'a Value> {
    let keys = ["type", "name", "ip", "mountPath"];
    match keys.iter().find_map(|key| Some((*key, element.get(key)?))) {
        Some((key, value)) => list.iter().find(|candidate| candidate.get(key) == Some(value)),
        None => list.get(index),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        // A list of directives only takes away: nothing of it is to be found in the answer.
        Value::Array(items) => items.iter().all(|item| item.get("$patch").is_some()),
        Value::Object(members) => members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn what_an_older_server_drops_is_found_and_can_be_left_out() {
        let patch = json!({"status": {
            "volumeHealth": [{"a": 1}],
            "phase": "Running", "message": "", "startTime": null,
            "conditions": [
                {"type": "Old", "$patch": "delete"},
                {"type": "Ready", "status": "True", "observedGeneration": 3},
            ],
        }});
        let answer = json!({"status": {
            "phase": "Running",
            "conditions": [{"type": "Other"}, {"type": "Ready", "status": "True"}],
        }});
        let paths = dropped(&patch, &answer);
        assert_eq!(paths, ["status.conditions[].observedGeneration", "status.volumeHealth"]);
        let mut wanted = patch;
        paths.iter().for_each(|path| remove(&mut wanted, path));
        assert_eq!(dropped(&wanted, &answer), Vec::<String>::new());
    }

    #[test]
    fn what_a_patch_takes_away_is_not_missed() {
        let gone = json!({"status": {"phase": "Pending", "containerStatuses": null, "conditions": [
            {"type": "Ready", "$patch": "delete"}, {"type": "PodScheduled", "$patch": "delete"},
        ]}});
        assert_eq!(dropped(&gone, &json!({"status": {"phase": "Pending"}})), Vec::<String>::new());
        // Nor is what belongs to an element that others have replaced meanwhile.
        let patch = json!({"status": {"conditions": [{"type": "Ready", "reason": "x"}]}});
        let other = json!({"status": {"conditions": [{"type": "Initialized"}]}});
        assert_eq!(dropped(&patch, &other), Vec::<String>::new());
    }

    #[test]
    fn odd_documents_are_coped_with() {
        for (patch, answer) in
            [(json!(3), json!({})), (json!([1]), json!([])), (json!({"a": [1]}), json!({"a": 3}))]
        {
            assert_eq!(dropped(&patch, &answer), Vec::<String>::new());
        }
        let mut odd = json!({"a": 3});
        remove(&mut odd, "a.b");
        remove(&mut odd, "");
        remove(&mut odd, "a[].b");
        assert_eq!(odd, json!({"a": 3}));
    }
}
