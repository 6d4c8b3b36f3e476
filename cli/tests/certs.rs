//! `certs` against a host that follows a script.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use support::Sandbox;
use support::host::{ScriptedHost, list, stateful_set};

/// Secret `my-vc-certs`: an authority and a leaf, and the keys of tokens.
fn secret() -> Value {
    let file = |text: &str| json!(BASE64.encode(text));
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "my-vc-certs", "namespace": "team", "uid": "s", "resourceVersion": "5" },
        "data": {
            "client-ca.crt": file(include_str!("certificates/ca.crt")), "client-ca.key": file("k"),
            "admin.crt": file(include_str!("certificates/admin.crt")), "admin.key": file("k"),
            "sa.key": file("k"), "sa.pub": file("k"),
        },
    })
}

/// A paused virtual cluster on a host.
fn paused() -> (ScriptedHost, Sandbox) {
    let host = ScriptedHost::start(|request| {
        let path = request.target.split('?').next().unwrap_or_default();
        let marks = json!({ "loft.sh/paused": "true", "loft.sh/paused-replicas": "1" });
        match (request.method.as_str(), path) {
            (
                "GET",
                "/apis/apps/v1/statefulsets" | "/apis/apps/v1/namespaces/team/statefulsets",
            ) => Some(list(vec![stateful_set("my-vc", "team", 0, &marks)])),
            ("GET", "/api/v1/namespaces/team/secrets/my-vc-certs") => Some((200, secret())),
            _ => None,
        }
    });
    let sandbox = Sandbox::new();
    sandbox.kubeconfig(&host.url);
    (host, sandbox)
}

#[test]
fn certificates_are_listed() {
    let (host, sandbox) = paused();
    let ran = sandbox.run(&["certs", "check", "my-vc", "-o", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (rows[0]["name"].as_str(), rows[0]["state"].as_str()),
        (Some("client-ca"), Some("good"))
    );
    assert_eq!(rows[1]["subject"], "kubernetes-admin");
    assert_eq!(rows[1]["authority"], "kubernetes-ca");
    let table = sandbox.run(&["certs", "check", "my-vc"]);
    assert!(table.stdout.starts_with("NAME"), "{}", table.stdout);
    assert!(host.writes().is_empty());
}

#[test]
fn a_paused_cluster_gets_new_certificates_when_it_starts() {
    let (host, sandbox) = paused();
    let ran = sandbox.run(&["certs", "rotate", "my-vc"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("when it starts"), "{}", ran.stderr);
    let patch = &host.bodies("/secrets/my-vc-certs")[0];
    assert_eq!(patch["data"], json!({ "admin.crt": null, "admin.key": null }));
    assert_eq!(patch["metadata"], json!({ "uid": "s", "resourceVersion": "5" }));
}

#[test]
fn authorities_are_not_replaced_without_a_yes() {
    let (host, sandbox) = paused();
    let ran = sandbox.run(&["certs", "rotate-ca", "my-vc"]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(host.writes().is_empty());
    let ran = sandbox.run(&["certs", "rotate-ca", "my-vc", "-y"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let patch = &host.bodies("/secrets/my-vc-certs")[0];
    assert_eq!(patch["data"].as_object().unwrap().len(), 4, "{patch}");
    assert!(patch["data"].get("sa.key").is_none(), "tokens would end");
}
