//! Stores: what runs for each, and how the API server reaches it.

use serde_json::{Value, json};
use vcluster_config::images::{EKS_ETCD_VERSION, ETCD_VERSION};

use crate::pod::{container, containers};
use crate::render::{find, one, refused, render};

fn with_store(store: &Value) -> Value {
    json!({ "controlPlane": { "backingStore": store } })
}

fn deployed(members: u32) -> Value {
    let set = json!({ "highAvailability": { "replicas": members } });
    with_store(&json!({ "etcd": { "deploy": { "enabled": true, "statefulSet": set } } }))
}

fn args(container: &Value) -> Vec<&str> {
    let args = container["args"].as_array().unwrap();
    args.iter().map(|argument| argument.as_str().unwrap()).collect()
}

#[track_caller]
fn argument<'a>(container: &'a Value, name: &str) -> &'a str {
    let start = format!("--{name}=");
    args(container)
        .into_iter()
        .find_map(|argument| argument.strip_prefix(&start))
        .unwrap_or_else(|| panic!("there is no {start} in {:#?}", args(container)))
}

#[test]
fn sqlite_is_the_default_and_lies_on_a_claim() {
    let objects = render(&json!({}));
    assert_eq!(
        containers(&objects),
        ["syncer", "kine", "kube-apiserver", "kube-controller-manager"]
    );
    let set = one(&objects, "StatefulSet", "my-vc");
    assert_eq!(set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"], "data");
    assert!(find(&objects, "StatefulSet", "my-vc-etcd").is_none());
    let api_server = container(&objects, "kube-apiserver");
    assert_eq!(argument(api_server, "etcd-servers"), "unix:///run/kine/kine.sock");
}

#[test]
fn etcd_is_deployed_beside_a_control_plane_without_a_claim() {
    let objects = render(&deployed(1));
    assert_eq!(containers(&objects), ["syncer", "kube-apiserver", "kube-controller-manager"]);
    let set = one(&objects, "StatefulSet", "my-vc");
    assert!(set["spec"].get("volumeClaimTemplates").is_none(), "its data is etcd's");

    let api_server = container(&objects, "kube-apiserver");
    assert_eq!(
        argument(api_server, "etcd-servers"),
        "https://my-vc-etcd-0.my-vc-etcd-headless:2379"
    );
    for name in ["etcd-cafile", "etcd-certfile", "etcd-keyfile"] {
        assert!(argument(api_server, name).starts_with("/pki/"));
    }
    assert_eq!(
        api_server["command"],
        json!(["/binaries/syncer", "wait", "--for", "tcp://my-vc-etcd:2379", "--"])
    );
    assert_eq!(args(api_server)[0], "kube-apiserver");
    assert!(find(&objects, "PodDisruptionBudget", "my-vc-etcd").is_none(), "it would block drains");
}

#[test]
fn members_of_etcd_know_each_other_and_trust_only_certificates() {
    let objects = render(&deployed(3));
    let set = one(&objects, "StatefulSet", "my-vc-etcd");
    assert_eq!(set["spec"]["replicas"], 3);
    let pod = &set["spec"]["template"]["spec"];
    let etcd = &pod["containers"][0];
    assert_eq!(etcd["image"], format!("registry.k8s.io/etcd:{ETCD_VERSION}"));
    let members: Vec<&str> = argument(etcd, "initial-cluster").split(',').collect();
    assert_eq!(members.len(), 3);
    assert_eq!(members[2], "my-vc-etcd-2=https://my-vc-etcd-2.my-vc-etcd-headless:2380");
    for name in ["client-cert-auth", "peer-client-cert-auth"] {
        assert_eq!(argument(etcd, name), "true");
    }
    for name in ["listen-client-urls", "listen-peer-urls", "advertise-client-urls"] {
        assert!(argument(etcd, name).starts_with("https://"), "{name}");
    }
    // Every file that it is told to read is one that it is given, and no more than that.
    let given = pod["volumes"][0]["secret"]["items"].as_array().unwrap();
    let mut given: Vec<&str> = given.iter().map(|item| item["path"].as_str().unwrap()).collect();
    let mut read: Vec<&str> = args(etcd)
        .into_iter()
        .filter_map(|argument| argument.split_once("=/pki/"))
        .map(|(_, file)| file)
        .collect();
    given.sort_unstable();
    read.sort_unstable();
    read.dedup();
    assert_eq!(given, read);
    assert_eq!(pod["automountServiceAccountToken"], false);

    let budget = one(&objects, "PodDisruptionBudget", "my-vc-etcd");
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    for selector in [
        &budget["spec"]["selector"]["matchLabels"],
        &set["spec"]["selector"]["matchLabels"],
        &one(&objects, "Service", "my-vc-etcd")["spec"]["selector"],
        &one(&objects, "Service", "my-vc-etcd-headless")["spec"]["selector"],
    ] {
        assert_eq!(selector, labels);
    }
    // The Services of the API server must not lead to etcd.
    assert_ne!(&one(&objects, "Service", "my-vc")["spec"]["selector"], labels);
    let endpoints = argument(container(&objects, "kube-apiserver"), "etcd-servers");
    assert_eq!(endpoints.split(',').count(), 3);
}

#[test]
fn etcd_runs_without_rights() {
    let objects = render(&deployed(3));
    let pod = &one(&objects, "StatefulSet", "my-vc-etcd")["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let context = &pod["containers"][0]["securityContext"];
    assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }));
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(context["allowPrivilegeEscalation"], false);
}

