//! `create` against a host that follows a script.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use support::host::{Request, ScriptedHost, forbidden, list, namespace, stateful_set, status};
use support::{Ran, Sandbox};

/// A sandbox whose current context leads to the host.
fn sandbox(host: &ScriptedHost) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.kubeconfig(&host.url);
    sandbox
}

/// A record of helm's, as `list` shows it by its labels.
fn release(number: u32, status: &str, age_seconds: i64) -> Value {
    let touched =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let touched = i64::try_from(touched).unwrap() - age_seconds;
    json!({ "metadata": {
        "name": format!("sh.helm.release.v1.my-vc.v{number}"), "uid": "rel-uid",
        "labels": { "owner": "helm", "name": "my-vc", "status": status, "version": number.to_string(), "modifiedAt": touched.to_string() },
    } })
}

/// What helm keeps in a record; `packed` as it does, but for compressing.
fn packed(values: &Value) -> Value {
    let record = json!({ "name": "my-vc", "config": values });
    json!({ "metadata": {}, "data": { "release": BASE64.encode(BASE64.encode(record.to_string())) } })
}

/// A namespace that is there, and a release in a state, made without values.
fn with_release(status: &'static str, age_seconds: i64) -> ScriptedHost {
    with_releases(vec![release(1, status, age_seconds)], 1, &json!({}))
}

/// The same with a history, one revision of which can be read.
fn with_releases(releases: Vec<Value>, number: u32, values: &Value) -> ScriptedHost {
    let secrets = "/api/v1/namespaces/vcluster-my-vc/secrets";
    let record = format!("{secrets}/sh.helm.release.v1.my-vc.v{number}");
    let content = packed(values);
    ScriptedHost::start(move |request| match request.target.as_str() {
        "/api/v1/namespaces/vcluster-my-vc" => Some(namespace("vcluster-my-vc", "Active", true)),
        target if target.contains("owner%3Dhelm") => Some(list(releases.clone())),
        target if request.method == "GET" && target == record => Some((200, content.clone())),
        _ => None,
    })
}

const QUICK: [&str; 4] = ["create", "my-vc", "--wait=false", "--connect=false"];

