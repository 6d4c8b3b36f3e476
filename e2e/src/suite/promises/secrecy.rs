//! Secrets stay secret.

use anyhow::{Result, ensure};
use base64::Engine as _;
use serde_json::{Value, json};

use crate::suite::kind::Kind;
use crate::suite::space::text;
use crate::suite::virtual_cluster::Wish;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "secrets-reach-no-log",
    about: "the contents of secrets and tokens are in no log of the syncer at any level, no event, no metric and no annotation",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

const CANARY: &str = "canary-that-nobody-may-hear";

async fn run(world: World) -> Result<()> {
    let values = json!({ "controlPlane": { "statefulSet": { "syncer": { "extraArgs": ["--log=trace"] } } } });
    let cluster =
        world.create_with("secrecy", &Wish { values: Some(values), ..Wish::default() }).await?;
    let default = cluster.space("default");
    default.apply(&sample::secret("key", json!({ "word": CANARY }))).await?;
    let volumes = json!({ "volumes": [{ "name": "key", "secret": { "secretName": "key" } }] });
    default.apply(&sample::with(sample::pod("user", sample::idle()), "/spec", volumes)).await?;
    // One that goes wrong, since errors like to quote: its name on the host is taken.
    default.apply(&sample::secret("taken", json!({ "word": CANARY }))).await?;
    let name = format!("taken-x-default-x-{}", cluster.name);
    cluster.host.create(&sample::secret(&name, json!({ "somebody": "else" }))).await?;
    let volumes = json!({ "volumes": [{ "name": "key", "secret": { "secretName": "taken" } }] });
    default.apply(&sample::with(sample::pod("unlucky", sample::idle()), "/spec", volumes)).await?;
    default.ready("user").await?;
    default.event("taken", "SyncError", crate::suite::holds::PATIENCE).await?;
    let foreign = cluster.host.get(kind::SECRETS, &name).await?;
    ensure!(foreign.pointer("/data/somebody").is_some(), "somebody else's secret was touched");
    default.patch(kind::SECRETS, "key", json!({ "stringData": { "more": CANARY } })).await?;
    let folder = "/var/run/secrets/kubernetes.io/serviceaccount";
    let token = default.sh("user", &format!("cat {folder}/token")).await?;

    let encoded = base64::engine::general_purpose::STANDARD.encode(CANARY);
    let signature = token.rsplit('.').next().unwrap_or_default().to_owned();
    ensure!(signature.len() > 40, "the token has no signature");
    let hidden = [CANARY, &encoded, &signature];
    // All of them, if there are several.
    let pods = format!("app=vcluster,release={}", cluster.name);
    let logs = ["logs", "--selector", &pods, "--container", "syncer", "--tail=-1"];
    let log = cluster.host.kubectl(&logs).await?;
    ensure!(log.contains("TRACE"), "the log is not at level trace");
    quiet("the log", &log, &hidden)?;
    quiet("/metrics", &super::door::ask(&cluster, "GET /metrics").await?, &hidden)?;
    for space in [&default, &cluster.host] {
        quiet("events", &shown(space.list(kind::EVENTS, "").await?), &hidden)?;
    }
    for kind in [kind::PODS, kind::SECRETS, kind::CONFIG_MAPS] {
        quiet("marks", &marks(kind, &cluster.twins(kind).await?), &hidden)?;
    }
    Ok(())
}

/// Labels and annotations of objects; of pods all there is.
fn marks(kind: Kind, twins: &[Value]) -> String {
    let of = |twin: &Value| match kind {
        kind::PODS => twin.to_string(),
        _ => twin.get("metadata").map(Value::to_string).unwrap_or_default(),
    };
    twins.iter().map(of).collect()
}

fn shown(objects: Vec<Value>) -> String {
    objects
        .iter()
        .map(|object| format!("{} {}\n", text(object, "/reason"), text(object, "/message")))
        .collect()
}

fn quiet(what: &str, said: &str, hidden: &[&str]) -> Result<()> {
    for word in hidden {
        let line = said.lines().find(|line| line.contains(word));
        ensure!(line.is_none(), "{what} tells a secret: {}", line.unwrap_or_default());
    }
    Ok(())
}
