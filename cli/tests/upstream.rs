//! Releases that the Go vcluster made: `list`, `connect`, `pause`, `resume` and `delete` against the objects that its charts
//! leave on a host, the one chart of today and the classic one for plain Kubernetes, which has a workload for each part.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use support::Sandbox;
use support::host::{Request, ScriptedHost, list};

const SETS: &str = "statefulsets";
const DEPLOYMENTS: &str = "deployments";

/// A workload of a release: its kind, its name, its label `app`, its only container.
type Part = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// The one chart, since v0.20: everything in one pod.
const MODERN: &[Part] =
    &[(SETS, "old", "vcluster", "syncer", "ghcr.io/loft-sh/vcluster-pro:0.36.1")];

/// The chart `vcluster-k8s`, up to v0.19.
const CLASSIC: &[Part] = &[
    (DEPLOYMENTS, "old", "vcluster", "syncer", "ghcr.io/loft-sh/vcluster:0.19.7"),
    (
        DEPLOYMENTS,
        "old-api",
        "vcluster-api",
        "kube-apiserver",
        "registry.k8s.io/kube-apiserver:v1.28.2",
    ),
    (
        DEPLOYMENTS,
        "old-controller",
        "vcluster-controller",
        "kube-controller-manager",
        "registry.k8s.io/kube-controller-manager:v1.28.2",
    ),
    (SETS, "old-etcd", "vcluster-etcd", "etcd", "registry.k8s.io/etcd:3.5.10-0"),
];

fn workload((_, name, app, container, image): &Part, replicas: i32, annotations: &Value) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "team", "uid": format!("uid-{name}"), "resourceVersion": "5",
            "annotations": annotations, "creationTimestamp": "2026-08-01T10:00:00Z",
            "labels": { "app": app, "release": "old", "chart": "vcluster-0.0.1", "heritage": "Helm" },
        },
        "spec": {
            "replicas": replicas, "serviceName": format!("{name}-headless"), "selector": {},
            "template": { "spec": { "containers": [{ "name": container, "image": image }] } },
        },
    })
}

/// Label selectors as the API server takes them, for label `app` alone: it is what tells the parts apart.
fn selected(selector: &str, app: &str) -> bool {
    match selector.split_once("app in (") {
        Some((_, rest)) => rest.split(')').next().unwrap().split(',').any(|one| one == app),
        None => {
            selector.split(',').all(|one| !one.starts_with("app=") || one == format!("app={app}"))
        }
    }
}

fn selector(request: &Request) -> String {
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let selector = query.split('&').find_map(|it| it.strip_prefix("labelSelector="));
    let text = selector.unwrap_or_default().replace('+', " ");
    ["%3D=", "%28(", "%29)", "%2C,", "%20 "]
        .iter()
        .fold(text, |text, code| text.replace(&code[..3], &code[3..]))
}

/// A host with such a release, whose virtual API this server is too.
fn host(parts: &'static [Part], replicas: i32, annotations: Value) -> ScriptedHost {
    ScriptedHost::start(answers(parts, replicas, annotations))
}

fn answers(
    parts: &'static [Part],
    replicas: i32,
    annotations: Value,
) -> impl Fn(&Request) -> Option<(u16, Value)> + Send + Sync {
    move |request| {
        let path = request.target.split('?').next().unwrap_or_default();
        if request.method != "GET" {
            return None;
        }
        let kind = path.rsplit('/').next().unwrap_or_default();
        match path {
            "/api" | "/apis" => Some((
                200,
                json!({
                    "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": [],
                }),
            )),
            "/api/v1/namespaces/team/secrets" if request.target.contains("vc-old") => {
                Some(list(vec![exported()]))
            }
            "/api/v1/namespaces/default/serviceaccounts/default" => {
                Some((200, json!({ "metadata": { "name": "default", "namespace": "default" } })))
            }
            _ if path.starts_with("/apis/apps/v1") && [SETS, DEPLOYMENTS].contains(&kind) => {
                let selector = selector(request);
                let found =
                    parts.iter().filter(|part| part.0 == kind && selected(&selector, part.2));
                Some(list(found.map(|part| workload(part, replicas, &annotations)).collect()))
            }
            _ => None,
        }
    }
}

