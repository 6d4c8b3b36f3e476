//! The two clusters: how to reach them, and what must be known of them before anything is mirrored.

use std::time::Duration;

use anyhow::{Context as _, bail};
use vcluster_config::Config;
use vcluster_syncer_core::json::Value;
use vcluster_syncer_core::resource::{NAMESPACES, SERVICES};
use vcluster_syncer_core::{Key, Settings, Side};

use super::RunArgs;
use super::settings::{self, Found};
use crate::certs;
use crate::client::Access;
use crate::engine::api::{Api, ApiError};

/// How often a server that does not answer yet is asked again.
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// The host, as the pod's ServiceAccount.
pub fn host() -> anyhow::Result<Api> {
    connect(&Access::of_pod()?, Side::Host)
}

/// The virtual cluster, once its API server answers.
pub async fn inside(args: &RunArgs, config: &Config) -> anyhow::Result<Api> {
    let server = certs::own_server(config).parse()?;
    let inside = connect(&Access::of_pki(&args.pki, server), Side::Virtual)?;
    let mut said = String::new();
    loop {
        match is_up(&inside).await {
            Ok(true) => return Ok(inside),
            Ok(false) => {}
            Err(error) => {
                let error = error.to_string();
                if error != said {
                    tracing::info!(%error, "waiting for the virtual API server");
                    said = error;
                }
            }
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

/// Whether the API server is ready and has made its first namespace, without which no list of it is believed. That takes it
/// a moment more.
async fn is_up(inside: &Api) -> Result<bool, ApiError> {
    inside.get_raw("/readyz").await?;
    Ok(inside.get(&NAMESPACES, &Key::cluster("kube-system")).await?.is_some())
}

/// Turns the options and what the clusters say of themselves into the settings of the core.
pub async fn settings(
    args: &RunArgs,
    config: &Config,
    host: &Api,
    inside: &Api,
) -> anyhow::Result<Settings> {
    let service = Key::new(&args.namespace, &args.name);
    let (service, host_version, inside_version) = tokio::join!(
        retried("the control plane's Service", || host.get(&SERVICES, &service)),
        retried("the host's version", || version(host)),
        retried("the virtual cluster's version", || version(inside)),
    );
    let Some(service) = service else {
        bail!(
            "Service {} does not exist in namespace {}: install the chart again with `helm upgrade`",
            args.name,
            args.namespace
        );
    };
    let found = Found { service, host: host_version, inside: inside_version };
    Ok(settings::settings(args, config, &found))
}

fn connect(access: &Access, side: Side) -> anyhow::Result<Api> {
    let clients = access.client().and_then(|client| Ok((client, access.sharing_client()?)));
    let (client, watcher) = clients.with_context(|| format!("no client for the {side} cluster"))?;
    Ok(Api::new(client, side).watching_with(watcher))
}

async fn version(api: &Api) -> Result<Value, ApiError> {
    Ok(serde_json::from_slice(&api.get_raw("/version").await?)?)
}

/// Asks until there is an answer: at start nothing else can be done.
async fn retried<T, F: Future<Output = Result<T, ApiError>>>(what: &str, ask: impl Fn() -> F) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => tracing::warn!(%error, what, "cannot be read, will retry"),
        }
        tokio::time::sleep(BETWEEN_TRIES * 10).await;
    }
}
