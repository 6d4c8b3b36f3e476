//! Values written for the Go vcluster's charts: every key has a state, and their defaults install.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod upstream;

use serde_json::Value;
use vcluster_config::{Classic, Document};

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

#[track_caller]
fn installs(name: &str, defaults: &str) {
    let values = upstream::values(defaults);
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
            "sync",
            "telemetry"
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

/// The four classic charts with their defaults of 0.19.7.
fn classic() -> [(Classic, &'static str); 4] {
    [
        (Classic::K3s, include_str!("upstream/classic-k3s-0.19.tsv")),
        (Classic::K0s, include_str!("upstream/classic-k0s-0.19.tsv")),
        (Classic::K8s, include_str!("upstream/classic-k8s-0.19.tsv")),
        (Classic::Eks, include_str!("upstream/classic-eks-0.19.tsv")),
    ]
}

#[test]
fn every_key_of_the_classic_charts_went_somewhere() {
    for (chart, defaults) in classic() {
        let values = upstream::values(defaults).to_string();
        let converted = chart.convert(&Document::parse(chart.name(), &values).unwrap());
        let lost: Vec<String> = converted
            .notes
            .iter()
            .map(ToString::to_string)
            .filter(|note| note.contains("not a value of this chart"))
            .collect();
        assert!(lost.is_empty(), "{}: {lost:#?}", chart.name());
        // Nothing of the result is unknown or of the wrong type; what is refused is refused for what it asks.
        let mut result = vcluster_config::Values::new();
        let text = Value::Object(converted.values).to_string();
        result.add(Document::parse("converted", &text).unwrap());
        let problems = result.finish().map_or_else(|invalid| invalid.0, |loaded| loaded.warnings);
        let wrong: Vec<String> = problems
            .iter()
            .filter(|problem| vcluster_config::row(&problem.path).is_none())
            .map(ToString::to_string)
            // What were the newest versions of Kubernetes then are too old now; to say so is right.
            .filter(|problem| !problem.contains(" is not supported: the chart is made for "))
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", chart.name());
    }
}

/// `classic/CHART.yaml` becomes `classic/CHART.json`, and `CHART.said` is what the user is told.
#[test]
fn classic_files_become_todays() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classic");
    for (chart, _) in classic() {
        let source = format!("{}.yaml", chart.name());
        let text = std::fs::read_to_string(folder.join(&source)).unwrap();
        let converted = chart.convert(&Document::parse(&source, &text).unwrap());
        let mut values = Value::Object(converted.values);
        values.sort_all_objects();
        let said: String = converted.notes.iter().map(|note| format!("{note}\n")).collect();
        let json = format!("{}\n", serde_json::to_string_pretty(&values).unwrap());
        for (ending, made) in [("json", json), ("said", said)] {
            let path = folder.join(&source).with_extension(ending);
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&path, &made).unwrap();
            }
            let have = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(have, made, "{}", path.display());
        }
    }
}
