//! `list`, `pause`, `resume`, `delete` and `disconnect` against a host that follows a script.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use support::Sandbox;
use support::host::{ScriptedHost, forbidden, list, namespace, stateful_set};

fn sandbox(host: &ScriptedHost) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.kubeconfig(&host.url);
    sandbox
}

/// A host with one virtual cluster.
fn with_one(replicas: i32, annotations: Value) -> ScriptedHost {
    ScriptedHost::start(move |request| {
        let path = request.target.split('?').next().unwrap_or_default();
        match (request.method.as_str(), path) {
            (
                "GET",
                "/apis/apps/v1/statefulsets" | "/apis/apps/v1/namespaces/team/statefulsets",
            ) => Some(list(vec![stateful_set("my-vc", "team", replicas, &annotations)])),
            ("GET", "/api/v1/namespaces/team") => Some(namespace("team", "Active", false)),
            _ => None,
        }
    })
}

#[test]
fn list_falls_back_to_the_namespace_of_the_context() {
    let host = ScriptedHost::start(|request| {
        let path = request.target.split('?').next().unwrap_or_default();
        match path {
            "/apis/apps/v1/statefulsets" => Some(forbidden("statefulsets.apps")),
            "/apis/apps/v1/namespaces/default/statefulsets" => {
                Some(list(vec![stateful_set("mine", "default", 0, &json!({}))]))
            }
            _ => None,
        }
    });
    let ran = sandbox(&host).run(&["list", "-o", "json"]);
    let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (rows[0]["Name"].as_str(), rows[0]["Status"].as_str()),
        (Some("mine"), Some("ScaledDown")),
        "{}",
        ran.stderr
    );
}

#[test]
fn nothing_found_is_no_error_and_no_data() {
    let host = ScriptedHost::start(|_| None);
    let sandbox = sandbox(&host);
    insta::assert_snapshot!(
        "none",
        sandbox.transcript(&[
            &["list"],
            &["list", "-o", "json"],
            &["connect", "x"],
            &["pause"],
            &["delete", "x", "-y"],
            &["delete", "x", "-y", "--ignore-not-found"]
        ])
    );
}

