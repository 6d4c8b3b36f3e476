//! Logins as a service account of the virtual cluster, for kubeconfigs that are not the administrator's.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{
    TokenRequest, TokenRequestSpec, TokenReview, TokenReviewSpec,
};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleRef, Subject};
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams, Preconditions};
use vcluster_config::ExportServiceAccount;
use vcluster_syncer_core::json::Value;

/// The namespace of an account that is given without one.
const NAMESPACE: &str = "kube-system";
/// As long as the administrator's certificate, which stands in the same place. Nobody renews a copy that somebody took
/// out of the Secret.
const LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// What is left of it when it is renewed; a fifth of a shorter one, if the API server gives no longer ones.
const RENEW: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A token of the account, which is made if it is not there: `have`, while that is good for some time to come.
///
/// # Errors
/// What the virtual API server refuses.
pub async fn token(
    inside: &kube::Client,
    account: &ExportServiceAccount,
    have: Option<&str>,
) -> Result<String, kube::Error> {
    let namespace = match account.namespace.as_str() {
        "" => NAMESPACE,
        namespace => namespace,
    };
    make(inside, namespace, &account.name).await?;
    if !account.cluster_role.is_empty() {
        bind(inside, namespace, &account.name, &account.cluster_role).await?;
    }
    if let Some(have) = have
        && lasts(have, Timestamp::now())
        && is_of(inside, namespace, &account.name, have).await?
    {
        return Ok(have.to_owned());
    }
    let accounts: Api<ServiceAccount> = Api::namespaced(inside.clone(), namespace);
    let spec = TokenRequestSpec {
        expiration_seconds: Some(LIFETIME.as_secs()),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let answer =
        accounts.create_token_request(&account.name, &PostParams::default(), &request).await?;
    Ok(answer.status.and_then(|status| status.token).unwrap_or_default())
}

async fn make(inside: &kube::Client, namespace: &str, name: &str) -> Result<(), kube::Error> {
    let accounts: Api<ServiceAccount> = Api::namespaced(inside.clone(), namespace);
    if accounts.get_opt(name).await?.is_some() {
        return Ok(());
    }
    let namespaces: Api<Namespace> = Api::all(inside.clone());
    if namespaces.get_opt(namespace).await?.is_none() {
        let new = Namespace { metadata: named(namespace), ..Namespace::default() };
        there(namespaces.create(&PostParams::default(), &new).await)?;
    }
    let new = ServiceAccount { metadata: named(name), ..ServiceAccount::default() };
    there(accounts.create(&PostParams::default(), &new).await)
}

/// A binding names its role for ever, so one for another role is replaced. Its name is the one that `vcluster connect
/// --service-account` uses.
async fn bind(
    inside: &kube::Client,
    namespace: &str,
    name: &str,
    role: &str,
) -> Result<(), kube::Error> {
    let bindings: Api<ClusterRoleBinding> = Api::all(inside.clone());
    let binding_name = format!("vcluster-sa-{name}-{namespace}");
    match bindings.get_opt(&binding_name).await? {
        Some(have) if have.role_ref.name == role => return Ok(()),
        Some(have) => {
            let only = Preconditions { uid: have.metadata.uid, resource_version: None };
            let delete = DeleteParams::default().preconditions(only);
            bindings.delete(&binding_name, &delete).await?;
        }
        None => {}
    }
    let new = ClusterRoleBinding {
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
    there(bindings.create(&PostParams::default(), &new).await)
}

/// Somebody else was quicker is as good.
fn there<T>(made: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match made {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Whether the API server takes the token for this account. It does not after the account was deleted and made again, or
/// the signing key changed.
async fn is_of(
    inside: &kube::Client,
    namespace: &str,
    name: &str,
    token: &str,
) -> Result<bool, kube::Error> {
    let reviews: Api<TokenReview> = Api::all(inside.clone());
    let review = TokenReview {
        spec: TokenReviewSpec { token: token.to_owned(), audiences: None },
        ..TokenReview::default()
    };
    let answer = reviews.create(&PostParams::default(), &review).await?;
    let user =
        answer.status.filter(|status| status.authenticated == Some(true)).and_then(|it| it.user);
    let wanted = format!("system:serviceaccount:{namespace}:{name}");
    Ok(user.is_some_and(|user| user.username.as_deref() == Some(wanted.as_str())))
}

/// Whether there is enough left of a token's time. Says nothing about whether it is genuine.
fn lasts(token: &str, now: Timestamp) -> bool {
    let claims = || -> Option<(i64, i64)> {
        let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let claims: Value = serde_json::from_slice(&payload).ok()?;
        Some((claims.get("iat")?.as_i64()?, claims.get("exp")?.as_i64()?))
    };
    claims().is_some_and(|(begin, end)| {
        let margin = RENEW.as_secs().min(end.saturating_sub(begin) / 5);
        end.saturating_sub(now.as_second()) > margin
    })
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

#[cfg(test)]
mod tests {
    use vcluster_syncer_core::json::json;

    use super::*;
    use crate::namespace::tests::{Asked, scripted};

    /// A token from `begin` to `end`, in days from now.
    fn jwt(begin: i64, end: i64) -> String {
        let at = |days: i64| Timestamp::now().as_second() + days * 24 * 60 * 60;
        let claims = json!({ "iat": at(begin), "exp": at(end) }).to_string();
        format!("e30.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    /// A virtual cluster in which the account is there or not, bound to `role`, and tokens are those of `user`.
    fn inside(
        account: bool,
        role: Option<&'static str>,
        user: &'static str,
    ) -> (kube::Client, Asked) {
        let (namespace, asked) = scripted(&[], move |line, body| {
            let absent = || Some((404, json!("not found")));
            match line.split_once(' ').unwrap() {
                ("GET", path) if path.contains("serviceaccounts") && !account => absent(),
                ("GET", path) if path.contains("clusterrolebindings") => match role {
                    Some(role) => Some((
                        200,
                        json!({
                            "metadata": { "name": "vcluster-sa-ci-team", "uid": "u" },
                            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
                        }),
                    )),
                    None => absent(),
                },
                ("GET", path) if path.ends_with("/namespaces/team") => absent(),
                ("GET", _) => Some((200, json!({ "metadata": { "name": "ci" } }))),
                ("DELETE", _) => Some((200, json!({ "kind": "Status", "status": "Success" }))),
                ("POST", path) if path.contains("tokenreviews") => {
                    let status = json!({ "authenticated": true, "user": { "username": user } });
                    Some((201, json!({ "spec": { "token": "" }, "status": status })))
                }
                ("POST", path) if path.contains("/token") => {
                    let expiry = "2030-01-01T00:00:00Z";
                    let status = json!({ "token": "new", "expirationTimestamp": expiry });
                    Some((201, json!({ "spec": { "audiences": [] }, "status": status })))
                }
                ("POST", _) => Some((201, body.clone())),
                other => panic!("{other:?}"),
            }
        });
        (namespace.client().clone(), asked)
    }

    fn account(role: &str) -> ExportServiceAccount {
        ExportServiceAccount {
            name: "ci".into(),
            namespace: "team".into(),
            cluster_role: role.into(),
        }
    }

    fn writes(asked: &Asked) -> Vec<String> {
        let asked = asked.lock().unwrap();
        asked.iter().filter(|line| !line.starts_with("GET")).cloned().collect()
    }

    #[tokio::test]
    async fn an_account_that_is_missing_is_made_with_its_namespace_and_bound() {
        let (client, asked) = inside(false, None, "");
        assert_eq!(token(&client, &account("view"), None).await.unwrap(), "new");
        assert_eq!(writes(&asked).len(), 4, "{asked:?}");
        let (client, asked) = inside(true, Some("view"), "");
        assert_eq!(token(&client, &account("view"), None).await.unwrap(), "new");
        assert_eq!(writes(&asked).len(), 1, "only the token: {asked:?}");
        let (client, asked) = inside(true, Some("admin"), "");
        token(&client, &account("view"), None).await.unwrap();
        assert!(writes(&asked)[0].starts_with("DELETE"), "the other role goes: {asked:?}");
    }

    #[tokio::test]
    async fn a_token_is_kept_while_it_is_good() {
        let user = "system:serviceaccount:team:ci";
        for (have, user, kept) in [
            (jwt(-10, 355), user, true),
            (jwt(-340, 25), user, false),
            (jwt(-10, 355), "system:serviceaccount:team:other", false),
            ("nonsense".to_owned(), user, false),
        ] {
            let (client, _) = inside(true, None, user);
            let got = token(&client, &account(""), Some(&have)).await.unwrap();
            assert_eq!(got == have, kept, "{have} of {user}");
        }
    }

    #[test]
    fn a_short_token_is_renewed_late_in_its_life() {
        assert!(lasts(&jwt(0, 1), Timestamp::now()));
        assert!(lasts(&jwt(-6, 4), Timestamp::now()), "four of ten days are left");
        assert!(!lasts(&jwt(-9, 1), Timestamp::now()), "one of ten days is left");
    }
}
