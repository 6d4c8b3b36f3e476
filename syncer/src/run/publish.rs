//! Hands out kubeconfigs: Secret `vc-NAME` and those that `exportKubeConfig` asks for.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use vcluster_config::Config;
use vcluster_syncer_core::resource::{SECRETS, SERVICES};
use vcluster_syncer_core::{Key, Object, PatchForm, Rule, diff};

use super::RunArgs;
use crate::certs::{self, ExportTarget, Login};
use crate::engine::api::{Api, ApiError};

/// The rights on the host that it takes.
pub const RULES: &[Rule] = &[
    Rule { group: "", resources: &["services"], verbs: &["get"], in_admin: true },
    Rule { group: "", resources: &["secrets"], verbs: &["create", "get", "patch"], in_admin: true },
];

/// Writes them, and tries again until the host takes them: without Secret `vc-NAME` nobody can connect.
///
/// # Errors
/// When the certificates that go into them are missing.
pub async fn kubeconfigs(host: &Api, config: &Config, args: &RunArgs) -> anyhow::Result<()> {
    let pki = certs::read_files(&args.pki).with_context(|| {
        format!(
            "the certificates of the virtual cluster cannot be read from {}",
            args.pki.display()
        )
    })?;
    let owner = loop {
        match host.get(&SERVICES, &Key::new(&args.namespace, &args.name)).await {
            Ok(service) => break service.map(|service| owner_reference(&service)),
            Err(error) => {
                tracing::warn!(%error, "the control plane's Service cannot be read, will retry")
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    for target in ExportTarget::all(config, &args.name, &args.namespace) {
        if target.service_account.is_some() {
            continue;
        }
        // An owner in another namespace does not count: the garbage collector would delete the Secret.
        let owner = owner.as_ref().filter(|_| target.namespace == args.namespace);
        let secret = certs::kubeconfig_secret(&pki, &args.name, &target, &Login::Admin, owner)?;
        let key = Key::new(&target.namespace, &target.secret);
        while let Err(error) = put(host, &key, &Object::new(secret.clone())).await {
            tracing::warn!(secret = %key, %error, "the kubeconfig cannot be handed out, will retry");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    Ok(())
}

fn owner_reference(service: &Object) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "Service", "name": service.name(), "uid": service.uid()})
}

/// Creates a Secret, or brings it to what it should be.
async fn put(host: &Api, key: &Key, wanted: &Object) -> Result<(), ApiError> {
    let Some(have) = host.get(&SECRETS, key).await? else {
        return host.create(&SECRETS, key, wanted.value()).await.map(|_| ());
    };
    let data = diff::merge_patch(
        have.at(&["data"]).unwrap_or(&json!({})),
        wanted.at(&["data"]).unwrap_or(&json!({})),
    );
    if let Some(data) = data {
        host.patch(&SECRETS, key, None, PatchForm::Merge, &json!({ "data": data })).await?;
    }
    Ok(())
}
