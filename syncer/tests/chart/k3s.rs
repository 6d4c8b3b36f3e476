//! k3s, which cannot run where these tests do: what is rendered is what was looked at, and every flag is a documented one.

use serde_json::{Value, json};
use vcluster_config::images::K3S_RELEASES;

use crate::pod::{args, as_before, container, containers};
use crate::render::{refused, render};

/// Flags of `k3s server`. Source: <https://docs.k3s.io/cli/server>.
const FLAGS: &str = include_str!("k3s.flags");

fn with_k3s(more: Value) -> Value {
    let mut values = json!({ "controlPlane": { "distro": { "k3s": { "enabled": true } } } });
    if let (Value::Object(values), Value::Object(more)) = (&mut values, more) {
        vcluster_config::merge(values, more);
    }
    values
}

#[test]
fn it_renders_as_before() {
    as_before("k3s", &render(&with_k3s(json!({}))));
}

#[test]
fn every_flag_is_documented() {
    for store in [
        json!({}),
        json!({ "etcd": { "deploy": { "enabled": true } } }),
        json!({ "etcd": { "external": { "enabled": true, "endpoint": "https://a:2379", "tls": { "secret": "s" } } } }),
        json!({ "database": { "external": { "enabled": true, "dataSource": "mysql://a", "tlsSecret": "s", "certFile": "c", "keyFile": "k" } } }),
    ] {
        let objects = render(&with_k3s(json!({ "controlPlane": { "backingStore": store } })));
        let args = args(container(&objects, "k3s"));
        assert_eq!(args[0], "server");
        for argument in &args[1..] {
            let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
            assert!(FLAGS.lines().any(|flag| flag == name), "{name} is no flag of k3s");
            assert!(!value.is_empty() || name.starts_with("--disable-"), "{argument}");
        }
    }
}

#[test]
fn the_pod_has_k3s_and_the_syncer_and_no_other_program() {
    let objects = render(&with_k3s(json!({})));
    assert_eq!(containers(&objects), ["syncer", "k3s"]);
    let k3s = container(&objects, "k3s");
    assert_eq!(k3s["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(k3s["securityContext"]["capabilities"], json!({ "drop": ["ALL"] }));
    assert!(k3s["volumeMounts"].as_array().unwrap().iter().all(|mount| mount["name"] != "token"));
}

#[test]
fn stores_become_endpoints() {
    let endpoint = |store: Value| {
        let objects = render(&with_k3s(json!({ "controlPlane": { "backingStore": store } })));
        let k3s = container(&objects, "k3s").clone();
        let found: Vec<String> =
            args(&k3s).into_iter().filter(|it| it.starts_with("--datastore-")).collect();
        (found, k3s)
    };
    let (sqlite, _) = endpoint(json!({}));
    assert!(sqlite[0].starts_with("--datastore-endpoint=sqlite:///data/k3s/server/db/state.db?"));
    assert!(sqlite[0].contains("_synchronous=FULL"));
    let (etcd, k3s) = endpoint(
        json!({ "etcd": { "deploy": { "enabled": true, "statefulSet": { "highAvailability": { "replicas": 3 } } } } }),
    );
    assert_eq!(etcd.len(), 4);
    assert!(etcd.contains(&"--datastore-cafile=/pki/etcd-ca.crt".to_owned()));
    assert!(
        etcd[2].contains("https://my-vc-etcd-0.my-vc-etcd-headless:2379,https://my-vc-etcd-1.")
    );
    assert_eq!(k3s["command"][0], "/binaries/syncer", "it would give up before etcd is up");
    let (database, k3s) = endpoint(
        json!({ "database": { "external": { "enabled": true, "dataSource": "postgres://u:secret@db/vc" } } }),
    );
    assert_eq!(database, Vec::<String>::new(), "a password is not an argument");
    let variable =
        k3s["env"].as_array().unwrap().iter().find(|it| it["name"] == "K3S_DATASTORE_ENDPOINT");
    assert_eq!(variable.unwrap()["valueFrom"]["secretKeyRef"]["name"], "vc-database-my-vc");
}

#[test]
fn versions_are_releases() {
    let tag = |values: &Value| {
        let objects = render(values);
        let image = container(&objects, "k3s")["image"].as_str().unwrap().to_owned();
        let tag = image.strip_prefix("docker.io/rancher/k3s:").unwrap().to_owned();
        // What the syncer and the command line take it for.
        let loaded = vcluster_config::load("values", &values.to_string()).unwrap();
        assert_eq!(loaded.config.control_plane.distro.kubernetes_version().0, tag);
        tag
    };
    let with = |distro: Value| with_k3s(json!({ "controlPlane": { "distro": distro } }));
    assert_eq!(tag(&with(json!({}))), "v1.34.9-k3s1");
    for (minor, release) in K3S_RELEASES {
        assert_eq!(tag(&with(json!({ "k8s": { "version": format!("v1.{minor}.0") } }))), release);
    }
    let own =
        json!({ "k8s": { "version": "v1.33.1" }, "k3s": { "image": { "tag": "v1.34.1-k3s1" } } });
    assert_eq!(tag(&with(own)), "v1.34.1-k3s1");
    let said = refused(&with(json!({ "k8s": { "version": "v1.12.0" } })));
    assert!(said.contains("there is no release of k3s for v1.12.0"), "{said}");
}

#[test]
fn an_argument_of_the_users_replaces_its_namesake_only() {
    let extra = [
        "--kube-apiserver-arg=anonymous-auth=false",
        "--kube-apiserver-arg=audit-log-path=-",
        "--disable=traefik",
    ];
    let objects = render(&with_k3s(
        json!({ "controlPlane": { "distro": { "k3s": { "extraArgs": extra } } } }),
    ));
    let args = args(container(&objects, "k3s"));
    let about =
        |text: &str| args.iter().filter(|it| it.starts_with(text)).cloned().collect::<Vec<_>>();
    assert_eq!(about("--kube-apiserver-arg=anonymous-auth"), extra[..1]);
    assert_eq!(about("--disable="), extra[2..]);
    assert_eq!(about("--kube-apiserver-arg=endpoint-reconciler-type").len(), 1);
    assert!(args.iter().any(|it| it == extra[1]));
}