#[test]
fn a_fresh_one_gets_a_marked_namespace_and_the_values() {
    let host = ScriptedHost::start(|_| None);
    let sandbox = sandbox(&host);
    let ran =
        sandbox.run(&["create", "my-vc", "--wait=false", "--set", "controlPlane.proxy.port=9443"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(host.writes(), ["POST /api/v1/namespaces?"]);
    assert_eq!(
        host.bodies("/namespaces?")[0]["metadata"]["annotations"]["vcluster.loft.sh/created"],
        "true"
    );
    assert!(
        sandbox.read("helm.log").contains("upgrade my-vc --install /"),
        "{}",
        sandbox.read("helm.log")
    );
    assert_eq!(sandbox.read("helm.values"), "controlPlane:\n  proxy:\n    port: 9443\n");
    insta::assert_snapshot!("fresh", ran.stderr);
}

#[test]
fn missing_rights_are_named() {
    let host = ScriptedHost::start(|request| {
        let attributes = &request.body["spec"]["resourceAttributes"];
        let refused = ["roles", "*"].iter().any(|resource| attributes["resource"] == *resource);
        request
            .target
            .contains("selfsubjectaccessreviews")
            .then(|| (201, json!({ "spec": {}, "status": { "allowed": !refused } })))
    });
    let sandbox = sandbox(&host);
    insta::assert_snapshot!("rights", sandbox.transcript(&[&QUICK]));
    assert!(host.writes().is_empty(), "nothing was begun: {:?}", host.writes());
}

#[test]
fn an_existing_one_is_an_error_without_connect_or_upgrade() {
    let host = with_release("deployed", 1000);
    let sandbox = sandbox(&host);
    insta::assert_snapshot!("exists", sandbox.transcript(&[&QUICK]));
    let ran = sandbox.run(&["create", "my-vc", "--wait=false", "--upgrade"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn an_installation_that_was_cut_short_is_taken_up() {
    // Another second and its helm counts as dead.
    let busy = with_release("pending-install", 59);
    let ran = sandbox(&busy).run(&QUICK);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("helm noted pending-install and may still be at it"),
        "{}",
        ran.stderr
    );
    let dead = with_release("pending-install", 500);
    let ran = sandbox(&dead).run(&QUICK);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        dead.writes(),
        ["DELETE /api/v1/namespaces/vcluster-my-vc/secrets/sh.helm.release.v1.my-vc.v1?"]
    );
    let body = &dead.bodies("/secrets/")[0];
    assert_eq!(body["preconditions"]["uid"], "rel-uid");
}

const ISOLATED: &str = "policies:\n  isolate: true\n";

#[test]
fn a_second_try_without_values_keeps_those_of_the_first() {
    let isolated = json!({ "policies": { "isolate": true } });
    for status in ["failed", "pending-install"] {
        let host = with_releases(vec![release(1, status, 500)], 1, &isolated);
        let sandbox = sandbox(&host);
        let ran = sandbox.run(&QUICK);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(sandbox.read("helm.values"), ISOLATED, "{status}: {}", ran.stderr);
    }
}

#[test]
fn after_a_change_that_failed_nothing_is_changed_unless_asked_for() {
    let isolated = json!({ "policies": { "isolate": true } });
    let releases = || vec![release(1, "deployed", 900), release(2, "failed", 500)];
    let host = with_releases(releases(), 1, &isolated);
    let sandbox = sandbox(&host);
    let ran = sandbox.run(&QUICK);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(!sandbox.read("helm.log").contains("upgrade"), "{}", sandbox.read("helm.log"));
    let ran = sandbox.run(&["create", "my-vc", "--wait=false", "--upgrade"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(sandbox.read("helm.values"), ISOLATED);
    // Who asks for something gets it, and nobody is told to delete what was there before.
    sandbox.helm("case \"$1\" in version) echo v3.19.0;; *) exit 1;; esac");
    let ran = sandbox.run(&["create", "my-vc", "--wait=false", "--upgrade", "--isolate"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let again = "hint: vcluster create my-vc --wait=false --upgrade --isolate -n vcluster-my-vc --context test";
    assert!(ran.stderr.contains(again), "{}", ran.stderr);
}

#[test]
fn a_second_one_in_the_namespace_must_be_allowed() {
    let host = ScriptedHost::start(|request| match request.target.as_str() {
        "/api/v1/namespaces/team" => Some(namespace("team", "Active", false)),
        target if target.starts_with("/apis/apps/v1/namespaces/team/statefulsets") => {
            Some(list(vec![stateful_set("other", "team", 1, &json!({}))]))
        }
        _ => None,
    });
    let sandbox = sandbox(&host);
    insta::assert_snapshot!(
        "second",
        sandbox.transcript(&[&["create", "my-vc", "-n", "team", "--wait=false"]])
    );
    let ran = sandbox.run(&["create", "my-vc", "-n", "team", "--wait=false", "--reuse-namespace"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_namespace_that_is_going_is_waited_for() {
    let host = ScriptedHost::start(|request| match request.target.as_str() {
        "/api/v1/namespaces/vcluster-my-vc" => {
            Some(namespace("vcluster-my-vc", "Terminating", true))
        }
        _ => None,
    });
    let ran = sandbox(&host).run(&QUICK);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(host.writes(), ["POST /api/v1/namespaces?"]);
}

#[test]
fn helms_own_words_are_shown() {
    let host = ScriptedHost::start(|_| None);
    let sandbox = sandbox(&host);
    sandbox.helm("case \"$1\" in version) echo v3.19.0;; *) echo 'Error: UPGRADE FAILED: admission webhook \"policy\" denied the request' >&2; exit 1;; esac");
    insta::assert_snapshot!("helm_fails", sandbox.transcript(&[&QUICK]));
}

#[test]
fn a_host_that_refuses_the_namespace_says_so() {
    let host =
        ScriptedHost::start(|request| match (request.method.as_str(), request.target.as_str()) {
            ("POST", "/api/v1/namespaces?") => Some(forbidden("namespaces \"vcluster-my-vc\"")),
            ("GET", "/version") => None,
            _ => None,
        });
    insta::assert_snapshot!("namespace_refused", sandbox(&host).transcript(&[&QUICK]));
}

#[test]
fn a_host_in_trouble_is_told_from_one_that_refuses() {
    let host = ScriptedHost::start(|request: &Request| {
        (request.target == "/version")
            .then(|| status(500, "InternalError", "etcdserver: request timed out"))
    });
    insta::assert_snapshot!(
        "host_in_trouble",
        sandbox(&host).transcript(&[&QUICK]).replace(&host.url, "[HOST]")
    );
}

#[test]
fn ctrl_c_lets_helm_end_and_says_how_to_go_on() {
    let host = ScriptedHost::start(|_| None);
    let sandbox = sandbox(&host);
    sandbox.helm(
        "case \"$1\" in version) echo v3.19.0;; *) trap 'echo stopped > helm.end; exit 1' INT; touch helm.began; while :; do sleep 0.05; done;; esac",
    );
    let arguments =
        [&QUICK[..], &["--isolate", "--set", "controlPlane.statefulSet.annotations.note=a b"]]
            .concat();
    let mut command = sandbox.command(&arguments);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let started = Instant::now();
    while !sandbox.path("helm.began").exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "helm was not run");
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ran = Ran::of(&sandbox, &child.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert_eq!(sandbox.read("helm.end"), "stopped\n", "helm was told to end");
    assert!(
        ran.stderr.contains(
            "`vcluster create my-vc --wait=false --connect=false --isolate --set \
             'controlPlane.statefulSet.annotations.note=a b' -n vcluster-my-vc --context test` goes on, \
             `vcluster delete my-vc -n vcluster-my-vc --context test -y` cleans up"
        ),
        "{}",
        ran.stderr
    );
}
