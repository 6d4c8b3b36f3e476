//! Which pods a pod wants to be near or far from: on the host all virtual namespaces share one, so their names become
//! labels in the selectors.

use crate::json::{Value, json};

use crate::labels::{self, host_label_key};
use crate::object::members;
use crate::resource::NAMESPACES;
use crate::selectors::{
    label_selector, match_expression, match_label, matches, namespace_selector,
};
use crate::{Settings, World};

use super::paths::{each_mut, text};

const TERMS: [&str; 4] = [
    "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[]",
    "affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm",
    "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[]",
    "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm",
];

/// Translates pod affinity, anti-affinity and topology spread constraints of a pod of this namespace.
pub fn translate(spec: &mut Value, namespace: &str, world: &dyn World, settings: &Settings) {
    for at in TERMS {
        each_mut(spec, at, &mut |term| translate_term(term, namespace, world, settings));
    }
    each_mut(spec, "topologySpreadConstraints[]", &mut |constraint| {
        translate_label_keys(constraint, settings);
        // Without a selector it counts no pods, here and there.
        if let Some(selector) =
            constraint.get_mut("labelSelector").filter(|value| value.is_object())
        {
            *selector = label_selector(selector, settings);
            match_label(selector, labels::NAMESPACE, namespace);
        }
    });
}

/// Lets a pod run on one node only, if the scheduler finds room there.
pub fn pin(spec: &mut Value, node: &str) {
    let field = json!({"key": "metadata.name", "operator": "In", "values": [node]});
    let mut at = spec;
    for member in ["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"] {
        at = members(at).entry(member).or_insert_with(|| json!({}));
    }
    // The terms are alternatives: each must hold it.
    match members(at).get_mut("nodeSelectorTerms").and_then(Value::as_array_mut) {
        Some(terms) if !terms.is_empty() => {
            for term in terms {
                match members(term).entry("matchFields").or_insert_with(|| json!([])) {
                    Value::Array(fields) => fields.push(field.clone()),
                    other => *other = json!([field.clone()]),
                }
            }
        }
        _ => {
            members(at).insert("nodeSelectorTerms", json!([{ "matchFields": [field] }]));
        }
    }
}

/// The term's namespaces are the pod's own if it names none and selects none, all that its selector selects (an empty
/// one: all there are), and those that it names; with both, the union.
fn translate_term(term: &mut Value, own: &str, world: &dyn World, settings: &Settings) {
    translate_label_keys(term, settings);
    let Some(members) = term.as_object_mut() else { return };
    let named: Vec<String> = members
        .remove("namespaces")
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let selected = members.remove("namespaceSelector").filter(Value::is_object);
    // Without a selector it matches no pods, here and there.
    let Some(selector) = members.get_mut("labelSelector").filter(|value| value.is_object()) else {
        return;
    };
    *selector = label_selector(selector, settings);
    match (selected, named.is_empty()) {
        (None, true) => match_label(selector, labels::NAMESPACE, own),
        (None, false) => in_namespaces(selector, &named),
        (Some(namespaces), true) => add(selector, &namespace_selector(&namespaces, settings)),
        (Some(namespaces), false) => {
            // Selectors know no "or". The namespaces of now decide; scheduling is about to happen.
            let all = world.virt_in(&NAMESPACES, "");
            let mut names = named;
            names.extend(
                all.iter()
                    .filter(|namespace| matches(&namespaces, namespace))
                    .map(|namespace| namespace.name().to_owned()),
            );
            names.sort();
            names.dedup();
            in_namespaces(selector, &names);
        }
    }
}

fn in_namespaces(selector: &mut Value, names: &[String]) {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match_expression(selector, labels::NAMESPACE, "In", &names);
}

fn add(selector: &mut Value, more: &Value) {
    for (key, value) in more.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        match_label(selector, key, value.as_str().unwrap_or_default());
    }
    for expression in more.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let values = expression.get("values").and_then(Value::as_array);
        let values: Vec<&str> = values.into_iter().flatten().filter_map(Value::as_str).collect();
        match_expression(selector, text(expression, "key"), text(expression, "operator"), &values);
    }
}

