//! The program `activator`: puts a virtual cluster to sleep, and holds its door until it is awake again.
//!
//! Its pod is all that is left of a virtual cluster that sleeps. It alone has the rights that this takes, under a
//! ServiceAccount of its own. The annotations of the StatefulSet say whether the virtual cluster sleeps
//! ([`vcluster_syncer_core::sleep`]); everything here follows them, so that it may be killed at any time.
//!
//! While the virtual cluster sleeps, its Service leads here. A connection wakes it and is held until the API server is
//! ready, then passed on byte by byte: the client speaks TLS with the API server itself and only waits.

mod door;
mod keeper;
mod plane;
mod shown;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use vcluster_config::{AutoSleep, Invalid, Labels, Rest};
use vcluster_syncer_core::{Rule, sleep};

use crate::client::Access;
use crate::namespace::Namespace;
use crate::shutdown::Shutdown;
use crate::sockets::listen;
use plane::Plane;
use shown::Shown;

/// The rights of the activator on the workloads NAME and NAME-etcd.
pub const WORKLOAD_RULES: &[Rule] = &[Rule {
    group: "apps",
    resources: &["statefulsets"],
    verbs: &["get", "patch", "watch"],
    in_admin: true,
}];

/// Its rights on Service NAME, which leads to it or to the control plane.
pub const SERVICE_RULES: &[Rule] =
    &[Rule { group: "", resources: &["services"], verbs: &["get", "patch"], in_admin: true }];

/// Its rights in the namespace: the pods of a virtual cluster that sleeps are freed.
pub const POD_RULES: &[Rule] = &[Rule {
    group: "",
    resources: &["pods"],
    verbs: &["delete", "get", "list", "watch"],
    in_admin: true,
}];

/// Label `app` of its pod, which is also told apart by `release`.
pub const APP: &str = "vcluster-activator";

/// How long the host may take for an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Time between SIGTERM and giving up on what is under way.
const GRACE: Duration = Duration::from_secs(5);

/// What the chart tells it, as one JSON document: it need not see the other options.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Arguments {
    /// The name of the virtual cluster.
    name: String,
    /// The namespace on the host.
    namespace: String,
    /// Port of the API server, and of the door.
    port: u16,
    /// The container of the API server.
    server: String,
    /// The values `sleep.auto`.
    options: AutoSleep,
    /// What the Service selects while the virtual cluster is awake.
    selector: Labels,
    /// The StatefulSets of the control plane in the order in which they start; the last one is itself.
    workloads: Vec<String>,
}

impl Arguments {
    /// Reads the document.
    ///
    /// # Errors
    /// When it is another one.
    pub fn read(document: &str) -> anyhow::Result<Arguments> {
        serde_json::from_str(document).context("the argument is not what the chart tells")
    }
}

/// Runs until SIGTERM.
///
/// # Errors
/// With what is wrong and what to do about it, when it cannot start.
pub async fn run(args: Arguments) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals(GRACE)?;
    let rest = match args.options.rest() {
        Ok(Rest { after_inactivity, sleep, wake }) => sleep::Rest { after_inactivity, sleep, wake },
        Err(problems) => anyhow::bail!(Invalid(problems)),
    };
    let host = Access::of_pod()?.client().context("no client for the host")?;
    let namespace = Namespace::new(host, &args.namespace).within(ANSWER);
    let port = args.port;
    let name = args.name.clone();
    let plane = Arc::new(Plane::new(namespace, args));
    let listener =
        listen(None, port).await.with_context(|| format!("port {port} cannot be had"))?;
    tracing::info!(port, name, "holding the door");
    let (shown, following) = Shown::of(&plane);
    tokio::select! {
        () = following => {}
        () = door::serve(listener, Arc::clone(&plane), shown.clone()) => {}
        () = keeper::keep(&plane, shown, &rest) => {}
        () = shutdown.asked().cancelled() => {}
    }
    Ok(())
}
