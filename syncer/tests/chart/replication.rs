//! The copy of SQLite in S3-compatible storage.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use vcluster_config::images::LITESTREAM_VERSION;

use crate::pod::{args, container, containers, init_container, spec};
use crate::render::{NAME, one, refused, render};

fn replicated(s3: Value) -> Value {
    let embedded = json!({ "replication": { "enabled": true, "s3": s3 } });
    json!({ "controlPlane": { "backingStore": { "database": { "embedded": embedded } } } })
}

fn minio() -> Value {
    replicated(json!({
        "bucket": "backups",
        "endpoint": "https://10.0.0.1:9000",
        "credential": { "secretName": "minio", "secretAccessKeyKey": "secret" },
        "tlsSecret": "minio-tls",
    }))
}

/// What Litestream is told.
fn config(objects: &[Value]) -> Value {
    let data = &one(objects, "Secret", "vc-config-my-vc")["data"]["litestream.json"];
    serde_json::from_slice(&BASE64_STANDARD.decode(data.as_str().unwrap()).unwrap()).unwrap()
}

/// A container's variable.
fn variable<'a>(container: &'a Value, name: &str) -> Option<&'a Value> {
    container["env"].as_array().unwrap().iter().find(|variable| variable["name"] == name)
}

/// The parts of the volumes of a container, by name.
fn volumes<'a>(objects: &'a [Value], container: &Value) -> Vec<&'a Value> {
    let mounts = container["volumeMounts"].as_array().unwrap();
    let all = spec(objects)["volumes"].as_array().unwrap();
    all.iter().filter(|volume| mounts.iter().any(|it| it["name"] == volume["name"])).collect()
}

#[test]
fn what_is_missing_is_restored_before_kine_and_litestream_ends_after_it() {
    let objects = render(&minio());
    let order = spec(&objects)["initContainers"].as_array().unwrap();
    let order: Vec<&str> = order.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(order, ["restore", "litestream"]);
    assert_eq!(containers(&objects)[..2], ["syncer", "kine"]);
    let restore = init_container(&objects, "restore");
    for wanted in ["-if-db-not-exists", "-if-replica-exists"] {
        assert!(args(restore).contains(&wanted.to_owned()), "{wanted}");
    }
    assert!(restore.get("restartPolicy").is_none());
    let litestream = init_container(&objects, "litestream");
    assert_eq!(litestream["restartPolicy"], "Always");
    let image = format!("docker.io/litestream/litestream:{LITESTREAM_VERSION}");
    assert_eq!((&restore["image"], &litestream["image"]), (&json!(image), &json!(image)));
    // The kubelet gives what ends last what is left of it.
    assert!(spec(&objects)["terminationGracePeriodSeconds"].as_u64().unwrap() > 10);
}

#[test]
fn kine_leaves_the_log_to_litestream() {
    let endpoint = |values: &Value| {
        let kine = args(container(&render(values), "kine"));
        kine.into_iter().find(|it| it.starts_with("--endpoint=")).unwrap()
    };
    let with = endpoint(&minio());
    let file = with.strip_prefix("--endpoint=litestream://").unwrap();
    assert!(file.starts_with("/data/state.db?") && file.contains("_synchronous=FULL"), "{file}");
    assert_eq!(endpoint(&json!({})), format!("--endpoint=sqlite://{file}"));
    assert_eq!(config(&render(&minio()))["dbs"][0]["path"], "/data/state.db");
}

