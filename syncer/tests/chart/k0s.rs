//! k0s, which cannot run where these tests do: what is rendered is what was looked at, and what it is told is documented.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use vcluster_config::images::K0S_RELEASES;

use crate::pod::{args, as_before, container, containers};
use crate::render::{one, refused, render};

/// Components that can be turned off, with the minor that has them first. Source:
/// <https://docs.k0sproject.io/stable/cli/k0s_controller/> and the same page of earlier releases.
const COMPONENTS: [(&str, u32); 15] = [
    ("autopilot", 30),
    ("control-api", 30),
    ("coredns", 30),
    ("csr-approver", 30),
    ("endpoint-reconciler", 30),
    ("helm", 30),
    ("konnectivity-server", 30),
    ("kube-proxy", 30),
    ("kube-scheduler", 30),
    ("metrics-server", 30),
    ("network-provider", 30),
    ("node-role", 30),
    ("system-rbac", 30),
    ("update-prober", 34),
    ("worker-config", 30),
];

fn with_k0s(more: Value) -> Value {
    let mut values = json!({ "controlPlane": { "distro": { "k0s": { "enabled": true } } } });
    if let (Value::Object(values), Value::Object(more)) = (&mut values, more) {
        vcluster_config::merge(values, more);
    }
    values
}

