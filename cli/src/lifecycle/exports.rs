//! Kubeconfigs that a virtual cluster left in Secrets of other namespaces: its own namespace is swept anyhow.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, ListParams, Preconditions};
use serde_json::Value;

use crate::config;
use crate::error::{CliError, Kind, Result, chain};
use crate::host::{Host, within};
use crate::names;

/// Where a virtual cluster exports to.
pub struct Exports<'a> {
    host: &'a Host,
    name: &'a str,
    namespace: &'a str,
    /// Namespace and name of each Secret.
    targets: BTreeSet<(String, String)>,
}

/// What became of them.
#[derive(Debug, Default)]
pub struct Removed {
    /// How many are gone.
    pub count: usize,
    /// Why others may still be there.
    pub problems: Vec<CliError>,
}

impl<'a> Exports<'a> {
    /// Reads from its values where it exports to. To be asked before the values go.
    pub async fn of(host: &'a Host, name: &'a str, namespace: &'a str) -> Self {
        let targets = match config::values(host, name, namespace).await {
            Ok(values) => values.map(|values| targets(&values, name, namespace)),
            Err(error) => {
                tracing::debug!(error = chain(&error), "where it exports to is not known");
                None
            }
        };
        Self { host, name, namespace, targets: targets.unwrap_or_default() }
    }

    /// Removes what it exported, also to where it does not any more as far as that may be looked for. Never what is not
    /// noted as its own.
    pub async fn remove(&self) -> Removed {
        let mut removed = Removed::default();
        let mut found = Vec::new();
        for (namespace, name) in &self.targets {
            let secrets: Api<Secret> = self.host.api(namespace);
            let look = secrets.get_metadata_opt(name);
            match within(format!("read the exported Secret {namespace}/{name}"), look).await {
                Ok(secret) => found.extend(secret.map(|secret| secret.metadata)),
                Err(error) => removed.problems.push(error),
            }
        }
        found.extend(self.elsewhere().await);
        let mut seen = BTreeSet::new();
        for secret in found {
            if self.exported(&secret) && seen.insert(secret.uid.clone()) {
                match self.delete(&secret).await {
                    Ok(()) => removed.count += 1,
                    Err(error) => removed.problems.push(error),
                }
            }
        }
        removed
    }

    /// Everything in other namespaces that looks like an export.
    async fn elsewhere(&self) -> Vec<ObjectMeta> {
        let secrets: Api<Secret> = Api::all(self.host.client.clone());
        let parameters = ListParams::default().labels(&names::selector(self.name));
        match within("list Secrets everywhere", secrets.list_metadata(&parameters)).await {
            Ok(list) => list.items.into_iter().map(|secret| secret.metadata).collect(),
            // Few may.
            Err(error) => {
                tracing::debug!(error = chain(&error), "not looked at");
                Vec::new()
            }
        }
    }

    fn exported(&self, secret: &ObjectMeta) -> bool {
        let from = secret.annotations.as_ref().and_then(|all| all.get(names::EXPORTED_FROM));
        from.is_some_and(|from| *from == format!("{}/{}", self.namespace, self.name))
            && secret.namespace.as_deref() != Some(self.namespace)
    }

    async fn delete(&self, secret: &ObjectMeta) -> Result<()> {
        let (namespace, name) = (secret.namespace.as_deref(), secret.name.as_deref());
        let (Some(namespace), Some(name)) = (namespace, name) else { return Ok(()) };
        let secrets: Api<Secret> = self.host.api(namespace);
        let uid = secret.uid.clone();
        let only =
            DeleteParams::default().preconditions(Preconditions { uid, resource_version: None });
        let what = format!("delete the exported Secret {namespace}/{name}");
        match within(what, secrets.delete(name, &only)).await {
            Err(error) if error.kind != Kind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The Secrets in other namespaces that values ask for. Pure.
fn targets(values: &Value, name: &str, own: &str) -> BTreeSet<(String, String)> {
    let further = values.pointer("/exportKubeConfig/additionalSecrets");
    let further = further.and_then(Value::as_array).into_iter().flatten();
    let all = values.pointer("/exportKubeConfig/secret").into_iter().chain(further);
    let text = |secret: &Value, key: &str| {
        secret.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    all.filter_map(|secret| {
        let namespace = text(secret, "namespace").filter(|namespace| namespace != own)?;
        Some((namespace, text(secret, "name").unwrap_or_else(|| names::kubeconfig_secret(name))))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn other_namespaces_are_found_in_the_values() {
        let values = json!({ "exportKubeConfig": {
            "secret": { "name": "copy", "namespace": "" },
            "additionalSecrets": [
                { "name": "argo", "namespace": "argocd" },
                { "namespace": "ci" },
                { "name": "here", "namespace": "team" },
                { "name": "here-too" },
            ],
        } });
        let of = |values: &Value| {
            let all = targets(values, "my-vc", "team").into_iter();
            all.map(|(namespace, name)| format!("{namespace}/{name}")).collect::<Vec<_>>()
        };
        assert_eq!(of(&values), ["argocd/argo", "ci/vc-my-vc"]);
        let single = json!({ "exportKubeConfig": { "secret": { "namespace": "ci" } } });
        assert_eq!(of(&single), ["ci/vc-my-vc"]);
        assert_eq!(of(&json!({ "exportKubeConfig": null })), Vec::<String>::new());
    }
}