#[test]
fn the_options_reach_litestream() {
    let objects = render(&minio());
    let told = config(&objects);
    let replica = &told["dbs"][0]["replica"];
    assert_eq!(replica["bucket"], "backups");
    assert_eq!(replica["path"], "team-x/my-vc");
    assert_eq!(replica["endpoint"], "https://10.0.0.1:9000");
    assert_eq!(replica["sync-interval"], "1s");
    assert!(replica.get("force-path-style").is_none() && replica.get("region").is_none());

    let mut values = minio();
    let replication =
        &mut values["controlPlane"]["backingStore"]["database"]["embedded"]["replication"];
    replication["s3"]["path"] = json!("a/b");
    replication["s3"]["region"] = json!("eu-central-1");
    replication["s3"]["forcePathStyle"] = json!(false);
    replication["syncInterval"] = json!("5s");
    replication["snapshots"] = json!({ "interval": "1h", "retention": "2h" });
    values["logging"] = json!({ "encoding": "json" });
    let told = config(&render(&values));
    let replica = &told["dbs"][0]["replica"];
    assert_eq!((&replica["path"], &replica["region"]), (&json!("a/b"), &json!("eu-central-1")));
    assert_eq!(replica["force-path-style"], false);
    assert_eq!(replica["sync-interval"], "5s");
    assert_eq!(told["dbs"][0]["monitor-interval"], "5s");
    assert_eq!(told["snapshot"], json!({ "interval": "1h", "retention": "2h" }));
    assert_eq!(told["logging"]["type"], "json");
}

#[test]
fn litestream_sees_no_more_than_it_needs() {
    let objects = render(&minio());
    for name in ["restore", "litestream"] {
        let container = init_container(&objects, name);
        let context = &container["securityContext"];
        assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }));
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["allowPrivilegeEscalation"], false);
        let key = |name| &variable(container, name).unwrap()["valueFrom"]["secretKeyRef"];
        assert_eq!(key("AWS_ACCESS_KEY_ID"), &json!({ "name": "minio", "key": "access-key-id" }));
        assert_eq!(key("AWS_SECRET_ACCESS_KEY"), &json!({ "name": "minio", "key": "secret" }));
        // Not the token of the host, no certificates, and of the options only its own.
        let volumes = volumes(&objects, container);
        let names: Vec<&str> = volumes.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["litestream", "replica-tls"], "and data, which is a claim");
        assert_eq!(
            volumes[0]["secret"]["items"],
            json!([{ "key": "litestream.json", "path": "litestream.json" }])
        );
        let authorities = variable(container, "SSL_CERT_FILE").unwrap();
        assert_eq!(authorities["value"], "/replica-tls/ca.crt");
    }
}

#[test]
fn the_identity_of_the_pod_will_do() {
    let objects = render(&replicated(json!({ "bucket": "backups" })));
    let litestream = init_container(&objects, "litestream");
    assert!(variable(litestream, "AWS_ACCESS_KEY_ID").is_none());
    assert!(variable(litestream, "SSL_CERT_FILE").is_none());
    assert!(config(&objects)["dbs"][0]["replica"].get("endpoint").is_none());
}

#[test]
fn a_volume_to_throw_away_may_have_a_copy() {
    let mut values = minio();
    let persistence = json!({ "volumeClaim": { "enabled": false } });
    values["controlPlane"]["statefulSet"] = json!({ "persistence": persistence });
    let objects = render(&values);
    assert!(one(&objects, "StatefulSet", NAME)["spec"].get("volumeClaimTemplates").is_none());
    let volumes = volumes(&objects, init_container(&objects, "restore"));
    let data = volumes.into_iter().find(|volume| volume["name"] == "data").unwrap();
    assert_eq!(data["emptyDir"], json!({}));
}

#[test]
fn without_a_copy_nothing_of_it_is_there() {
    let objects = render(&json!({}));
    assert!(!json!(objects).to_string().contains("litestream"), "apart from the options");
    assert_eq!(spec(&objects)["terminationGracePeriodSeconds"], 10);
}

#[test]
fn what_cannot_be_copied_is_refused() {
    let mut values = minio();
    values["controlPlane"]["backingStore"]["etcd"] = json!({ "deploy": { "enabled": true } });
    assert!(refused(&values).contains("only the SQLite file"));
    let mut values = minio();
    values["controlPlane"]["distro"] = json!({ "k3s": { "enabled": true } });
    assert!(refused(&values).contains("only the SQLite file"));
    let mut values = minio();
    let several = json!({ "highAvailability": { "replicas": 2 } });
    values["controlPlane"]["statefulSet"] = several;
    assert!(refused(&values).contains("SQLite lies on one volume"));
    assert!(refused(&replicated(json!({}))).contains("s3.bucket"));
}
