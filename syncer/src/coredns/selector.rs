//! Which pods of the manifests answer questions.

use std::fmt;

use vcluster_syncer_core::Object;
use vcluster_syncer_core::json::Value;

use super::{NAMESPACE, SERVICE};

/// The labels by which Service `kube-dns` finds its pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Vec<(String, String)>);

impl Selector {
    /// Whether it finds a pod with these labels.
    pub fn selects<'a>(&self, labels: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
        let labels: Vec<_> = labels.collect();
        self.0.iter().all(|(key, value)| labels.contains(&(key.as_str(), value.as_str())))
    }
}

impl fmt::Display for Selector {
    /// As `kubectl --selector` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> =
            self.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        f.write_str(&pairs.join(","))
    }
}

/// Those of the pods that these manifests make and Service `kube-dns` finds. Nothing, where they make no such pods:
/// whoever brings manifests of his own may bring the pods in another way, or none.
#[must_use]
pub fn selector(manifests: &[Value]) -> Option<Selector> {
    let objects: Vec<Object> = manifests.iter().cloned().map(Object::new).collect();
    let service = objects.iter().find(|object| {
        let place = (object.str_at(&["kind"]), object.namespace(), object.name());
        place == (Some("Service"), NAMESPACE, SERVICE)
    })?;
    let labels = service.strings_at(&["spec", "selector"]);
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let selector = Selector(labels);
    let makes_them = |object: &Object| {
        let labels = object.strings_at(&["spec", "template", "metadata", "labels"]);
        let some = object.at(&["spec", "replicas"]).is_none_or(|replicas| *replicas != 0);
        object.namespace() == NAMESPACE && some && selector.selects(labels)
    };
    let awaited = !selector.0.is_empty() && objects.iter().any(makes_them);
    awaited.then_some(selector)
}

#[cfg(test)]
mod tests {
    use vcluster_syncer_core::json::json;

    use super::*;
    use crate::coredns::{Settings, manifests};

    fn of(options: &Value) -> Option<String> {
        let config = vcluster_config::load("test", &options.to_string()).unwrap().config;
        let objects = manifests(&Settings { config: &config, host_dns: None }).unwrap();
        selector(&objects).map(|selector| selector.to_string())
    }

    fn with(coredns: Value) -> Value {
        json!({ "controlPlane": { "coredns": coredns } })
    }

    #[test]
    fn our_own_pods_are_awaited_if_there_are_any() {
        assert_eq!(of(&json!({})).as_deref(), Some("k8s-app=vcluster-kube-dns"));
        assert_eq!(of(&with(json!({ "deployment": { "replicas": 0 } }))), None);
        assert_eq!(of(&with(json!({ "enabled": false }))), None);
    }

    #[test]
    fn of_manifests_of_the_owners_those_are_awaited_that_the_service_finds() {
        let overwritten = |service: Value, workload: Value| {
            let text = format!("{service}\n---\n{workload}\n");
            of(&with(json!({ "overwriteManifests": text })))
        };
        let named = |name: &str| json!({ "name": name, "namespace": "kube-system" });
        let service = |selector: Value| {
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": named("kube-dns"),
                "spec": { "selector": selector },
            })
        };
        let workload = |labels: Value| {
            json!({
                "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": named("dns"),
                "spec": { "template": { "metadata": { "labels": labels } } },
            })
        };
        let labels = json!({ "k8s-app": "kube-dns" });
        let more = json!({ "k8s-app": "kube-dns", "team": "a" });
        let awaited = overwritten(service(labels.clone()), workload(more));
        assert_eq!(awaited.as_deref(), Some("k8s-app=kube-dns"));
        let other = workload(json!({ "k8s-app": "other" }));
        assert_eq!(
            overwritten(service(labels.clone()), other),
            None,
            "who makes them is not known"
        );
        assert_eq!(
            overwritten(service(json!({})), workload(labels.clone())),
            None,
            "endpoints by hand"
        );
        assert_eq!(overwritten(workload(json!({})), workload(labels)), None, "no Service");
    }
}