/// Secret `vc-NAME` as the Go syncer writes it.
fn exported() -> Value {
    let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: my-vcluster\n\
        clusters: [{name: my-vcluster, cluster: {server: \"https://localhost:8443\"}}]\n\
        users: [{name: my-vcluster, user: {token: t}}]\n\
        contexts: [{name: my-vcluster, context: {cluster: my-vcluster, user: my-vcluster}}]\n";
    json!({
        "metadata": { "name": "vc-old", "namespace": "team", "uid": "uid-secret" },
        "data": { "config": BASE64.encode(kubeconfig), "client-key": "", "client-certificate": "", "certificate-authority": "" },
    })
}

fn sandbox(host: &ScriptedHost) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.kubeconfig(&host.url);
    sandbox
}

/// The workloads that were patched, and the replicas that they were given.
fn scaled(host: &ScriptedHost, parts: &[Part]) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (kind, name, ..) in parts {
        let path = format!("/apis/apps/v1/namespaces/team/{kind}/{name}?");
        all.extend(
            host.bodies(&path)
                .into_iter()
                .map(|it| ((*name).to_owned(), it["spec"]["replicas"].clone())),
        );
    }
    all
}

#[test]
fn it_is_listed_once_with_its_version() {
    for (parts, version) in [(MODERN, "0.36.1"), (CLASSIC, "0.19.7")] {
        let host = host(parts, 1, json!({}));
        let ran = sandbox(&host).run(&["list", "-o", "json"]);
        let rows: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
        assert_eq!((&rows[0]["Name"], &rows[0]["Namespace"]), (&json!("old"), &json!("team")));
        assert_eq!(rows[0]["Version"], version);
    }
}

#[test]
fn it_is_connected_to_with_the_credentials_that_it_exported() {
    for parts in [MODERN, CLASSIC] {
        let host = host(parts, 1, json!({}));
        let ran = sandbox(&host).run(&["connect", "old", "--server", &host.url, "--print"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(
            ran.stdout.contains("token: t") && ran.stdout.contains(&host.url),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn every_part_of_it_is_paused_and_resumed() {
    for parts in [MODERN, CLASSIC] {
        let running = host(parts, 3, json!({}));
        let ran = sandbox(&running).run(&["pause", "old"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let names = |replicas: i32| -> Vec<(String, Value)> {
            parts.iter().map(|part| (part.1.to_owned(), json!(replicas))).collect()
        };
        assert_eq!(scaled(&running, parts), names(0));

        // As the Go CLI leaves them.
        let marks = json!({
            "loft.sh/paused": "true", "loft.sh/paused-replicas": "3", "loft.sh/paused-date": "2026-08-01T10:00:00Z",
        });
        let paused = host(parts, 0, marks);
        let listed = sandbox(&paused).run(&["list"]);
        assert!(listed.stdout.contains("Paused"), "{}", listed.stdout);
        let ran = sandbox(&paused).run(&["resume", "old", "--wait=false"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(scaled(&paused, parts), names(3));
    }
}

/// What is on the host besides the release: what the Go syncer made, and a stranger's.
fn left() -> [(&'static str, Value); 3] {
    let twin = json!({
        "name": "web-x-default-x-old", "namespace": "team", "uid": "uid-twin",
        "labels": { "vcluster.loft.sh/managed-by": "old", "vcluster.loft.sh/namespace": "default" },
        "annotations": { "vcluster.loft.sh/object-name": "web", "vcluster.loft.sh/object-namespace": "default" },
    });
    [
        ("secrets", json!({ "name": "vc-old", "namespace": "team", "uid": "uid-secret" })),
        ("configmaps", twin),
        ("configmaps", json!({ "name": "stranger", "namespace": "team", "uid": "uid-stranger" })),
    ]
}

fn kinds() -> Value {
    let kind = |plural: &str, kind: &str| {
        json!({
            "resource": plural, "scope": "Namespaced", "singularResource": kind.to_lowercase(), "verbs": ["delete", "list"],
            "responseKind": { "group": "", "version": "v1", "kind": kind },
        })
    };
    let resources = [kind("secrets", "Secret"), kind("configmaps", "ConfigMap")];
    let core = json!({ "metadata": { "name": "" }, "versions": [{ "version": "v1", "resources": resources }] });
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": [core] })
}

#[test]
fn it_is_deleted_with_its_helm_release_and_what_its_syncer_made() {
    for parts in [MODERN, CLASSIC] {
        let objects = answers(parts, 1, json!({}));
        let deleted = Mutex::new(BTreeSet::new());
        let host = ScriptedHost::start(move |request| {
            let path = request.target.split('?').next().unwrap_or_default();
            let kind = path.strip_prefix("/api/v1/namespaces/team/").unwrap_or_default();
            if request.method == "DELETE" {
                deleted
                    .lock()
                    .unwrap()
                    .insert(path.rsplit('/').next().unwrap_or_default().to_owned());
                return None;
            }
            match path {
                "/api" => Some((200, kinds())),
                _ if kind == "secrets" && request.target.contains("owner%3Dhelm") => {
                    let name = "sh.helm.release.v1.old.v7";
                    Some(list(vec![json!({ "metadata": { "name": name, "uid": "uid-release" } })]))
                }
                _ if ["secrets", "configmaps"].contains(&kind) => {
                    let deleted = deleted.lock().unwrap();
                    let left = left().into_iter().filter(|(of, metadata)| {
                        *of == kind
                            && !deleted.contains(metadata["name"].as_str().unwrap_or_default())
                    });
                    Some(list(left.map(|(_, metadata)| json!({ "metadata": metadata })).collect()))
                }
                _ => objects(request),
            }
        });
        let sandbox = sandbox(&host);
        let ran = sandbox.run(&["delete", "old", "-y"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let log = sandbox.read("helm.log");
        assert!(log.contains("uninstall old --namespace team"), "{log}");
        let mut writes = host.writes();
        writes.sort();
        assert_eq!(
            writes,
            [
                "DELETE /api/v1/namespaces/team/configmaps/web-x-default-x-old?",
                "DELETE /api/v1/namespaces/team/secrets/vc-old?"
            ]
        );
    }
}