#[test]
fn pause_notes_the_replicas_and_removes_only_twins() {
    let deleted = AtomicBool::new(false);
    let host = ScriptedHost::start(move |request| {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        match (request.method.as_str(), path) {
            (
                "GET",
                "/apis/apps/v1/statefulsets" | "/apis/apps/v1/namespaces/team/statefulsets",
            ) => Some(list(vec![stateful_set("my-vc", "team", 3, &json!({}))])),
            ("GET", "/api/v1/namespaces/team/pods") if query.contains("managed-by") => {
                let pod = |name: &str, annotations: Value| json!({ "metadata": { "name": name, "uid": format!("uid-{name}"), "annotations": annotations } });
                let mut pods = vec![pod("foreign", json!({}))];
                if !deleted.load(Ordering::SeqCst) {
                    pods.push(pod("twin", json!({ "vcluster.loft.sh/object-name": "web" })));
                }
                Some(list(pods))
            }
            ("DELETE", "/api/v1/namespaces/team/pods/twin") => {
                deleted.store(true, Ordering::SeqCst);
                None
            }
            _ => None,
        }
    });
    let ran = sandbox(&host).run(&["pause", "my-vc"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        host.writes(),
        [
            "PATCH /apis/apps/v1/namespaces/team/statefulsets/my-vc?",
            "DELETE /api/v1/namespaces/team/pods/twin?"
        ]
    );
    let patch = &host.bodies("/statefulsets/my-vc")[0];
    assert_eq!(patch["spec"]["replicas"], 0);
    assert_eq!(patch["metadata"]["annotations"]["loft.sh/paused-replicas"], "3");
    assert_eq!(host.bodies("/pods/twin")[0]["preconditions"]["uid"], "uid-twin");
}

#[test]
fn resume_restores_the_replicas_and_refuses_what_is_not_paused() {
    let paused = json!({ "loft.sh/paused": "true", "loft.sh/paused-replicas": "3" });
    let host = with_one(0, paused);
    let ran = sandbox(&host).run(&["resume", "my-vc", "--wait=false"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(host.bodies("/statefulsets/my-vc")[0]["spec"]["replicas"], 3);
    let host = with_one(1, json!({}));
    insta::assert_snapshot!("not_paused", sandbox(&host).transcript(&[&["resume", "my-vc"]]));
}

#[test]
fn a_cluster_without_replicas_is_not_waited_for() {
    let host = with_one(0, json!({}));
    insta::assert_snapshot!("scaled_down", sandbox(&host).transcript(&[&["connect", "my-vc"]]));
}

#[test]
fn delete_wants_a_yes() {
    let host = with_one(1, json!({}));
    insta::assert_snapshot!("no_yes", sandbox(&host).transcript(&[&["delete", "my-vc"]]));
    assert!(host.writes().is_empty());
}

/// What a host says about its kinds when asked for all at once: none.
fn no_kinds(path: &str) -> Option<(u16, Value)> {
    let none = json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": [] });
    ["/api", "/apis"].contains(&path).then_some((200, none))
}

#[test]
fn delete_withdraws_what_was_exported_to_other_namespaces_and_no_namesake() {
    let values = "exportKubeConfig:\n  additionalSecrets:\n  - {name: argo, namespace: argocd}\n  - {namespace: ci}\n  - {name: locked, namespace: vault}\n";
    let values = BASE64.encode(values);
    let exported = |namespace: &str, name: &str, from: &str| {
        let annotations = json!({ "vcluster.loft.sh/exported-from": from });
        json!({ "metadata": { "name": name, "namespace": namespace, "uid": format!("uid-{name}"), "annotations": annotations } })
    };
    let host = ScriptedHost::start(move |request| {
        let path = request.target.split('?').next().unwrap_or_default();
        if request.method != "GET" {
            return None;
        }
        no_kinds(path).or_else(|| match path {
            "/apis/apps/v1/statefulsets" => {
                Some(list(vec![stateful_set("my-vc", "team", 1, &json!({}))]))
            }
            "/api/v1/namespaces/team" => Some(namespace("team", "Active", false)),
            "/api/v1/namespaces/team/secrets/vc-config-my-vc" => {
                Some((200, json!({ "metadata": {}, "data": { "config.yaml": values } })))
            }
            "/api/v1/namespaces/argocd/secrets/argo" => {
                Some((200, exported("argocd", "argo", "team/my-vc")))
            }
            "/api/v1/namespaces/ci/secrets/vc-my-vc" => {
                Some((200, exported("ci", "vc-my-vc", "other/my-vc")))
            }
            "/api/v1/namespaces/vault/secrets/locked" => Some(forbidden("secrets")),
            "/api/v1/secrets" => Some(list(vec![
                exported("argocd", "argo", "team/my-vc"),
                exported("old", "before", "team/my-vc"),
                exported("team", "vc-my-vc", "team/my-vc"),
            ])),
            _ => None,
        })
    });
    let ran = sandbox(&host).run(&["delete", "my-vc", "-y"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut writes = host.writes();
    writes.sort();
    assert_eq!(
        writes,
        [
            "DELETE /api/v1/namespaces/argocd/secrets/argo?",
            "DELETE /api/v1/namespaces/old/secrets/before?"
        ]
    );
    assert_eq!(host.bodies("/secrets/argo")[0]["preconditions"]["uid"], "uid-argo");
    assert!(ran.stderr.contains("Removed from the host: 2 secrets"), "{}", ran.stderr);
    assert!(ran.stderr.contains("vault/locked"), "what may be left is named: {}", ran.stderr);
}

#[test]
fn several_of_a_name_must_be_told_apart() {
    let host = ScriptedHost::start(|request| {
        request.target.starts_with("/apis/apps/v1/statefulsets").then(|| {
            list(vec![
                stateful_set("twin", "a", 1, &json!({})),
                stateful_set("twin", "b", 1, &json!({})),
            ])
        })
    });
    insta::assert_snapshot!(
        "several",
        sandbox(&host).transcript(&[&["pause", "twin"], &["connect"]])
    );
}

#[test]
fn disconnect_switches_back_also_from_a_name_of_ones_own() {
    let host = ScriptedHost::start(|_| None);
    let sandbox = sandbox(&host);
    let add = |name: &str, extensions: &str| {
        sandbox.kubeconfig(&host.url);
        let text = sandbox.read("kubeconfig").replace(
            "contexts: [",
            &format!(
                "contexts: [{{name: {name}, context: {{cluster: test, user: test{extensions}}}}}, "
            ),
        );
        sandbox.write(
            "kubeconfig",
            &text.replace("current-context: test", &format!("current-context: {name}")),
        );
    };
    add("vcluster_my-vc_team_test", "");
    let by_name = sandbox.transcript(&[&["disconnect"], &["disconnect"]]);
    add(
        "mine",
        ", extensions: [{name: vcluster, extension: {name: my-vc, namespace: team, hostContext: test}}]",
    );
    let by_note = sandbox.transcript(&[&["disconnect"]]);
    add("vcluster_my-vc_team_gone", "");
    insta::assert_snapshot!(
        "disconnect",
        by_name + &by_note + &sandbox.transcript(&[&["disconnect"]])
    );
}
