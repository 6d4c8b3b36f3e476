//! Label selectors on their way to the host.

use crate::json::{Value, json};

use crate::labels::{self, host_label_key, namespace_label_key};
use crate::object::members;
use crate::{Object, Settings};

/// Translates a `LabelSelector` (`matchLabels`, `matchExpressions`) so that it means the same pods on the host: keys
/// as labels are translated, and always and-ed with this virtual cluster's marker, so that it can match nobody else's.
///
/// An absent selector selects nothing and stays absent: callers pass only what is there.
pub fn label_selector(selector: &Value, settings: &Settings) -> Value {
    let mut translated =
        keys_translated(selector, |key| host_label_key(key, &settings.name).into_owned());
    match_label(&mut translated, labels::MANAGED_BY, &settings.name);
    translated
}

/// Translates a namespace selector to the selector over host pods that means "pods in such virtual namespaces":
/// host pods carry the labels of their virtual namespace under [`namespace_label_key`].
pub fn namespace_selector(selector: &Value, settings: &Settings) -> Value {
    keys_translated(selector, |key| namespace_label_key(key, &settings.name))
}

/// Translates a plain key-value selector, as a Service has one, within one virtual namespace.
pub fn equality_selector(selector: &Value, namespace: &str, settings: &Settings) -> Value {
    let mut translated = json!({});
    for (key, value) in selector.as_object().into_iter().flatten() {
        members(&mut translated)
            .insert(host_label_key(key, &settings.name).into_owned(), value.clone());
    }
    members(&mut translated).insert(labels::MANAGED_BY, settings.name.clone().into());
    members(&mut translated).insert(labels::NAMESPACE, namespace.into());
    translated
}

/// Adds one equality to a `LabelSelector`.
pub fn match_label(selector: &mut Value, key: &str, value: &str) {
    let labels = members(selector).entry("matchLabels").or_insert_with(|| json!({}));
    members(labels).insert(key.to_owned(), value.into());
}

/// Adds one expression to a `LabelSelector`; `operator` is `In`, `NotIn`, `Exists` or `DoesNotExist`.
pub fn match_expression(selector: &mut Value, key: &str, operator: &str, values: &[&str]) {
    let expressions = members(selector).entry("matchExpressions").or_insert_with(|| json!([]));
    let mut expression = json!({"key": key, "operator": operator});
    if !values.is_empty() {
        members(&mut expression).insert("values", json!(values));
    }
    match expressions {
        Value::Array(list) => list.push(expression),
        other => *other = json!([expression]),
    }
}

/// Whether a `LabelSelector` matches an object's labels, as the API server and the scheduler evaluate it.
pub fn matches(selector: &Value, object: &Object) -> bool {
    let label = |key: &str| object.label(key);
    let equal = selector.get("matchLabels").and_then(Value::as_object);
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    equal.into_iter().flatten().all(|(key, value)| label(key) == value.as_str())
        && expressions.into_iter().flatten().all(|expression| {
            let text = |member| expression.get(member).and_then(Value::as_str).unwrap_or_default();
            let have = label(text("key"));
            let listed = || {
                let values = expression.get("values").and_then(Value::as_array);
                values.into_iter().flatten().any(|value| value.as_str() == have)
            };
            match text("operator") {
                "In" => have.is_some() && listed(),
                "NotIn" => have.is_none() || !listed(),
                "Exists" => have.is_some(),
                "DoesNotExist" => have.is_none(),
                _ => false,
            }
        })
}

fn keys_translated(selector: &Value, translate: impl Fn(&str) -> String) -> Value {
    let mut translated = selector.clone();
    if let Some(labels) = selector.get("matchLabels").and_then(Value::as_object) {
        let renamed = labels.iter().map(|(key, value)| (translate(key), value.clone())).collect();
        members(&mut translated).insert("matchLabels", Value::Object(renamed));
    }
    let expressions = translated.get_mut("matchExpressions").and_then(Value::as_array_mut);
    for expression in expressions.into_iter().flatten() {
        if let Some(key) = expression.get("key").and_then(Value::as_str).map(&translate) {
            members(expression).insert("key", key.into());
        }
    }
    translated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_selector_selects_our_own_only() {
        let settings = Settings::example();
        assert_eq!(
            label_selector(&json!({}), &settings),
            json!({"matchLabels": {"vcluster.loft.sh/managed-by": "my-vc"}})
        );
    }

    #[test]
    fn selectors_match_as_the_api_says() {
        let object = Object::new(json!({"metadata": {"labels": {"app": "web"}}}));
        let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        for (selector, wanted) in [
            (json!({}), true),
            (json!({"matchLabels": {"app": "web"}}), true),
            (json!({"matchLabels": {"app": "db"}}), false),
            (expression("app", "In", &["db", "web"]), true),
            (expression("tier", "In", &["a"]), false),
            (expression("tier", "NotIn", &["a"]), true),
            (expression("app", "NotIn", &["web"]), false),
            (expression("app", "Exists", &[]), true),
            (expression("tier", "DoesNotExist", &[]), true),
            (expression("app", "Odd", &[]), false),
        ] {
            assert_eq!(matches(&selector, &object), wanted, "{selector}");
        }
    }

    #[test]
    fn keys_are_translated_in_labels_and_expressions() {
        let selector = json!({
            "matchLabels": {"app": "web", "release": "a"},
            "matchExpressions": [{"key": "release", "operator": "In", "values": ["a"]}],
        });
        let hashed = host_label_key("release", "my-vc").into_owned();
        let got = label_selector(&selector, &Settings::example());
        assert_eq!(got["matchLabels"]["app"], "web");
        assert_eq!(got["matchLabels"][hashed.as_str()], "a");
        assert_eq!(got["matchExpressions"][0]["key"], hashed);
    }
}
