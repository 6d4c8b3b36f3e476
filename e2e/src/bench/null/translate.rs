//! What the null syncer writes: no more of a pod's translation than the host insists on.

use serde_json::{Value, json};

use super::NullSyncer;
use crate::bench::pods::LABEL;

/// The writes of one pod.
#[derive(Debug, Clone)]
pub struct Translation {
    /// The host pod.
    pub pod: Value,
    /// The request for its token, if it has one.
    pub token: Option<TokenWish>,
}

/// A token of a service account, which becomes a host Secret.
#[derive(Debug, Clone)]
pub struct TokenWish {
    /// The path to request it at, inside.
    pub path: String,
    /// The request.
    pub request: Value,
    /// The name of the Secret.
    pub secret: String,
}

impl NullSyncer {
    /// The name of the host pod.
    pub fn host_name(&self, namespace: &str, name: &str) -> String {
        format!("{name}-x-{namespace}-x-{}", self.name)
    }

    /// Translates a virtual pod.
    pub fn translate(&self, pod: &Value) -> Translation {
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (namespace, name, uid) =
            (text("/metadata/namespace"), text("/metadata/name"), text("/metadata/uid"));
        let secret = format!("vcluster-token-{uid}-x-{}", self.name);
        let mut spec = pod.get("spec").cloned().unwrap_or_default();
        let mut lifetime = None;
        if let Some(spec) = spec.as_object_mut() {
            spec.retain(|field, _| !field.starts_with("serviceAccount"));
            spec.insert("automountServiceAccountToken".into(), json!(false));
        }
        for source in sources(&mut spec) {
            if let Some(token) = source.get("serviceAccountToken") {
                lifetime = token.get("expirationSeconds").cloned();
                *source = json!({ "secret": { "name": secret, "items": [{ "key": "token", "path": "token" }] } });
            }
        }
        let token = lifetime.map(|lifetime| TokenWish {
            path: format!("/api/v1/namespaces/{namespace}/serviceaccounts/default/token"),
            request: json!({
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    "expirationSeconds": lifetime,
                    "boundObjectRef": { "apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid },
                },
            }),
            secret,
        });
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.host_name(namespace, name),
                "namespace": self.namespace,
                "labels": { LABEL: text(&format!("/metadata/labels/{LABEL}")) },
                "annotations": {
                    "vcluster.loft.sh/object-name": name,
                    "vcluster.loft.sh/object-namespace": namespace,
                },
            },
            "spec": spec,
        });
        Translation { pod, token }
    }
}

/// The sources of all projected volumes of a spec.
fn sources(spec: &mut Value) -> impl Iterator<Item = &mut Value> {
    let volumes = spec.get_mut("volumes").and_then(Value::as_array_mut);
    volumes.into_iter().flatten().flat_map(|volume| {
        let sources =
            volume.get_mut("projected").and_then(|projected| projected.get_mut("sources"));
        sources.and_then(Value::as_array_mut).into_iter().flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_source_becomes_a_secret() {
        let syncer = NullSyncer {
            host: "".into(),
            inside: "".into(),
            namespace: "h".into(),
            name: "vc".into(),
            selector: String::new(),
        };
        let sources = json!([{ "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } }, { "downwardAPI": {} }]);
        let pod = json!({
            "metadata": { "name": "p", "namespace": "a", "uid": "u", "labels": { LABEL: "r" } },
            "spec": { "serviceAccountName": "default", "volumes": [{ "projected": { "sources": sources } }] },
        });
        let Translation { pod, token } = syncer.translate(&pod);
        assert_eq!(pod["metadata"]["name"], "p-x-a-x-vc");
        assert_eq!(pod["metadata"]["labels"][LABEL], "r");
        assert_eq!(pod["spec"].get("serviceAccountName"), None);
        let token = token.unwrap();
        assert_eq!(token.path, "/api/v1/namespaces/a/serviceaccounts/default/token");
        assert_eq!(
            pod["spec"]["volumes"][0]["projected"]["sources"][0]["secret"]["name"],
            json!(token.secret)
        );
    }
}
