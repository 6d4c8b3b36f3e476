//! Every option that counts as honoured does something: the chart makes something else of it, or a program reads it
//! from its file, in the place that is named here.

use std::path::Path;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::render::template;

/// The rest of a key, and the words that read it.
type Words = &'static [(&'static str, &'static str)];

/// What is read at run time: the start of keys, the file, and the words in it that read the rest of the key.
const READ: &[(&str, &str, Words)] = &[
    (
        "controlPlane.coredns",
        "syncer/src/coredns/workload.rs",
        &[
            ("priorityClassName", "coredns.priority_class_name"),
            ("security.containerSecurityContext", "coredns.security.container_security_context"),
            ("security.podSecurityContext", "coredns.security.pod_security_context"),
            ("service.annotations", "wanted.annotations"),
            ("service.labels", "wanted.labels"),
            ("service.spec", "wanted.spec"),
            ("deployment.affinity", "wanted.affinity"),
            ("deployment.annotations", "wanted.annotations"),
            ("deployment.labels", "wanted.labels"),
            ("deployment.nodeSelector", "wanted.node_selector"),
            ("deployment.pods.annotations", "wanted.pods.annotations"),
            ("deployment.pods.labels", "wanted.pods.labels"),
            ("deployment.replicas", "wanted.replicas"),
            ("deployment.resources.limits", "coredns.deployment.resources"),
            ("deployment.resources.requests", "coredns.deployment.resources"),
            ("deployment.tolerations", "wanted.tolerations"),
            ("deployment.topologySpreadConstraints", "wanted.topology_spread_constraints"),
        ],
    ),
    (
        "controlPlane.coredns",
        "syncer/src/coredns/mod.rs",
        &[
            ("enabled", "coredns.enabled"),
            ("overwriteManifests", "coredns.overwrite_manifests"),
            ("deployment.image", "coredns.deployment.image"),
        ],
    ),
    (
        "controlPlane.coredns",
        "syncer/src/coredns/corefile.rs",
        &[("overwriteConfig", "coredns.overwrite_config")],
    ),
    (
        "networking.advanced",
        "syncer/src/coredns/corefile.rs",
        &[("fallbackHostCluster", "fallback_host_cluster")],
    ),
    // Which of several it is: the one that is there when none is named has nothing to say.
    (
        "controlPlane.distro",
        "config/src/control_plane/distro.rs",
        &[("k8s.enabled", "self.k8s.enabled")],
    ),
    (
        "controlPlane.backingStore",
        "config/src/control_plane/store.rs",
        &[("database.embedded.enabled", "self.database.embedded.enabled")],
    ),
    ("controlPlane.distro.k3s", "syncer/src/init/distro.rs", &[("token", "distro.k3s.token")]),
    ("controlPlane.proxy", "syncer/src/init/facts.rs", &[("bindAddress", "proxy.bind_address")]),
    ("controlPlane.proxy", "syncer/src/certs/names.rs", &[("extraSANs", "proxy.extra_sans")]),
    ("networking", "syncer/src/init/facts.rs", &[("serviceCIDR", "config.wanted_service_cidr()")]),
    ("serviceCIDR", "config/src/lib.rs", &[("", "self.service_cidr")]),
    (
        "controlPlane.statefulSet.highAvailability",
        "syncer/src/run/leadership.rs",
        &[
            ("leaseDuration", "available.lease_duration"),
            ("renewDeadline", "available.renew_deadline"),
            ("retryPeriod", "available.retry_period"),
        ],
    ),
    (
        "exportKubeConfig",
        "syncer/src/certs/kubeconfig.rs",
        &[
            ("additionalSecrets", "export.additional_secrets"),
            ("context", "export.context"),
            ("insecure", "export.insecure"),
            ("secret.name", "export.secret.name"),
            ("secret.namespace", "export.secret.namespace"),
            ("server", "export_server(config)"),
        ],
    ),
    (
        "exportKubeConfig.serviceAccount",
        "syncer/src/run/publish/account.rs",
        &[
            ("clusterRole", "account.cluster_role"),
            ("name", "account.name"),
            ("namespace", "account.namespace"),
        ],
    ),
    (
        "integrations.metricsServer",
        "syncer/src/run/metrics_api.rs",
        &[("enabled", "options.enabled")],
    ),
    (
        "integrations.metricsServer",
        "syncer/src/kubelet/usage/api/route.rs",
        &[("nodes", "offer.nodes"), ("pods", "offer.pods")],
    ),
    (
        "policies.centralAdmission",
        "syncer/src/run/central_admission.rs",
        &[
            ("mutatingWebhooks", ".mutating_webhooks"),
            ("validatingWebhooks", ".validating_webhooks"),
        ],
    ),
    (
        "policies",
        "syncer/src/run/settings.rs",
        &[("podSecurityStandard", "policies.pod_security()")],
    ),
    (
        "sync.fromHost.nodes",
        "syncer/src/run/kinds.rs",
        &[
            ("clearImageStatus", "nodes.clear_image_status"),
            ("selector.all", "nodes.selector.all"),
            ("selector.labels", "nodes.selector.labels"),
        ],
    ),
    (
        "sync.toHost",
        "syncer/src/run/kinds.rs",
        &[
            ("endpoints.enabled", "to_host.endpoints.enabled"),
            ("services.enabled", "to_host.services.enabled"),
            ("pods.hybridScheduling.hostSchedulers", "hybrid.host_schedulers"),
        ],
    ),
    (
        "sync.toHost",
        "syncer/src/run/settings.rs",
        &[
            ("configMaps.all", "to_host.config_maps.all"),
            ("secrets.all", "to_host.secrets.all"),
            ("pods.enforceTolerations", "pods.enforce_tolerations"),
            ("pods.priorityClassName", "pods.priority_class_name"),
            ("pods.runtimeClassName", "pods.runtime_class_name"),
            ("pods.translateImage", "pods.translate_image"),
            ("pods.rewriteHosts.enabled", "pods.rewrite_hosts.enabled"),
            ("pods.rewriteHosts.initContainer.resources.limits", "init_container.resources"),
            ("pods.rewriteHosts.initContainer.resources.requests", "init_container.resources"),
        ],
    ),
    (
        "experimental.syncSettings",
        "syncer/src/run/settings.rs",
        &[("setOwner", "sync_settings.set_owner")],
    ),
];

