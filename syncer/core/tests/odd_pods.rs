//! Properties of pods: whatever their JSON is, no decision panics, and two clusters come to rest.

use proptest::prelude::*;
use proptest::sample::select;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::resource::{NODES, PODS, SERVICES};
use vcluster_syncer_core::{
    Act, Gone, Host, Key, Mirror as _, NotNow, Object, PatchForm, Settings, Side, View, Virtual,
    kinds::pods::Pods,
};

use crate::world::Clusters;

/// A pod in which all that is translated has something to translate.
fn rich() -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod"});
    pod["metadata"] = json!({
        "name": "web", "namespace": "shop", "uid": "u1", "generation": 2, "resourceVersion": "5",
        "labels": {"app": "web", "release": "a"}, "annotations": {"a": "b"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r", "controller": true}],
    });
    pod["spec"] = rich_spec();
    pod["status"] = json!({
        "phase": "Running", "startTime": "2026-01-01T00:00:00Z", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1, "message": "web-x-shop-x-my-vc"}, {"type": "gate", "status": "True"}],
        "containerStatuses": [{"name": "web", "volumeMounts": [{"name": "v"}]}], "initContainerStatuses": [{"name": "x"}],
        "resources": {"requests": {"cpu": "1"}}, "futureList": [1], "observedGeneration": 1,
    });
    pod
}

fn rich_spec() -> Value {
    let mut spec = json!({
    "nodeName": "n1", "subdomain": "web", "hostname": "h", "serviceAccountName": "robot", "enableServiceLinks": true,
    "priority": 3, "activeDeadlineSeconds": 9, "resources": {"requests": {"cpu": "1"}}, "futureField": [{"a": 1}],
    "dnsPolicy": "Default", "dnsConfig": {"searches": ["a"], "nameservers": ["b"], "options": [{"name": "ndots"}]},
    "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a"]}], "imagePullSecrets": [{"name": "pull"}],
    "readinessGates": [{"conditionType": "gate"}], "schedulingGates": [], "tolerations": [{"key": "a"}],
    "securityContext": {"fsGroup": 5},
    "initContainers": [{"name": "init", "image": "i", "envFrom": [{"configMapRef": {"name": "c"}}]}],
    "ephemeralContainers": [{"name": "debug", "image": "d", "targetContainerName": "web"}],
    "topologySpreadConstraints": [{"labelSelector": {"matchLabels": {"app": "web"}}}],
    });
    spec["containers"] = json!([{
        "name": "web", "image": "w", "resources": {"requests": {"cpu": "1"}},
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }]);
    spec["affinity"] = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]},
         "namespaces": ["a"], "namespaceSelector": {"matchLabels": {"x": "y"}}, "matchLabelKeys": ["k"], "topologyKey": "z"},
    ]}});
    spec["volumes"] = json!([
        {"name": "api", "projected": {"sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}, {"configMap": {"name": "kube-root-ca.crt"}},
            {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.labels['release']"}}]}},
        ]}},
        {"name": "e", "ephemeral": {}}, {"name": "s", "secret": {"secretName": "s"}},
        {"name": "c", "csi": {"nodePublishSecretRef": {"name": "s"}, "volumeAttributes": {"secretName": "s"}}},
    ]);
    spec
}

/// Paths to all values in a document.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, inner) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(inner, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (place, inner) in items.iter().enumerate() {
                pointers(inner, &format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

fn odd_value() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(9_223_372_036_854_775_807_i64),
        json!(1.5),
        json!(""),
        json!("x"),
        json!("ü/\u{0}[']"),
        json!("metadata.labels['"),
        json!("2026-01-01T00:00:00Z"),
        json!([]),
        json!([null, 3, {}, [[]]]),
        json!({}),
        json!({"name": 3, "items": {"a": null}}),
        json!([{"name": "web"}, {"name": "web"}]),
        json!({"vcluster.loft.sh/name": "x", "a": 1}),
    ])
}

/// The rich pod with some values replaced by odd ones.
fn odd_pod() -> impl Strategy<Value = Value> {
    let mut all = Vec::new();
    pointers(&rich(), "", &mut all);
    prop::collection::vec((select(all), odd_value()), 0..5).prop_map(|changes| {
        let mut pod = rich();
        for (pointer, odd) in changes {
            if let Some(place) = pod.pointer_mut(&pointer) {
                *place = odd;
            }
        }
        pod
    })
}

fn surroundings() -> Clusters {
    let mut clusters = Clusters::new(Settings::example(), "2026-01-01T00:00:00Z".parse().unwrap());
    clusters.kinds.retain(|mirror| mirror.kind() == &PODS);
    clusters.virt.seed(
        &vcluster_syncer_core::resource::NAMESPACES,
        Object::new(json!({"metadata": {"name": "shop", "labels": {"team": "a"}}})),
    );
    clusters.virt.seed(&NODES, Object::new(json!({"metadata": {"name": "n1"}})));
    let service = json!({"metadata": {"name": "my-vc", "namespace": "team-x"}, "spec": {"clusterIP": "10.96.0.7", "ports": [{"port": 443}]}});
    clusters.host.seed(&SERVICES, Object::new(service));
    clusters
}

