//! The two clusters: how to reach them, and what must be known of them before anything is mirrored.

use std::time::Duration;

use anyhow::{Context as _, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use vcluster_config::{Config, PodSecurityStandard};
use vcluster_syncer_core::pod_security::Standard;
use vcluster_syncer_core::resource::SERVICES;
use vcluster_syncer_core::{Key, Object, Settings, Side};

use super::RunArgs;
use crate::engine::api::{Api, ApiError};

/// How often a server that does not answer yet is asked again.
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// One cluster.
pub struct Cluster {
    /// How to reach it.
    pub config: kube::Config,
    /// Its API.
    pub api: Api,
}

/// The host, as the pod's ServiceAccount.
pub async fn host(args: &RunArgs) -> anyhow::Result<Cluster> {
    let config = match &args.host_kubeconfig {
        Some(path) => from_file(path).await?,
        None => kube::Config::incluster_env()
            .context("the ServiceAccount token of the control plane is not mounted (volume `token` of the chart)")?,
    };
    connect(config, Side::Host)
}

/// The virtual cluster, once its API server answers.
pub async fn inside(args: &RunArgs) -> anyhow::Result<Cluster> {
    let cluster = connect(from_file(&args.pki.join("syncer.conf")).await?, Side::Virtual)?;
    let mut said = String::new();
    loop {
        match cluster.api.get_raw("/readyz").await {
            Ok(_) => return Ok(cluster),
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

/// Turns the options and what the clusters say of themselves into the settings of the core.
pub async fn settings(
    args: &RunArgs,
    config: &Config,
    host: &Cluster,
    inside: &Cluster,
) -> anyhow::Result<Settings> {
    let service = Key::new(&args.namespace, &args.name);
    let (service, host_version, inside_version) = tokio::join!(
        retried("the control plane's Service", || host.api.get(&SERVICES, &service)),
        retried("the host's version", || version(&host.api)),
        retried("the virtual cluster's version", || version(&inside.api)),
    );
    let Some(service) = service else {
        bail!(
            "Service {} does not exist in namespace {}: install the chart again with `helm upgrade`",
            args.name,
            args.namespace
        );
    };
    let to_host = &config.sync.to_host;
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    Ok(Settings {
        name: args.name.clone(),
        host_namespace: args.namespace.clone(),
        cluster_domain: config.networking.advanced.cluster_domain.clone(),
        workload_service_account: format!("vc-workload-{}", args.name),
        rewrite_hosts: to_host.pods.rewrite_hosts.enabled && !args.image.is_empty(),
        rewrite_hosts_image: args.image.clone(),
        owner_uid: service.uid().to_owned(),
        host_events: config.sync.from_host.events.enabled,
        all_config_maps: to_host.config_maps.all,
        all_secrets: to_host.secrets.all,
        kubernetes_version: text(&inside_version, "gitVersion"),
        architecture: architecture(&text(&host_version, "platform")),
        host_minor: minor(&text(&host_version, "minor")),
        priority_class_name: some(&to_host.pods.priority_class_name),
        runtime_class_name: some(&to_host.pods.runtime_class_name),
        pod_security: match config.policies.pod_security() {
            PodSecurityStandard::Open | PodSecurityStandard::Privileged => None,
            PodSecurityStandard::Baseline => Some(Standard::Baseline),
            PodSecurityStandard::Restricted => Some(Standard::Restricted),
        },
    })
}

async fn from_file(path: &std::path::Path) -> anyhow::Result<kube::Config> {
    let kubeconfig = Kubeconfig::read_from(path)
        .with_context(|| format!("kubeconfig {} cannot be read", path.display()))?;
    kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("kubeconfig {} cannot be used", path.display()))
}

fn connect(mut config: kube::Config, side: Side) -> anyhow::Result<Cluster> {
    // The engine has its own ideas of when to try again, and for how long a watch may be silent.
    config.default_retry = false;
    config.read_timeout = None;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.disable_compression = true;
    let client = kube::Client::try_from(config.clone())
        .with_context(|| format!("no client for the {side} cluster"))?;
    Ok(Cluster { config, api: Api::new(client, side) })
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

/// `amd64` of `linux/amd64`: the host's API server's, which is the best guess there is of its nodes'.
fn architecture(platform: &str) -> String {
    platform.split_once('/').map_or("amd64", |(_, architecture)| architecture).to_owned()
}

fn text(value: &Value, member: &str) -> String {
    Object::new(value.clone()).str_at(&[member]).unwrap_or_default().to_owned()
}

/// The minor version; some providers append a plus sign.
fn minor(text: &str) -> u32 {
    text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or_default()
}