#[test]
fn options_of_etcd_reach_its_pods() {
    let mut values = deployed(1);
    let set = json!({
        "extraArgs": ["--quota-backend-bytes=8589934592", "--client-cert-auth=false"],
        "env": [{ "name": "GOGC", "value": "100" }],
        "pods": { "labels": { "team": "a" }, "annotations": { "b": "c" } },
        "scheduling": { "nodeSelector": { "pool": "x" }, "priorityClassName": "high" },
        "persistence": { "volumeClaim": { "size": "1Gi", "storageClass": "fast" } },
        "security": { "podSecurityContext": { "runAsUser": 7 } },
    });
    values["controlPlane"]["backingStore"]["etcd"]["deploy"]["statefulSet"] = set;
    let objects = render(&values);
    let set = one(&objects, "StatefulSet", "my-vc-etcd");
    let claim = &set["spec"]["volumeClaimTemplates"][0]["spec"];
    assert_eq!(claim["storageClassName"], "fast");
    assert_eq!(claim["resources"]["requests"]["storage"], "1Gi");
    let template = &set["spec"]["template"];
    assert_eq!(template["metadata"]["labels"]["team"], "a");
    assert_eq!(template["metadata"]["annotations"]["b"], "c");
    assert_eq!(template["spec"]["nodeSelector"]["pool"], "x");
    assert_eq!(template["spec"]["priorityClassName"], "high");
    assert_eq!(template["spec"]["securityContext"]["runAsUser"], 7);
    let etcd = &template["spec"]["containers"][0];
    assert_eq!(argument(etcd, "client-cert-auth"), "false");
    assert_eq!(argument(etcd, "quota-backend-bytes"), "8589934592");
    let heap = etcd["env"].as_array().unwrap().iter().find(|env| env["name"] == "GOGC").unwrap();
    assert_eq!(heap["value"], "100");
    // What is said of the control plane's pod is not said of etcd's.
    let api_server = container(&objects, "kube-apiserver");
    assert!(!api_server["env"].as_array().unwrap().contains(heap));
}

