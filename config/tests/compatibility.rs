//! Values written for the Go vcluster's charts: every key has a state, and their defaults install.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod upstream;

use serde_json::{Map, Value};

/// Whether the types know a key path, as far down as they describe it.
fn is_known(schema: &Value, path: &str) -> bool {
    let mut schema = schema;
    for segment in path.split('.') {
        let key = segment.trim_end_matches("[]");
        match schema.get("properties").and_then(|properties| properties.get(key)) {
            Some(below) => schema = below,
            // A free map or a fragment of a Kubernetes object: anything may stand below.
            None => return schema.get("additionalProperties") != Some(&Value::Bool(false)),
        }
        if segment.ends_with("[]") {
            match schema.get("items") {
                Some(items) => schema = items,
                None => return true,
            }
        }
    }
    true
}

#[test]
fn every_key_has_a_state() {
    let schema = vcluster_config::schema();
    let missing: Vec<String> = upstream::charts()
        .into_iter()
        .flat_map(|chart| chart.paths)
        .filter(|path| vcluster_config::row(path).is_none() && !is_known(&schema, path))
        .collect();
    assert!(missing.is_empty(), "neither honoured, accepted nor refused:\n{}", missing.join("\n"));
}

/// `a.b.c<TAB>JSON` lines as a values file. Keys of free maps hold dots: what the schema of the
/// chart calls `quota.*` is one key.
fn values(defaults: &str) -> Value {
    const FREE: [&str; 8] = [
        "quota",
        "default",
        "defaultRequest",
        "limits",
        "requests",
        "annotations",
        "labels",
        "matchLabels",
    ];
    let mut values = Map::new();
    for line in defaults.lines() {
        let (path, value) = line.split_once('\t').unwrap();
        let mut keys: Vec<String> = Vec::new();
        for segment in path.split('.') {
            match keys.iter().position(|key| FREE.contains(&key.as_str())) {
                Some(free) if keys.len() > free + 1 => {
                    let last = keys.last_mut().unwrap();
                    last.push('.');
                    last.push_str(segment);
                }
                _ => keys.push(segment.to_owned()),
            }
        }
        let (last, parents) = keys.split_last().unwrap();
        let mut object = &mut values;
        for parent in parents {
            let below = object.entry(parent).or_insert_with(|| Value::Object(Map::new()));
            object = below.as_object_mut().unwrap();
        }
        object.insert(last.clone(), serde_json::from_str(value).unwrap());
    }
    Value::Object(values)
}

#[track_caller]
fn installs(name: &str, defaults: &str) {
    let values = values(defaults);
    let loaded = vcluster_config::load(name, &values.to_string())
        .unwrap_or_else(|invalid| panic!("{invalid}"));
    let warnings: Vec<String> =
        loaded.warnings.iter().map(|problem| problem.path.clone()).collect();
    // What those charts turn on by default and we do without: all of it only concerns what we refuse.
    let spoken: Vec<&str> = warnings.iter().map(|path| path.split('.').next().unwrap()).collect();
    assert!(
        spoken.iter().all(|section| [
            "networking",
            "policies",
            "controlPlane",
            "deploy",
            "experimental",
            "sync"
        ]
        .contains(section)),
        "{warnings:#?}"
    );
    let validator = jsonschema::draft202012::new(&vcluster_config::schema()).unwrap();
    let error = validator
        .iter_errors(&values)
        .next()
        .map(|error| format!("{}: {error}", error.instance_path()));
    assert_eq!(error, None);
}

#[test]
fn defaults_of_0_20_install() {
    installs("0.20", include_str!("upstream/defaults-0.20.tsv"));
}

#[test]
fn defaults_of_august_2026_install() {
    installs("head", include_str!("upstream/defaults-head.tsv"));
}
