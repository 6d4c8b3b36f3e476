//! The only place that writes to a cluster on a plan's behalf. Every write carries its preconditions (design D5).

use std::fmt;
use std::time::Duration;

use serde::de::IgnoredAny;
use tokio::time::timeout;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::kinds::pods::tokens;
use vcluster_syncer_core::object::members;
use vcluster_syncer_core::plan::{Token, TokenRequest};
use vcluster_syncer_core::{Act, Key, Object, Op, Side, skew};

use super::Shared;
use super::api::{Api, ApiError};
use super::parse;
use super::queue::PlanKey;

/// The longest that one write may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a write left behind.
pub enum Done {
    /// The object as the server has it now.
    Object(Object),
    /// The object with this UID is gone.
    Gone(String),
    /// The pod is bound to this node now; the server did not return it.
    Bound(String),
    /// The server did it and did not return the object.
    Nothing,
}

/// Carries out one write, and takes its result into the cache. Whom that concerns is planned again, apart from the key that
/// is `settled` by this write.
pub async fn carry_out(
    shared: &Shared,
    op: &Op,
    settled: Option<&PlanKey>,
) -> Result<(), ApiError> {
    shared.state().begin_write(op.side, op.kind, &op.key);
    let result = timeout(DEADLINE, execute(shared, op, &op.act))
        .await
        .unwrap_or_else(|_| Err(ApiError::Transport("no answer within 30 s".into())));
    let outcome = if result.is_ok() { "ok" } else { "error" };
    shared.metrics.op(op.kind.plural, op.side, name(&op.act), outcome);
    let mut state = shared.state();
    match result {
        Ok(Done::Object(object)) => {
            if let Act::Patch { body, .. } = &op.act {
                state.learn_drops(op.side, op.kind, skew::dropped(body, object.value()));
            }
            state.end_write(op.side, op.kind, &op.key, Some(object), settled);
        }
        Ok(Done::Gone(uid)) => {
            state.end_write(op.side, op.kind, &op.key, None, None);
            state.removed(op.side, op.kind, &op.key, &uid, settled);
        }
        Ok(Done::Bound(node)) => {
            state.end_write(op.side, op.kind, &op.key, None, None);
            state.amend(op.side, op.kind, &op.key, &["spec", "nodeName"], &node);
        }
        Ok(Done::Nothing) => state.end_write(op.side, op.kind, &op.key, None, None),
        Err(error) => {
            state.end_write(op.side, op.kind, &op.key, None, None);
            return Err(error);
        }
    }
    Ok(())
}

/// The name of an act, for logs and metrics.
pub fn name(act: &Act) -> &'static str {
    match act {
        Act::Create(_) => "create",
        Act::Patch { .. } => "patch",
        Act::Delete { .. } => "delete",
        Act::Bind { .. } => "bind",
        Act::WithTokens { .. } => "tokens",
    }
}

/// Writes as they are logged: what was done to which resource of which side.
pub struct Writes<'a>(pub &'a [Op]);

impl fmt::Display for Writes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, op)| {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} {} {}", name(&op.act), op.side, op.kind.plural)
        })
    }
}

async fn execute(shared: &Shared, op: &Op, act: &Act) -> Result<Done, ApiError> {
    let api = shared.api(op.side);
    match act {
        Act::Create(object) => {
            read(shared, op, &api.create_unread(op.kind, &op.key, object.value()).await?)
        }
        Act::Patch { uid, resource_version, form, subresource, body } => {
            let mut body = body.clone();
            let metadata = members(&mut body).entry("metadata").or_insert_with(|| json!({}));
            members(metadata).insert("uid", uid.as_str().into());
            if let Some(version) = resource_version {
                members(metadata).insert("resourceVersion", version.as_str().into());
            }
            let answer = api.patch_unread(op.kind, &op.key, *subresource, *form, &body).await?;
            read(shared, op, &answer)
        }
        Act::Delete { uid, grace_seconds } => delete(shared, op, uid, *grace_seconds).await,
        Act::Bind { uid, node } => {
            let binding = json!({
                "apiVersion": "v1", "kind": "Binding",
                "metadata": {"name": op.key.name(), "namespace": op.key.namespace(), "uid": uid},
                "target": {"apiVersion": "v1", "kind": "Node", "name": node},
            });
            api.post(op.kind, &op.key, "binding", &binding).await.map(|_| Done::Bound(node.clone()))
        }
        Act::WithTokens { requests, then } => {
            let requested =
                requests.iter().map(|request| request_token(shared.api(Side::Virtual), request));
            let granted = futures::future::try_join_all(requested).await?;
            let mut act = (**then).clone();
            tokens::fill(&mut act, &granted);
            Box::pin(execute(shared, op, &act)).await
        }
    }
}

