//! Being a service account of the virtual cluster instead of its administrator.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleRef, Subject};
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use serde_json::{Value, json};

use crate::error::{CliError, Kind, Result};
use crate::host::within;

/// The namespace of an account that is given without one.
const DEFAULT_NAMESPACE: &str = "kube-system";

/// Makes the account and its binding where they are missing, and answers a kubeconfig user with a token.
///
/// # Errors
/// When the virtual cluster refuses one of the requests.
pub async fn user(
    client: &Client,
    account: &str,
    role: Option<&str>,
    seconds: u64,
) -> Result<Value> {
    let (namespace, name) = split(account)?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if within("look up the namespace", namespaces.get_opt(namespace)).await?.is_none() {
        let new = Namespace { metadata: named(namespace), ..Namespace::default() };
        created(
            within(
                format!("create namespace {namespace}"),
                namespaces.create(&PostParams::default(), &new),
            )
            .await,
        )?;
    }
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let new = ServiceAccount { metadata: named(name), ..ServiceAccount::default() };
    created(
        within(
            format!("create service account {account}"),
            accounts.create(&PostParams::default(), &new),
        )
        .await,
    )?;
    if let Some(role) = role {
        bind(client, namespace, name, role).await?;
    }
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: i64::try_from(seconds).ok(),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let answer = within(
        format!("request a token for service account {account}"),
        accounts.create_token_request(name, &PostParams::default(), &request),
    )
    .await?;
    let token = answer.status.and_then(|status| status.token).unwrap_or_default();
    if token.is_empty() {
        return Err(CliError::failed(format!(
            "the API server gave no token for service account {account}"
        )));
    }
    Ok(json!({ "token": token }))
}

/// A binding names its role for ever, so one for another role is replaced.
async fn bind(client: &Client, namespace: &str, name: &str, role: &str) -> Result<()> {
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    let binding_name = format!("vcluster-sa-{name}-{namespace}");
    let old = within("look up the cluster role binding", bindings.get_opt(&binding_name)).await?;
    match old {
        Some(old) if old.role_ref.name == role => return Ok(()),
        Some(old) => {
            let mut only = kube::api::DeleteParams::default();
            if let Some(uid) = old.metadata.uid {
                only = only.preconditions(kube::api::Preconditions {
                    uid: Some(uid),
                    resource_version: None,
                });
            }
            within(
                format!("replace cluster role binding {binding_name}"),
                bindings.delete(&binding_name, &only),
            )
            .await?;
        }
        None => {}
    }
    let binding = ClusterRoleBinding {
        metadata: named(&binding_name),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".into()),
            kind: "ClusterRole".into(),
            name: role.into(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".into(),
            name: name.into(),
            namespace: Some(namespace.into()),
            ..Subject::default()
        }]),
    };
    created(
        within(
            format!("bind cluster role {role}"),
            bindings.create(&PostParams::default(), &binding),
        )
        .await,
    )
}

/// There already is as good as made.
fn created<T>(result: Result<T>) -> Result<()> {
    match result {
        Err(error) if error.kind != Kind::Conflict => Err(error),
        _ => Ok(()),
    }
}

/// `[namespace/]name`. Pure.
fn split(account: &str) -> Result<(&str, &str)> {
    let (namespace, name) = account.split_once('/').unwrap_or((DEFAULT_NAMESPACE, account));
    if namespace.is_empty() || name.is_empty() || name.contains('/') {
        return Err(CliError::usage(format!("{account:?} is not a service account"))
            .hint("--service-account default/my-account"));
    }
    Ok((namespace, name))
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_may_name_their_namespace() {
        assert_eq!(split("ci").unwrap(), ("kube-system", "ci"));
        assert_eq!(split("team/ci").unwrap(), ("team", "ci"));
        for wrong in ["", "/", "a/", "/a", "a/b/c"] {
            assert_eq!(split(wrong).unwrap_err().kind, Kind::Usage, "{wrong}");
        }
    }
}