/// `matchLabelKeys` and `mismatchLabelKeys`: the virtual API server has already written them into the selector, unless
/// it is an old one. The host's would do it again and then refuse the doubled key.
fn translate_label_keys(holder: &mut Value, settings: &Settings) {
    for (list, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        let expressions = holder
            .get("labelSelector")
            .and_then(|selector| selector.get("matchExpressions")?.as_array())
            .cloned()
            .unwrap_or_default();
        let written = |key: &str| {
            expressions
                .iter()
                .any(|have| text(have, "key") == key && text(have, "operator") == operator)
        };
        let Some(keys) = holder.get(list).and_then(Value::as_array) else { continue };
        let left: Vec<Value> = keys
            .iter()
            .filter_map(Value::as_str)
            .filter(|key| !written(key))
            .map(|key| host_label_key(key, &settings.name).into())
            .collect();
        if left.is_empty() {
            members(holder).remove(list);
        } else {
            members(holder).insert(list, left.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pods::alone::Alone;

    const MARK: &str = "vcluster.loft.sh/managed-by";
    const NS: &str = "vcluster.loft.sh/namespace";

    fn term(term: Value) -> Value {
        let mut spec = json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}});
        let world = Alone::with_namespaces(&[("shop", "a"), ("bank", "b"), ("post", "b")]);
        translate(&mut spec, "shop", &world, &Settings::example());
        spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0].take()
    }

    #[test]
    fn terms_mean_the_same_virtual_namespaces() {
        let app = json!({"matchLabels": {"app": "db"}});
        let marked = json!({"app": "db", MARK: "my-vc"});
        assert_eq!(
            term(json!({"labelSelector": &app, "topologyKey": "zone"})),
            json!({"labelSelector": {"matchLabels": {"app": "db", MARK: "my-vc", NS: "shop"}}, "topologyKey": "zone"})
        );
        assert_eq!(
            term(json!({"labelSelector": &app, "namespaces": ["bank"]}))["labelSelector"],
            json!({"matchLabels": &marked, "matchExpressions": [{"key": NS, "operator": "In", "values": ["bank"]}]})
        );
        // All namespaces.
        assert_eq!(
            term(json!({"labelSelector": &app, "namespaceSelector": {}})),
            json!({"labelSelector": {"matchLabels": marked}})
        );
        let key = labels::namespace_label_key("team", "my-vc");
        assert_eq!(
            term(
                json!({"labelSelector": &app, "namespaceSelector": {"matchLabels": {"team": "b"}}})
            )["labelSelector"]["matchLabels"][key.as_str()],
            "b"
        );
        // Both: the union.
        assert_eq!(
            term(
                json!({"labelSelector": app, "namespaces": ["shop"], "namespaceSelector": {"matchLabels": {"team": "b"}}})
            )["labelSelector"]["matchExpressions"],
            json!([{"key": NS, "operator": "In", "values": ["bank", "post", "shop"]}])
        );
    }

    #[test]
    fn no_selector_matches_nothing_and_an_empty_one_our_own() {
        assert_eq!(
            term(json!({"namespaces": ["bank"], "topologyKey": "z"})),
            json!({"topologyKey": "z"})
        );
        assert_eq!(
            term(json!({"labelSelector": {}}))["labelSelector"],
            json!({"matchLabels": {MARK: "my-vc", NS: "shop"}})
        );
    }

    #[test]
    fn label_keys_are_not_written_twice() {
        let merged = json!({
            "labelSelector": {"matchExpressions": [{"key": "hash", "operator": "In", "values": ["1"]}]},
            "matchLabelKeys": ["hash", "release"],
        });
        let got = term(merged);
        assert_eq!(got["matchLabelKeys"], json!([host_label_key("release", "my-vc")]));
        let mut spec = json!({"topologySpreadConstraints": [
            {"labelSelector": {"matchExpressions": [{"key": "hash", "operator": "In", "values": ["1"]}]}, "matchLabelKeys": ["hash"]},
            {"maxSkew": 1},
        ]});
        translate(&mut spec, "shop", &Alone::default(), &Settings::example());
        assert_eq!(spec["topologySpreadConstraints"][0].get("matchLabelKeys"), None);
        assert_eq!(
            spec["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
            json!({MARK: "my-vc", NS: "shop"})
        );
        assert_eq!(spec["topologySpreadConstraints"][1], json!({"maxSkew": 1}));
    }

    #[test]
    fn a_pin_holds_in_every_alternative() {
        let field = json!({"key": "metadata.name", "operator": "In", "values": ["n1"]});
        let required = "requiredDuringSchedulingIgnoredDuringExecution";
        let mut spec = json!({});
        pin(&mut spec, "n1");
        let wanted = json!([{ "matchFields": [&field] }]);
        assert_eq!(spec["affinity"]["nodeAffinity"][required]["nodeSelectorTerms"], wanted);
        let terms = json!([{"matchExpressions": [{"key": "gpu"}]}, {"matchFields": []}]);
        spec["affinity"]["nodeAffinity"][required]["nodeSelectorTerms"] = terms;
        pin(&mut spec, "n1");
        for term in
            spec["affinity"]["nodeAffinity"][required]["nodeSelectorTerms"].as_array().unwrap()
        {
            assert_eq!(term["matchFields"], json!([&field]));
        }
    }
}
