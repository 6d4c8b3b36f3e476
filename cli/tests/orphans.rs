//! What `adopt` and `prune` say before they touch anything.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod support;

use serde_json::json;
use support::Sandbox;
use support::host::{ScriptedHost, list, stateful_set};

#[test]
fn nothing_is_decided_about_a_cluster_that_does_not_run() {
    let host = ScriptedHost::start(|request| {
        let path = request.target.split('?').next().unwrap_or_default();
        let marks = json!({ "loft.sh/paused": "true", "loft.sh/paused-replicas": "1" });
        let found = || list(vec![stateful_set("my-vc", "team", 0, &marks)]);
        path.ends_with("/statefulsets").then(found)
    });
    let sandbox = Sandbox::new();
    sandbox.kubeconfig(&host.url);
    let text = sandbox.transcript(&[&["adopt", "my-vc"], &["prune", "my-vc", "--dry-run"]]);
    insta::assert_snapshot!("paused", text);
    assert!(host.writes().is_empty());
}