/// A status as kubelets write them, and then some.
fn status() -> impl Strategy<Value = Value> {
    let condition = (
        select(vec!["Ready", "PodScheduled", "PodResizePending", "gate", "foreign"]),
        select(vec!["True", "False"]),
        proptest::option::of(select(vec!["2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z"])),
        proptest::option::of(1..4i64),
    );
    let conditions = prop::collection::vec(condition, 0..4);
    let extra = prop::collection::btree_map(
        select(vec![
            "podIP",
            "reason",
            "futureMap",
            "futureList",
            "podIPs",
            "hostIPs",
            "message",
            "observedGeneration",
            "resize",
        ]),
        0..3i64,
        0..5,
    );
    (conditions, extra, 0..3i64, select(vec!["Pending", "Running", "Succeeded"])).prop_map(
        |(conditions, extra, restarts, phase)| {
            let mut status = json!({"phase": phase, "qosClass": "Burstable"});
            let mut seen = std::collections::BTreeSet::new();
            let conditions: Vec<Value> = conditions
                .into_iter()
                .filter(|(kind, ..)| seen.insert(*kind))
                .map(|(kind, state, time, generation)| {
                    json!({"type": kind, "status": state, "lastTransitionTime": time, "observedGeneration": generation})
                })
                .collect();
            status["conditions"] = conditions.into();
            status["containerStatuses"] =
                json!([{"name": "web", "restartCount": restarts, "state": {"running": {"startedAt": null}}}, {"name": "injected"}]);
            for (name, number) in extra {
                status[name] = match name {
                    "futureMap" => json!({"a": number, (format!("b{number}")): {"c": [number]}}),
                    "futureList" => json!([{"a": number}, number]),
                    "podIPs" | "hostIPs" => json!([{"ip": format!("10.0.0.{number}")}, {"ip": "fd00::1"}]),
                    "observedGeneration" => json!(number),
                    "message" => json!(format!("web-x-shop-x-my-vc {number}")),
                    _ => json!(format!("{name}{number}")),
                };
            }
            status
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_decision_about_an_odd_pod_panics(virt in odd_pod(), host in odd_pod(), gone in select(vec![Gone::Unproven, Gone::Read, Gone::Seen])) {
        let mut clusters = surroundings();
        clusters.relist();
        let key = (0, Virtual(Key::new("shop", "web")));
        let (virt, host) = (Virtual(Object::new(virt)), Host(Object::new(host)));
        let mut twin = host.clone();
        twin.0.set(&["metadata", "annotations", "vcluster.loft.sh/object-uid"], virt.uid());
        let views = [
            View::VirtualOnly { virt: virt.clone() },
            View::Both { virt: virt.clone(), host: twin },
            View::Both { virt: virt.clone(), host: host.clone() },
            View::HostOnly { key: key.1.clone(), host: host.clone(), gone },
            View::Neither { key: key.1.clone(), gone },
        ];
        let _references = Pods.references(&virt);
        for view in views {
            let decided = clusters.decide_about(&key, &view);
            for op in decided.map(|plan| plan.ops).unwrap_or_default() {
                // Nothing that has a UID is deleted without it.
                if let Act::Delete { uid, .. } = &op.act {
                    let known = if op.side == Side::Host { host.uid() } else { virt.uid() };
                    prop_assert_eq!(uid, known);
                }
            }
        }
    }

    #[test]
    fn whatever_a_pod_and_its_status_are_the_clusters_come_to_rest(
        pod in odd_pod(), statuses in prop::collection::vec((status(), any::<bool>()), 1..4)
    ) {
        let mut clusters = surroundings();
        let mut pod = Object::new(pod);
        // What no API server lets a pod be without.
        for (path, value) in [(["metadata", "name"], "web"), (["metadata", "namespace"], "shop")] {
            pod.set(&path, value);
        }
        for member in ["ownerReferences", "labels", "annotations"] {
            let odd = pod.at(&["metadata", member]).is_some_and(|value| *value != rich()["metadata"][member]);
            if odd {
                pod.remove(&["metadata", member]);
            }
        }
        let Ok(_) = clusters.virt.create(&PODS, pod) else { return Ok(()) };
        clusters.relist();
        clusters.sync();
        let host_key = Key::new("team-x", "web-x-shop-x-my-vc");
        for (status, restart) in statuses {
            if clusters.host.get(&PODS, &host_key).is_some() {
                let body = json!({ "status": status });
                clusters.host.patch(&PODS, &host_key, PatchForm::Merge, Some("status"), &body).expect("accepted");
            }
            if restart {
                clusters.restart();
            }
            clusters.sync();
            let written = clusters.written.len();
            clusters.sync();
            prop_assert_eq!(written, clusters.written.len());
            let both = clusters.virt.get(&PODS, &Key::new("shop", "web")).zip(clusters.host.get(&PODS, &host_key));
            if let Some((virt, host)) = both {
                for field in ["phase", "podIP", "podIPs", "futureMap", "futureList", "reason"] {
                    prop_assert_eq!(virt.at(&["status", field]), host.at(&["status", field]), "{}", field);
                }
            }
        }
    }
}

/// A refusal is no fault, but each must say something to the pod's owner.
#[test]
fn refusals_speak() {
    let mut clusters = surroundings();
    clusters.relist();
    let mut pod = rich();
    pod["spec"]["volumes"][0] = json!({"name": "git", "gitRepo": {}});
    pod["status"] = json!({});
    let view = View::VirtualOnly { virt: Virtual(Object::new(pod)) };
    let decided = clusters.decide_about(&(0, Virtual(Key::new("shop", "web"))), &view);
    let Err(NotNow::Refused(note)) = decided else { panic!("{decided:?}") };
    assert!(note.warning && note.message.contains("gitRepo"), "{}", note.message);
}