/// The ClusterConfig, before the syncer fills its gaps.
fn told(objects: &[Value]) -> Value {
    let secret = &one(objects, "Secret", "vc-config-my-vc")["data"];
    let text = BASE64_STANDARD.decode(secret["k0s.json"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn it_renders_as_before() {
    as_before("k0s", &render(&with_k0s(json!({}))));
}

#[test]
fn what_it_is_told_is_as_documented() {
    let told = told(&render(&with_k0s(json!({}))));
    assert_eq!(told["apiVersion"], "k0s.k0sproject.io/v1beta1");
    assert_eq!(told["kind"], "ClusterConfig");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let spec = &told["spec"];
    assert_eq!(keys(spec), ["api", "controllerManager", "network", "storage", "telemetry"]);
    assert_eq!(keys(&spec["api"]), ["address", "extraArgs", "port"]);
    assert_eq!(spec["api"]["port"], 8443);
    let network = ["clusterDomain", "kubeProxy", "podCIDR", "provider", "serviceCIDR"];
    assert_eq!(keys(&spec["network"]), network);
    // Its maps of arguments are of strings only.
    for arguments in [&spec["api"]["extraArgs"], &spec["controllerManager"]["extraArgs"]] {
        assert!(arguments.as_object().unwrap().values().all(Value::is_string), "{arguments}");
    }
    let source = spec["storage"]["kine"]["dataSource"].as_str().unwrap();
    assert!(source.starts_with("sqlite:///data/k0s/db/state.db?"), "{source}");
    assert!(source.contains("_synchronous=FULL"), "{source}");
}

#[test]
fn the_pod_has_k0s_and_the_syncer_and_no_other_program() {
    let objects = render(&with_k0s(json!({})));
    assert_eq!(containers(&objects), ["syncer", "k0s"]);
    let k0s = container(&objects, "k0s");
    assert_eq!(k0s["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(k0s["securityContext"]["capabilities"], json!({ "drop": ["ALL"] }));
    assert!(k0s["volumeMounts"].as_array().unwrap().iter().all(|mount| mount["name"] != "token"));
}

#[test]
fn it_stops_within_the_grace_of_its_pod() {
    let objects = render(&with_k0s(json!({})));
    let told = told(&objects);
    let watches = told["spec"]["api"]["extraArgs"]["shutdown-watch-termination-grace-period"]
        .as_str()
        .and_then(|text| text.strip_suffix('s')?.parse::<u64>().ok())
        .unwrap();
    let pod = &one(&objects, "StatefulSet", "my-vc")["spec"]["template"]["spec"];
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    // k0s gives its API server at least 5 s, and then stops the store.
    assert!(0 < watches && watches < 5 && 5 < grace, "{watches} s of {grace} s");
}

#[test]
fn stores_become_storage() {
    let rendered =
        |store: Value| render(&with_k0s(json!({ "controlPlane": { "backingStore": store } })));
    let objects = rendered(json!({ "etcd": { "deploy": { "enabled": true } } }));
    assert_eq!(
        told(&objects)["spec"]["storage"],
        json!({ "type": "etcd", "etcd": { "externalCluster": {
            "endpoints": ["https://my-vc-etcd-0.my-vc-etcd-headless:2379"],
            "etcdPrefix": "/registry",
            "caFile": "/pki/etcd-ca.crt",
            "clientCertFile": "/pki/apiserver-etcd-client.crt",
            "clientKeyFile": "/pki/apiserver-etcd-client.key",
        } } })
    );
    assert_eq!(container(&objects, "k0s")["command"][0], "/binaries/syncer");
    let tls = json!({ "enabled": true, "endpoint": "https://a:2379,https://b:2379", "tls": { "secret": "s" } });
    let objects = rendered(json!({ "etcd": { "external": tls } }));
    let etcd = &told(&objects)["spec"]["storage"]["etcd"]["externalCluster"];
    assert_eq!(etcd["endpoints"], json!(["https://a:2379", "https://b:2379"]));
    assert_eq!(etcd["caFile"], "/store-tls/ca.crt");
    assert_eq!(etcd["clientKeyFile"], "/store-tls/tls.key");
    let source = "postgres://u:secret@db/vc";
    let objects =
        rendered(json!({ "database": { "external": { "enabled": true, "dataSource": source } } }));
    let told = told(&objects);
    assert_eq!(told["spec"]["storage"]["kine"]["dataSource"], "$(DATA_SOURCE)");
    let env = &container(&objects, "syncer")["env"];
    let variable = env.as_array().unwrap().iter().find(|it| it["name"] == "DATA_SOURCE").unwrap();
    assert_eq!(variable["valueFrom"]["secretKeyRef"]["name"], "vc-database-my-vc");
}

#[test]
fn versions_are_releases_and_know_what_is_turned_off() {
    let with = |distro: Value| with_k0s(json!({ "controlPlane": { "distro": distro } }));
    for (minor, release) in K0S_RELEASES {
        let values = with(json!({ "k8s": { "version": format!("v1.{minor}.0") } }));
        let objects = render(&values);
        let k0s = container(&objects, "k0s");
        assert_eq!(k0s["image"], format!("docker.io/k0sproject/k0s:{release}"));
        let loaded = vcluster_config::load("values", &values.to_string()).unwrap();
        assert_eq!(loaded.config.control_plane.distro.kubernetes_version().0, release);
        let args = args(k0s);
        let off = args.iter().find_map(|it| it.strip_prefix("--disable-components=")).unwrap();
        let mut off: Vec<&str> = off.split(',').collect();
        off.sort_unstable();
        let known: Vec<&str> =
            COMPONENTS.iter().filter(|(_, since)| *since <= minor).map(|(name, _)| *name).collect();
        assert_eq!(off, known, "{release}");
    }
    let said = refused(&with(json!({ "k8s": { "version": "v1.12.0" } })));
    assert!(said.contains("there is no release of k0s for v1.12.0"), "{said}");
}

#[test]
fn what_the_user_tells_it_lies_over_what_the_chart_does() {
    let config =
        "spec:\n  telemetry: { enabled: true }\n  api: { extraArgs: { audit-log-path: '-' } }\n";
    let objects =
        render(&with_k0s(json!({ "controlPlane": { "distro": { "k0s": { "config": config } } } })));
    let spec = told(&objects)["spec"].clone();
    assert_eq!(spec["telemetry"]["enabled"], true);
    assert_eq!(spec["api"]["extraArgs"]["audit-log-path"], "-");
    assert_eq!(spec["api"]["extraArgs"]["client-ca-file"], "/pki/client-ca.bundle");
}
