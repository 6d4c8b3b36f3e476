//! Deployment and Service.

use serde_json::{Value, json};
use vcluster_config::{Config, CoreDnsService, Labels};

use super::{APP, CONFIG_MAP, NAMESPACE, PORT, SERVICE, merged};

pub(super) fn deployment(config: &Config, image: &str) -> Value {
    let coredns = &config.control_plane.coredns;
    let wanted = &coredns.deployment;
    let mut pod = json!({
        "serviceAccountName": "coredns",
        // It must not ask itself.
        "dnsPolicy": "Default",
        "securityContext": merged(json!({ "seccompProfile": { "type": "RuntimeDefault" } }), &coredns.security.pod_security_context),
        "nodeSelector": labels([("kubernetes.io/os", "linux")], &wanted.node_selector),
        "topologySpreadConstraints": wanted.topology_spread_constraints,
        "containers": [container(config, image)],
        "volumes": [
            { "name": "config", "configMap": { "name": CONFIG_MAP } },
            { "name": "custom", "configMap": { "name": "coredns-custom", "optional": true } },
        ],
    });
    let optional = [
        ("affinity", (!wanted.affinity.is_empty()).then(|| json!(wanted.affinity))),
        ("tolerations", (!wanted.tolerations.is_empty()).then(|| json!(wanted.tolerations))),
        (
            "priorityClassName",
            (!coredns.priority_class_name.is_empty()).then(|| json!(coredns.priority_class_name)),
        ),
    ];
    if let Value::Object(pod) = &mut pod {
        pod.extend(optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "coredns",
            "namespace": NAMESPACE,
            "labels": labels([("k8s-app", APP), ("kubernetes.io/name", "CoreDNS")], &wanted.labels),
            "annotations": wanted.annotations,
        },
        "spec": {
            "replicas": wanted.replicas,
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 1 } },
            "selector": { "matchLabels": { "k8s-app": APP } },
            "template": {
                "metadata": {
                    "labels": labels([("k8s-app", APP)], &wanted.pods.labels),
                    "annotations": wanted.pods.annotations,
                },
                "spec": pod,
            },
        },
    })
}

fn container(config: &Config, image: &str) -> Value {
    let coredns = &config.control_plane.coredns;
    let security = json!({
        "allowPrivilegeEscalation": false,
        // The published program carries this capability in its file and cannot be started without it.
        "capabilities": { "drop": ["ALL"], "add": ["NET_BIND_SERVICE"] },
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "runAsUser": 1001,
        "runAsGroup": 1001,
    });
    json!({
        "name": "coredns",
        "image": image,
        "args": ["-conf", "/etc/coredns/Corefile"],
        // As the chart has it for Go's programs.
        "env": [{ "name": "GOGC", "value": "40" }],
        "ports": [
            { "name": "dns", "containerPort": PORT, "protocol": "UDP" },
            { "name": "dns-tcp", "containerPort": PORT, "protocol": "TCP" },
            { "name": "metrics", "containerPort": 9153, "protocol": "TCP" },
        ],
        "resources": coredns.deployment.resources,
        "livenessProbe": {
            "httpGet": { "path": "/health", "port": 8080 },
            "initialDelaySeconds": 30, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 5,
        },
        "readinessProbe": {
            "httpGet": { "path": "/ready", "port": 8181 },
            "periodSeconds": 1, "timeoutSeconds": 3, "failureThreshold": 5,
        },
        "securityContext": merged(security, &coredns.security.container_security_context),
        "volumeMounts": [
            { "name": "config", "mountPath": "/etc/coredns", "readOnly": true },
            { "name": "custom", "mountPath": "/etc/coredns/custom", "readOnly": true },
        ],
    })
}

/// `kube-dns`. It has no address of its own choice: it gets the one of its twin on the host.
pub(super) fn service(wanted: &CoreDnsService) -> Value {
    let spec = json!({
        "selector": { "k8s-app": APP },
        "ports": [
            { "name": "dns", "port": 53, "targetPort": "dns", "protocol": "UDP" },
            { "name": "dns-tcp", "port": 53, "targetPort": "dns-tcp", "protocol": "TCP" },
            { "name": "metrics", "port": 9153, "targetPort": "metrics", "protocol": "TCP" },
        ],
    });
    let ours = [
        ("k8s-app", APP),
        ("kubernetes.io/cluster-service", "true"),
        ("kubernetes.io/name", "CoreDNS"),
    ];
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": SERVICE,
            "namespace": NAMESPACE,
            "labels": labels(ours, &wanted.labels),
            "annotations": labels([("prometheus.io/port", "9153"), ("prometheus.io/scrape", "true")], &wanted.annotations),
        },
        "spec": merged(spec, &wanted.spec),
    })
}

fn labels<const N: usize>(ours: [(&str, &str); N], more: &Labels) -> Labels {
    let mut labels = more.clone();
    labels.extend(ours.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
    labels
}
