//! The files that are made from the types are up to date.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod upstream;

use std::path::Path;

#[track_caller]
fn check(path: &str, want: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, want).unwrap();
    }
    let have = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(have == want, "{path} is stale; run `UPDATE=1 cargo test -p vcluster-config`");
}

#[test]
fn values_are_fresh() {
    check("charts/vcluster/values.yaml", &vcluster_config::render::values());
}

#[test]
fn schema_is_fresh() {
    check("charts/vcluster/values.schema.json", &vcluster_config::render::schema());
}

#[test]
fn states_are_fresh() {
    check("charts/vcluster/files/states.json", &vcluster_config::render::states());
}

#[test]
fn releases_of_distributions_are_fresh() {
    use vcluster_config::images::{EKS_RELEASES, K0S_RELEASES, K3S_RELEASES};
    let all = [("eks", EKS_RELEASES), ("k3s", K3S_RELEASES), ("k0s", K0S_RELEASES)];
    for (distro, releases) in all {
        let file = format!("charts/vcluster/files/{distro}.json");
        check(&file, &vcluster_config::render::releases(&releases));
    }
}

#[test]
fn reference_is_fresh() {
    check("docs/reference/values.md", &vcluster_config::render::reference(&upstream::charts()));
}

#[test]
fn values_say_the_defaults() {
    let loaded = vcluster_config::load("values.yaml", &vcluster_config::render::values()).unwrap();
    assert_eq!(loaded.config, vcluster_config::Config::default());
    assert_eq!(loaded.warnings, []);
}

#[test]
fn schema_is_one_and_allows_the_defaults() {
    let schema = vcluster_config::schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let defaults = serde_json::to_value(vcluster_config::Config::default()).unwrap();
    assert!(validator.is_valid(&defaults), "{:?}", validator.iter_errors(&defaults).next());
}

#[test]
fn schema_is_closed() {
    fn walk(schema: &serde_json::Value, path: &str) {
        let Some(properties) =
            schema.get("properties").and_then(|properties| properties.as_object())
        else {
            return;
        };
        assert_eq!(schema["additionalProperties"], false, "{path} is open");
        for (key, below) in properties {
            walk(below, &format!("{path}.{key}"));
        }
    }
    walk(&vcluster_config::schema(), "");
}

/// Templates name some images by themselves, for values that were copied from another chart and for EKS Distro.
#[test]
fn images_of_the_templates_are_those_of_the_values() {
    use vcluster_config::images::{
        EKS_ETCD_REPOSITORY, EKS_ETCD_VERSION, EKS_REGISTRY, KUBERNETES_REGISTRY, SYNCER_REGISTRY,
        SYNCER_REPOSITORY,
    };
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/vcluster/templates");
    let text = std::fs::read_to_string(templates.join("_images.tpl")).unwrap();
    assert!(text.contains(&format!("-}}}}{KUBERNETES_REGISTRY}{{{{-")));
    assert!(text.contains(&format!("-}}}}{SYNCER_REGISTRY}/{SYNCER_REPOSITORY}{{{{-")));
    let etcd = format!("{EKS_REGISTRY}/{EKS_ETCD_REPOSITORY}:{EKS_ETCD_VERSION}");
    assert!(text.contains(&format!("-}}}}{etcd}{{{{-")));
}

#[test]
fn versions_are_those_of_the_workspace() {
    let chart = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/vcluster/Chart.yaml"),
    )
    .unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        chart.contains(&format!("\nversion: {version}\n")),
        "Chart.yaml: version is not {version}"
    );
    assert!(
        chart.contains(&format!("\nappVersion: {version}\n")),
        "Chart.yaml: appVersion is not {version}"
    );
}
