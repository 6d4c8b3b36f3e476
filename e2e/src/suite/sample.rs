//! Objects that promises are made of.

use serde_json::{Value, json};

/// An image with a shell.
pub const BUSYBOX: &str = "docker.io/library/busybox:1.36";
/// Kubernetes' own test image: `netexec` serves HTTP, `webhook` is an admission webhook, and it has a shell.
pub const AGNHOST: &str = "registry.k8s.io/e2e-test-images/agnhost:2.56";
/// The port that [`web`] serves.
pub const WEB_PORT: u16 = 8080;

/// A container that runs a shell script.
pub fn script(script: &str) -> Value {
    json!({
        "name": "main", "image": BUSYBOX, "command": ["sh", "-c", script],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    })
}

/// A container that runs until it is told to end, and then ends at once.
pub fn idle() -> Value {
    json!({ "name": "main", "image": AGNHOST, "args": ["pause"] })
}

/// A container that serves HTTP: `/hostname`, `/echo?msg=`, `/clientip` and more. Its probe is patient: a busy machine is
/// no reason to be taken for dead.
pub fn web() -> Value {
    let get = json!({ "path": "/hostname", "port": "http" });
    json!({
        "name": "main", "image": AGNHOST, "args": ["netexec", format!("--http-port={WEB_PORT}")],
        "ports": [{ "containerPort": WEB_PORT, "name": "http" }],
        "readinessProbe": { "httpGet": get, "periodSeconds": 1, "timeoutSeconds": 20 },
    })
}

/// A pod with one container. Tests should not wait for a grace period that nobody uses.
pub fn pod(name: &str, container: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": { "app": name } },
        "spec": { "containers": [container], "terminationGracePeriodSeconds": 1 },
    })
}

/// A pod whose script is run once.
pub fn once(name: &str, text: &str) -> Value {
    with(pod(name, script(text)), "/spec", json!({ "restartPolicy": "Never" }))
}

/// A Deployment, StatefulSet or DaemonSet of `apps/v1`, without replicas and what else only some of them have.
pub fn workload(kind: &str, name: &str, container: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [container], "terminationGracePeriodSeconds": 1 },
            },
        },
    })
}

/// A Deployment.
pub fn deployment(name: &str, replicas: u32, container: Value) -> Value {
    with(workload("Deployment", name, container), "/spec", json!({ "replicas": replicas }))
}

/// A StatefulSet `db` of pods like [`web`], each with a claim at `/data`. Service `db` is for the caller to make.
pub fn database(replicas: u32) -> Value {
    let mounts = json!({ "volumeMounts": [{ "name": "data", "mountPath": "/data" }] });
    let spec = claim("data").pointer("/spec").cloned();
    let template = json!({ "metadata": { "name": "data" }, "spec": spec });
    let fields =
        json!({ "replicas": replicas, "serviceName": "db", "volumeClaimTemplates": [template] });
    with(workload("StatefulSet", "db", with(web(), "", mounts)), "/spec", fields)
}

/// A Service for the pods with label `app=NAME`, from port 80 to [`WEB_PORT`].
pub fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
        "spec": {
            "selector": { "app": name },
            "ports": [{ "name": "http", "port": 80, "targetPort": WEB_PORT }],
        },
    })
}

/// A config map.
pub fn config_map(name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data })
}

/// A secret.
pub fn secret(name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data })
}

/// A claim for a little storage of the default class.
pub fn claim(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": name },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": "8Mi" } },
        },
    })
}

/// The object with `fields` put into the object at a JSON pointer. What is there already under the same name goes.
#[must_use]
pub fn with(mut object: Value, pointer: &str, fields: Value) -> Value {
    if let (Some(place), Value::Object(fields)) =
        (object.pointer_mut(pointer).and_then(Value::as_object_mut), fields)
    {
        place.extend(fields);
    }
    object
}
