//! Pods that talk to their API server.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "a-pod-talks-to-its-own-api-server",
    about: "a pod reaches the virtual API server with its service account, by a token that is bound to it, short-lived and never shown on the host",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let common = world.common().await?;
    let space = world.space("robot").await?;
    let account =
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "robot" } });
    space.apply(&account).await?;
    // Kubernetes' own client with its in-cluster settings, which checks the certificate.
    let client = json!({ "name": "main", "image": sample::AGNHOST, "args": ["inclusterclient", "--poll-interval=1"] });
    let spec = json!({ "serviceAccountName": "robot" });
    space.apply(&sample::with(sample::pod("robot", client), "/spec", spec)).await?;
    space.ready("robot").await?;
    holds("the client has asked", || async {
        let said = space.kubectl(&["logs", "robot"]).await?;
        ensure!(said.matches("calling /healthz").count() > 2, "it said:\n{said}");
        ensure!(!said.contains("status=failed") && !said.contains("<empty>"), "it said:\n{said}");
        Ok(())
    })
    .await?;

    let folder = "/var/run/secrets/kubernetes.io/serviceaccount";
    let token = space.sh("robot", &format!("cat {folder}/token")).await?;
    let namespace = space.sh("robot", &format!("cat {folder}/namespace")).await?;
    ensure!(namespace == space.name, "its namespace file says {namespace:?}");
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": { "token": token },
    });
    let mut ask = space.command(&["create", "--filename", "-", "--output", "json"]);
    let review: Value =
        serde_json::from_str(&crate::testbed::run_with(&mut ask, &review.to_string()).await?)?;
    let user = text(&review, "/status/user/username");
    ensure!(
        user == format!("system:serviceaccount:{}:robot", space.name),
        "the token is that of {user:?}: {review}"
    );
    let pod = review.pointer("/status/user/extra").map(Value::to_string).unwrap_or_default();
    ensure!(pod.contains("\"robot\""), "the token is not bound to the pod: {pod}");

    let twin = common.twin(kind::PODS, &space.name, "robot").await?;
    ensure!(!twin.to_string().contains("eyJ"), "the host pod shows a token");
    ensure!(
        twin.pointer("/spec/automountServiceAccountToken") == Some(&json!(false)),
        "the host's token is mounted"
    );
    let claims = claims(&token)?;
    let lifetime = number(&claims, "/exp") - number(&claims, "/iat");
    ensure!((600..=3700).contains(&lifetime), "the token lives for {lifetime} s");

    // The rights are those that the virtual cluster gives.
    let can = |verb: &'static str| {
        let (space, user) = (space.clone(), user.to_owned());
        async move { space.kubectl(&["auth", "can-i", verb, "pods", "--as", &user]).await }
    };
    let role = [
        "create",
        "rolebinding",
        "robot",
        "--clusterrole=view",
        &format!("--serviceaccount={}:robot", space.name),
    ];
    space.kubectl(&role).await?;
    holds("the role counts", || can("list")).await?;
    ensure!(can("delete").await.is_err(), "it may delete pods");
    space.delete(kind::PODS, "robot").await?;
    common.no_twin(kind::PODS, &space.name, "robot").await?;
    holds("its token is gone from the host", || async {
        let secrets = common.host.list(kind::SECRETS, "").await?;
        let left = secrets.iter().any(|secret| {
            text(secret, "/metadata/annotations/vcluster.loft.sh~1object-namespace") == space.name
        });
        ensure!(!left, "a secret is left");
        Ok(())
    })
    .await
}

/// What a token says of itself.
fn claims(token: &str) -> Result<Value> {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap_or_default();
    Ok(serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload)?)?)
}

fn number(claims: &Value, pointer: &str) -> i64 {
    claims.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}