/// What must stand beside the keys that begin so, for them to mean something.
const BESIDE: &[(&str, &str)] = &[
    (
        "controlPlane.backingStore.database.embedded.replication",
        r#"{"s3": {"bucket": "b", "credential": {"secretName": "s"}}}"#,
    ),
    ("controlPlane.backingStore.database.external", r#"{"dataSource": "postgres://db"}"#),
    ("controlPlane.backingStore.database.external.dataSourceSecret", r#"{"name": "s"}"#),
    ("controlPlane.backingStore.etcd.external", r#"{"endpoint": "https://etcd:2379"}"#),
    ("policies.networkPolicy.outgoingConnections.ipBlock", r#"{"cidr": "10.0.0.0/8"}"#),
    ("sleep.auto", r#"{"afterInactivity": "30m"}"#),
];

/// Other values than the next best.
const VALUES: &[(&str, &str)] = &[
    ("controlPlane.statefulSet.highAvailability.replicas", "3"),
    ("controlPlane.backingStore.etcd.deploy.statefulSet.highAvailability.replicas", "3"),
    ("controlPlane.statefulSet.persistence.volumeClaim.enabled", "false"),
    (
        "policies.resourceQuota.scopeSelector",
        r#"{"matchExpressions": [{"scopeName": "NotBestEffort", "operator": "Exists"}]}"#,
    ),
    ("policies.networkPolicy.workload.publicEgress.ipv6.enabled", "false"),
    ("rbac.clusterRole.enabled", "false"),
];

/// An option that has no options below it.
struct Leaf {
    path: Vec<String>,
    schema: Value,
}

impl Leaf {
    fn name(&self) -> String {
        self.path.join(".")
    }
}

fn leaves() -> Vec<Leaf> {
    fn walk(schema: &Value, path: &[String], found: &mut Vec<Leaf>) {
        // What a parent's charts share is Helm's, and none of ours is to read it.
        if path == ["global"] || vcluster_config::row(&path.join(".")).is_some() {
            return;
        }
        match schema["properties"].as_object() {
            Some(properties) => properties.iter().for_each(|(key, below)| {
                walk(below, &[path, std::slice::from_ref(key)].concat(), found);
            }),
            None => found.push(Leaf { path: path.to_vec(), schema: schema.clone() }),
        }
    }
    let mut found = Vec::new();
    let schema = vcluster_config::render::schema();
    walk(&serde_json::from_str(&schema).unwrap(), &[], &mut found);
    found
}

/// A value that differs from the default.
fn other(leaf: &Leaf, default: &Value) -> Value {
    let name = leaf.name();
    if let Some((_, value)) = VALUES.iter().find(|(key, _)| *key == name) {
        return serde_json::from_str(value).unwrap();
    }
    let schema = &leaf.schema;
    if let Some(choices) = schema["oneOf"].as_array() {
        let mut differs =
            choices.iter().map(|it| &it["const"]).filter(|it| *it != default && **it != "");
        return differs.next_back().unwrap().clone();
    }
    if schema.get("enum").is_some() {
        return json!(*default != true);
    }
    match schema["type"].as_str() {
        Some("boolean") => json!(*default != true),
        Some("integer") => json!(default.as_i64().unwrap_or_default() + 1),
        Some("string") => json!("another"),
        Some("array") if schema["items"]["type"] == "string" => json!(["another"]),
        Some("array") => json!([{ "name": "another" }]),
        Some("object") => json!({ "another": "7" }),
        _ => json!("7"),
    }
}

fn pointer(path: &[String]) -> String {
    path.iter().map(|key| format!("/{key}")).collect()
}

fn put(values: &mut Value, path: &[String], value: Value) {
    let Some((key, rest)) = path.split_first() else {
        *values = value;
        return;
    };
    if !values.is_object() {
        *values = Value::Object(Map::new());
    }
    put(&mut values[key], rest, value);
}

/// Values under which the leaf means something: what it is part of is turned on.
fn context(leaf: &Leaf, defaults: &Value) -> Value {
    let name = leaf.name();
    let mut values = json!({});
    for (place, _) in leaf.path.iter().enumerate().skip(1) {
        let section = &leaf.path[..place];
        let switch = [section, &["enabled".to_owned()]].concat();
        if switch != leaf.path && defaults.pointer(&pointer(&switch)).is_some() {
            put(&mut values, &switch, true.into());
        }
    }
    let below = |key: &str| name.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
    for (key, beside) in BESIDE.iter().filter(|(key, _)| below(key)) {
        let section: Vec<String> = key.split('.').map(str::to_owned).collect();
        let beside: Map<String, Value> = serde_json::from_str(beside).unwrap();
        for (key, value) in beside {
            put(&mut values, &[&section[..], &[key]].concat(), value);
        }
    }
    let more = match name.as_str() {
        name if name.starts_with("controlPlane.statefulSet.highAvailability") => {
            "controlPlane.backingStore.etcd.deploy.enabled=true"
        }
        "sync.toHost.secrets.enabled" => "sync.toHost.pods.enabled=false",
        "rbac.clusterRole.enabled" => "sync.fromHost.nodes.enabled=true",
        _ => return values,
    };
    let (key, value) = more.split_once('=').unwrap();
    let key: Vec<String> = key.split('.').map(str::to_owned).collect();
    put(&mut values, &key, json!(value == "true"));
    values
}

/// What the chart makes, but for the options themselves, which are handed to the programs.
fn made(values: &Value) -> Result<Vec<Value>, String> {
    let apis = ["gateway.networking.k8s.io/v1alpha2", "monitoring.coreos.com/v1"];
    let mut objects = template(&values.to_string(), &apis)?;
    for object in &mut objects {
        if object["metadata"]["name"] == "vc-config-my-vc" {
            object["data"]["config.yaml"] = Value::Null;
        }
        if let Some(hash) =
            object.pointer_mut("/spec/template/metadata/annotations/vClusterConfigHash")
        {
            *hash = Value::Null;
        }
    }
    Ok(objects)
}

/// What is wrong with a leaf.
fn trouble(leaf: &Leaf, defaults: &Value) -> Option<String> {
    let default = defaults.pointer(&pointer(&leaf.path)).unwrap_or(&Value::Null);
    let before = context(leaf, defaults);
    let mut after = before.clone();
    put(&mut after, &leaf.path, other(leaf, default));
    let changes = match (made(&before), made(&after)) {
        (Ok(before), Ok(after)) => before != after,
        (Err(error), _) | (_, Err(error)) => return Some(error),
    };
    let name = leaf.name();
    let read = READ.iter().any(|(start, _, rests)| rests.iter().any(|it| key(start, it.0) == name));
    match (changes, read) {
        (false, false) => {
            Some("the chart makes the same of it, and READ names no reader".to_owned())
        }
        (true, true) => {
            Some("the chart makes something else of it: READ need not name it".to_owned())
        }
        _ => None,
    }
}

fn key(start: &str, rest: &str) -> String {
    if rest.is_empty() { start.to_owned() } else { format!("{start}.{rest}") }
}

#[test]
fn every_honoured_option_does_something() {
    let defaults = serde_json::to_value(vcluster_config::Config::default()).unwrap();
    let leaves = leaves();
    assert!(leaves.len() > 300, "{} options", leaves.len());
    let (next, wrong) = (Mutex::new(leaves.iter()), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(leaf) = next.lock().unwrap().next() else { return };
                    if let Some(trouble) = trouble(leaf, &defaults) {
                        wrong.lock().unwrap().push(format!("{}: {trouble}", leaf.name()));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_said_to_be_read_is_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let leaves: Vec<String> = leaves().iter().map(Leaf::name).collect();
    for (start, file, rests) in READ {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let (code, _) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
        for (rest, words) in *rests {
            let key = key(start, rest);
            assert!(leaves.contains(&key), "{key} is no option that counts as honoured");
            assert!(code.contains(words), "{file} does not read {key}: no {words:?} in it");
        }
    }
}
