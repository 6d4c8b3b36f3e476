//! The invariants of `docs/architecture.md` that are about what is absent from the code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// This machine's platform: packages of others are not downloaded.
fn platform() -> String {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// Every package that a package is built from, by name; development dependencies do not count.
fn built_from(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform()])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names: BTreeMap<String, String> = list(&metadata["packages"])
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let edges: BTreeMap<String, Vec<String>> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| {
            let built = list(&node["deps"]).into_iter().filter(|dependency| {
                list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null())
            });
            (text(&node["id"]), built.map(|dependency| text(&dependency["pkg"])).collect())
        })
        .collect();
    let start =
        names.iter().find(|(_, name)| *name == package).expect("the package exists").0.clone();
    let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
    while let Some(id) = next.pop() {
        if seen.insert(id.clone()) {
            next.extend(edges[&id].iter().cloned());
        }
    }
    seen.iter().map(|id| names[id].clone()).collect()
}

/// The lines of a crate's sources, with where they are.
fn lines_of(folder: &str) -> Vec<(String, String)> {
    let (mut lines, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                let text = std::fs::read_to_string(&path).unwrap();
                lines.extend(text.lines().map(|line| (name.clone(), line.to_owned())));
            }
        }
    }
    lines
}

/// Fails with each line that holds one of `words`, outside of `allowed`.
fn absent(folder: &str, words: &[&str], allowed: &[&str]) {
    let found: Vec<_> = lines_of(folder)
        .into_iter()
        .filter(|(file, line)| {
            words.iter().any(|word| line.contains(word))
                && !allowed.iter().any(|start| file.starts_with(start))
        })
        .collect();
    assert!(found.is_empty(), "{words:?} belong to {allowed:?} only: {found:#?}");
}

#[test]
fn core_can_do_no_io() {
    let parts = built_from("vcluster-syncer-core");
    for forbidden in
        ["tokio", "hyper", "kube", "kube-client", "rand", "getrandom", "reqwest", "mio", "socket2"]
    {
        assert!(!parts.contains(forbidden), "core is built from {forbidden}");
    }
    absent(
        "syncer/core/src",
        &[
            "std::fs",
            "std::net",
            "std::process",
            "std::env",
            "Instant::now",
            "SystemTime::now",
            "Timestamp::now",
        ],
        &[],
    );
}

#[test]
fn cli_and_syncer_do_not_know_each_other() {
    assert!(!built_from("vcluster-cli").iter().any(|name| name.starts_with("vcluster-syncer")));
    assert!(!built_from("vcluster-syncer").contains("vcluster-cli"));
}

#[test]
fn only_apply_writes_on_a_plans_behalf() {
    absent(
        "syncer/src/engine",
        &[".create(", ".create_unread(", ".patch(", ".patch_unread(", ".delete(", ".post("],
        // Events are told, not planned; `api.rs` is what all of them go through.
        &[
            "syncer/src/engine/apply.rs",
            "syncer/src/engine/api.rs",
            "syncer/src/engine/notes.rs",
            "syncer/src/engine/host_events.rs",
        ],
    );
}

#[test]
fn yaml_is_known_in_two_places() {
    for folder in ["syncer/src", "syncer/core/src"] {
        absent(folder, &["serde_saphyr", "serde_yaml"], &[]);
    }
    absent("cli/src", &["serde_saphyr", "serde_yaml"], &["cli/src/yaml.rs"]);
}

/// A `static` may hold what is known when it is compiled, and nothing that changes.
#[test]
fn nothing_that_changes_is_global() {
    const CHANGES: [&str; 6] = ["Mutex", "RwLock", "Atomic", "Once", "Lazy", "Cell"];
    for folder in ["cli/src", "config/src", "syncer/src", "syncer/core/src", "e2e/src"] {
        absent(folder, &["static mut ", "thread_local!", "lazy_static!"], &[]);
        let found: Vec<_> = lines_of(folder)
            .into_iter()
            .filter(|(_, line)| {
                let words = line.trim_start().trim_start_matches("pub ");
                let words = words.trim_start_matches("pub(crate) ");
                let declared = words.strip_prefix("static ").and_then(|rest| rest.split_once('='));
                declared.is_some_and(|(it, _)| CHANGES.iter().any(|word| it.contains(word)))
            })
            .collect();
        assert!(found.is_empty(), "hand it in, do not keep it in a static: {found:#?}");
    }
}

#[test]
fn no_path_of_a_machine_is_in_the_tree() {
    let output = Command::new("git")
        .args(["grep", "-nE", "(^|[\"' =(])/(work|root)/"])
        .current_dir(root())
        .output()
        .unwrap();
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    let found: Vec<_> =
        found.lines().filter(|line| !line.starts_with("e2e/tests/structure.rs")).collect();
    assert!(found.is_empty(), "{found:#?}");
}