/// Reads the object that a server returned, as far as its kind does.
fn read(shared: &Shared, op: &Op, answer: &[u8]) -> Result<Done, ApiError> {
    let unread = shared.state().unread(op.side, op.kind);
    Ok(Done::Object(parse::object_but(answer, unread)?))
}

async fn delete(shared: &Shared, op: &Op, uid: &str, grace: Option<i64>) -> Result<Done, ApiError> {
    let answer = match shared.api(op.side).delete(op.kind, &op.key, uid, grace).await {
        Ok(answer) => answer,
        // Gone already, which is what was wanted.
        Err(error) if error.code() == 404 => return Ok(Done::Gone(uid.to_owned())),
        Err(error) => return Err(error),
    };
    let end: Ending = serde_json::from_slice(&answer)?;
    Ok(match end.has_come() {
        true => Done::Gone(uid.to_owned()),
        // On its way out, by grace period or finalizers.
        false if end.is_deleting() && grace != Some(0) => read(shared, op, &answer)?,
        // Returned as it was before: the watch will tell.
        false => Done::Nothing,
    })
}

/// What the answer to a delete says about the object's end; most are read no further.
#[derive(serde::Deserialize)]
struct Ending {
    kind: String,
    #[serde(default)]
    metadata: EndingMetadata,
}

#[derive(serde::Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct EndingMetadata {
    deletion_timestamp: Option<IgnoredAny>,
    deletion_grace_period_seconds: Option<i64>,
    finalizers: Option<Vec<IgnoredAny>>,
}

impl Ending {
    fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether this is the object's last state: one without grace or finalizers is not there any more, whatever kind of
    /// answer its resource gives.
    fn has_come(&self) -> bool {
        let no_grace = self.metadata.deletion_grace_period_seconds == Some(0);
        let held = self.metadata.finalizers.as_ref().is_some_and(|list| !list.is_empty());
        self.kind == "Status" || self.is_deleting() && no_grace && !held
    }
}

async fn request_token(api: &Api, request: &TokenRequest) -> Result<Token, ApiError> {
    let mut spec = json!({
        "expirationSeconds": request.expiration_seconds,
        "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": &request.pod_name, "uid": &request.pod_uid},
    });
    if !request.audiences.is_empty() {
        members(&mut spec).insert("audiences", json!(&request.audiences));
    }
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    let answer: Value =
        api.post(&SERVICE_ACCOUNTS, &request.service_account.0, "token", &body).await?;
    let answer = Object::new(answer);
    let granted =
        answer.str_at(&["status", "token"]).zip(answer.str_at(&["status", "expirationTimestamp"]));
    let token = granted.and_then(|(token, expires)| {
        Some(Token {
            data_key: request.data_key.clone(),
            token: token.to_owned(),
            expires: expires.parse().ok()?,
        })
    });
    token.ok_or_else(|| ApiError::Transport("a TokenRequest was answered without a token".into()))
}

static SERVICE_ACCOUNTS: vcluster_syncer_core::Resource = vcluster_syncer_core::Resource {
    group: "",
    version: "v1",
    plural: "serviceaccounts",
    kind: "ServiceAccount",
    namespaced: true,
};

/// Reads an object past the cache and takes it in.
pub async fn reread(
    shared: &Shared,
    side: Side,
    kind: &'static vcluster_syncer_core::Resource,
    key: &Key,
) -> Result<Option<Object>, ApiError> {
    let found = timeout(DEADLINE, shared.api(side).get(kind, key)).await;
    found.unwrap_or_else(|_| Err(ApiError::Transport("no answer within 30 s".into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_state_of_an_object_is_told_from_one_on_its_way_out() {
        let ends = |kind: &str, metadata: Value| {
            let answer = json!({"kind": kind, "metadata": metadata, "spec": {"nodeName": "n"}});
            answer.to::<Ending>().unwrap().has_come()
        };
        let pod = |grace: i64, finalizers: &[&str]| {
            ends(
                "Pod",
                json!({
                    "deletionTimestamp": "2026-01-01T00:00:00Z",
                    "deletionGracePeriodSeconds": grace, "finalizers": finalizers,
                }),
            )
        };
        assert!(pod(0, &[]));
        assert!(!pod(30, &[]));
        assert!(!pod(0, &["kubernetes.io/pvc-protection"]));
        assert!(!ends("Service", json!({})));
        assert!(ends("Status", json!({})));
    }
}
