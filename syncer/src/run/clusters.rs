//! The two clusters: how to reach them, and what must be known of them before anything is mirrored.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use vcluster_config::{Config, PodSecurityStandard, Toleration};
use vcluster_syncer_core::pod_security::Standard;
use vcluster_syncer_core::resource::{NAMESPACES, SERVICES};
use vcluster_syncer_core::{Key, Object, Settings, Side};

use super::RunArgs;
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
    let to_host = &config.sync.to_host;
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    Ok(Settings {
        name: args.name.clone(),
        host_namespace: args.namespace.clone(),
        cluster_domain: config.networking.advanced.cluster_domain.clone(),
        own_dns: config.control_plane.coredns.enabled,
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
        scheduling: super::kinds::scheduling(config),
        images: to_host.pods.translate_image.clone(),
        tolerations: tolerations(&to_host.pods.enforce_tolerations),
        pod_security: match config.policies.pod_security() {
            PodSecurityStandard::Open | PodSecurityStandard::Privileged => None,
            PodSecurityStandard::Baseline => Some(Standard::Baseline),
            PodSecurityStandard::Restricted => Some(Standard::Restricted),
        },
    })
}

/// Tolerations as objects have them. What cannot be read was refused before.
fn tolerations(texts: &[String]) -> Vec<Value> {
    let read = texts.iter().filter_map(|text| Toleration::parse(text).ok());
    read.map(|toleration| {
        let mut object = Object::default();
        if !toleration.key.is_empty() {
            object.set(&["key"], toleration.key);
        }
        if !toleration.effect.is_empty() {
            object.set(&["effect"], toleration.effect);
        }
        match toleration.value {
            Some(value) => {
                object.set(&["operator"], "Equal");
                object.set(&["value"], value);
            }
            None => object.set(&["operator"], "Exists"),
        }
        object.into_value()
    })
    .collect()
}

fn connect(access: &Access, side: Side) -> anyhow::Result<Api> {
    let client = access.client().with_context(|| format!("no client for the {side} cluster"))?;
    Ok(Api::new(client, side))
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