#[test]
fn etcd_is_the_distributions_own() {
    let mut values = deployed(1);
    values["controlPlane"]["distro"] = json!({ "eks": { "enabled": true } });
    let image = |values: &Value| {
        let objects = render(values);
        let set = one(&objects, "StatefulSet", "my-vc-etcd");
        set["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    };
    let eks = format!("public.ecr.aws/eks-distro/etcd-io/etcd:{EKS_ETCD_VERSION}");
    assert_eq!(image(&values), eks);
    let own = json!({ "registry": "example.com", "repository": "my/etcd", "tag": "1" });
    values["controlPlane"]["backingStore"]["etcd"]["deploy"]["statefulSet"]["image"] = own;
    assert_eq!(image(&values), "example.com/my/etcd:1");
}

#[test]
fn a_database_elsewhere_is_told_to_kine_in_a_secret() {
    let source = "postgres://me:xyzzy@db.example.com:5432/one";
    let external = json!({ "enabled": true, "dataSource": source, "tlsSecret": "db-tls" });
    let objects = render(&with_store(&json!({ "database": { "external": external } })));
    let kine = container(&objects, "kine");
    assert_eq!(argument(kine, "ca-file"), "/store-tls/ca.crt");
    assert!(!args(kine).iter().any(|argument| argument.starts_with("--cert-file")));
    let env = kine["env"].as_array().unwrap();
    let endpoint = env.iter().find(|env| env["name"] == "KINE_ENDPOINT").unwrap();
    let from = &endpoint["valueFrom"]["secretKeyRef"];
    assert_eq!(from, &json!({ "name": "vc-database-my-vc", "key": "dataSource" }));
    one(&objects, "Secret", "vc-database-my-vc");
    for object in objects.iter().filter(|object| object["kind"] != "Secret") {
        assert!(!object.to_string().contains("xyzzy"), "the password is in {}", object["kind"]);
    }
    let set = one(&objects, "StatefulSet", "my-vc");
    assert!(set["spec"].get("volumeClaimTemplates").is_none());
    let volumes = set["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
    assert!(volumes.iter().any(|volume| volume["secret"]["secretName"] == "db-tls"));
    // kine may need its time to reach it; the API server would give up after 20 seconds.
    let command = &container(&objects, "kube-apiserver")["command"];
    assert_eq!(command[3], "unix:///run/kine/kine.sock");
}

#[test]
fn a_database_elsewhere_may_be_in_a_secret_of_the_users() {
    let secret = json!({ "name": "mine", "key": "url" });
    let external = json!({ "enabled": true, "dataSourceSecret": secret, "caFile": "/ca/root.crt" });
    let objects = render(&with_store(&json!({ "database": { "external": external } })));
    assert!(find(&objects, "Secret", "vc-database-my-vc").is_none());
    let kine = container(&objects, "kine");
    assert_eq!(argument(kine, "ca-file"), "/ca/root.crt");
    let env = kine["env"].as_array().unwrap();
    let endpoint = env.iter().find(|env| env["name"] == "KINE_ENDPOINT").unwrap();
    assert_eq!(endpoint["valueFrom"]["secretKeyRef"], json!({ "name": "mine", "key": "url" }));
}

#[test]
fn an_etcd_elsewhere_is_reached_with_certificates_of_a_secret() {
    let external = |tls: Value| {
        let endpoint = "https://10.0.0.1:2379, https://10.0.0.2:2379";
        let external = json!({ "enabled": true, "endpoint": endpoint, "tls": tls });
        render(&with_store(&json!({ "etcd": { "external": external } })))
    };
    let objects = external(json!({ "secret": "etcd-tls", "caFile": "root.crt" }));
    assert_eq!(containers(&objects), ["syncer", "kube-apiserver", "kube-controller-manager"]);
    let api_server = container(&objects, "kube-apiserver");
    assert_eq!(argument(api_server, "etcd-servers"), "https://10.0.0.1:2379,https://10.0.0.2:2379");
    assert_eq!(argument(api_server, "etcd-cafile"), "/store-tls/root.crt");
    assert_eq!(argument(api_server, "etcd-certfile"), "/store-tls/tls.crt");
    assert_eq!(argument(api_server, "etcd-keyfile"), "/store-tls/tls.key");
    let mounts = api_server["volumeMounts"].as_array().unwrap();
    assert!(mounts.iter().any(|mount| mount["name"] == "store-tls"));

    let objects = external(json!({ "caFile": "/x/ca.crt" }));
    let api_server = container(&objects, "kube-apiserver");
    assert_eq!(argument(api_server, "etcd-cafile"), "/x/ca.crt");
    assert!(!args(api_server).iter().any(|argument| argument.starts_with("--etcd-certfile")));
}

#[test]
fn several_control_planes_take_turns_and_spread() {
    let mut values = deployed(3);
    values["controlPlane"]["statefulSet"] = json!({ "highAvailability": { "replicas": 3 } });
    let objects = render(&values);
    let set = one(&objects, "StatefulSet", "my-vc");
    assert_eq!(set["spec"]["replicas"], 3);
    let spread = &set["spec"]["template"]["spec"]["topologySpreadConstraints"][0];
    assert_eq!(spread["topologyKey"], "kubernetes.io/hostname");
    assert_eq!(argument(container(&objects, "kube-controller-manager"), "leader-elect"), "true");
    let service = one(&objects, "Service", "my-vc");
    assert_eq!(service["spec"]["publishNotReadyAddresses"], false);
    let rules = one(&objects, "Role", "vc-my-vc")["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["resources"] == json!(["leases"])));
    let ready = &container(&objects, "syncer")["readinessProbe"]["httpGet"]["path"];
    assert_eq!(ready, "/startedz?hold=900", "the API is reached whatever becomes of the syncer");
    let dns_of = |set: &Value| set["metadata"]["annotations"]["vcluster.loft.sh/dns"].clone();
    assert_eq!(dns_of(set), "awaited", "ready pods say nothing about CoreDNS");

    let budget = one(&objects, "PodDisruptionBudget", "my-vc");
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
    assert_eq!(budget["spec"]["selector"]["matchLabels"], set["spec"]["selector"]["matchLabels"]);
    values["controlPlane"]["advanced"] = json!({ "podDisruptionBudget": { "enabled": false } });
    values["controlPlane"]["coredns"] = json!({ "enabled": false });
    let objects = render(&values);
    assert!(find(&objects, "PodDisruptionBudget", "my-vc").is_none());
    assert_eq!(dns_of(one(&objects, "StatefulSet", "my-vc")), Value::Null);
    values["controlPlane"]["coredns"] = json!({ "overwriteManifests": "kind: List" });
    let objects = render(&values);
    assert_eq!(
        dns_of(one(&objects, "StatefulSet", "my-vc")),
        Value::Null,
        "its labels may be others"
    );
}

/// A DNS server of the host may be lost together with a node.
#[test]
fn who_must_outlive_a_node_asks_again_soon() {
    let dns_of = |objects: &[Value], set: &str| {
        one(objects, "StatefulSet", set)["spec"]["template"]["spec"]["dnsConfig"].clone()
    };
    let mut values = deployed(3);
    let soon = json!({ "options": [{ "name": "timeout", "value": "1" }, { "name": "attempts", "value": "4" }] });
    let objects = render(&values);
    assert_eq!(dns_of(&objects, "my-vc-etcd"), soon);
    assert_eq!(dns_of(&objects, "my-vc"), Value::Null, "it goes with its node anyhow");
    let three = json!({ "replicas": 3 });
    values["controlPlane"]["statefulSet"] = json!({ "highAvailability": three });
    assert_eq!(dns_of(&render(&values), "my-vc"), soon);
    let own = json!({ "nameservers": ["192.0.2.1"] });
    values["controlPlane"]["statefulSet"] = json!({ "highAvailability": three, "dnsConfig": own });
    assert_eq!(dns_of(&render(&values), "my-vc"), own);
}

#[test]
fn one_control_plane_takes_no_turns() {
    let objects = render(&deployed(3));
    let spec = &one(&objects, "StatefulSet", "my-vc")["spec"];
    assert_eq!(spec["replicas"], 1);
    assert!(spec["template"]["spec"].get("topologySpreadConstraints").is_none());
    assert!(find(&objects, "PodDisruptionBudget", "my-vc").is_none(), "it would block drains");
    let ready = &container(&objects, "syncer")["readinessProbe"]["httpGet"]["path"];
    assert_eq!(ready, "/readyz?hold=900");
    let rules = one(&objects, "Role", "vc-my-vc")["rules"].as_array().unwrap();
    assert!(!rules.iter().any(|rule| rule["resources"] == json!(["leases"])));
}

#[test]
fn what_cannot_work_together_is_refused() {
    let several =
        json!({ "controlPlane": { "statefulSet": { "highAvailability": { "replicas": 3 } } } });
    assert!(refused(&several).contains("SQLite lies on one volume"));
    let mut two = deployed(1);
    two["controlPlane"]["backingStore"]["database"] = json!({ "embedded": { "enabled": true } });
    assert!(refused(&two).contains("database.embedded, etcd.deploy"));
}
