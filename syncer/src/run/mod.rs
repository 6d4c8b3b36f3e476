//! `syncer run`: which rooms there are, and in what order they open.
//!
//! The own door first, so that whoever waits can see for what; then the kubeconfig for clients, which needs no API
//! server; then, as soon as the virtual API server answers, the engine, the kubelet API and CoreDNS.

mod central_admission;
mod clusters;
mod inside;
pub(crate) mod kinds;
mod leadership;
mod manifests;
mod metrics_api;
mod nodes;
pub(crate) mod publish;
pub(crate) mod renewing;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use vcluster_config::Loaded;

use crate::activity;
use crate::admin::{Admin, Gate, Health, Metrics, Process, QueueDepths, StoreObjects};
use crate::engine::Engine;
use crate::kubelet::KubeletMetrics;
use crate::logging::LogLevel;
use crate::rights;
use crate::shutdown::Shutdown;
use leadership::Leadership;

/// Time between SIGTERM and giving up on what is under way. Less than the pod's grace period.
const GRACE: Duration = Duration::from_secs(10);

/// Arguments of `syncer run`.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// The name of the virtual cluster.
    #[arg(long, env = "VCLUSTER_NAME")]
    pub name: String,
    /// The namespace on the host.
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: String,
    /// The options of the virtual cluster.
    #[arg(long, default_value = "/etc/vcluster/config.yaml")]
    pub config: PathBuf,
    /// Where `syncer init` wrote the certificates and kubeconfigs.
    #[arg(long, default_value = "/pki")]
    pub pki: PathBuf,
    /// Image of the syncer itself, for the init container that writes `/etc/hosts` of pods with a subdomain.
    #[arg(long, env = "SYNCER_IMAGE", default_value = "")]
    pub image: String,
    /// The addresses of this pod, joined by commas: they are in the API server's certificate.
    #[arg(long, env = "POD_IPS", value_delimiter = ',')]
    pub pod_ips: Vec<IpAddr>,
    /// The addresses of this pod's node, joined by commas.
    #[arg(long, env = "HOST_IPS", value_delimiter = ',')]
    pub host_ips: Vec<IpAddr>,
    /// The pod's name, by which people tell replicas apart.
    #[arg(long, env = "POD_NAME", default_value = "")]
    pub pod: String,
    /// The pod's UID: one that was made again under its name is another, though the old one may still run somewhere.
    #[arg(long, env = "POD_UID", default_value = "")]
    pub pod_uid: String,
    /// Where the own door listens: health, metrics, log level.
    #[arg(long, env = "ADMIN_ADDRESS", default_value = "0.0.0.0:8080")]
    pub admin: SocketAddr,
}

/// Runs until SIGTERM.
///
/// # Errors
/// With what is wrong and what to do about it, when the syncer cannot start.
pub async fn run(args: RunArgs, log_level: LogLevel) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals(GRACE)?;
    let text = std::fs::read_to_string(&args.config)
        .with_context(|| format!("the options cannot be read from {}", args.config.display()))?;
    let Loaded { config, .. } = vcluster_config::load(&args.config.display().to_string(), &text)?;

    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let kubelet_metrics = KubeletMetrics::register(&mut registry);
    registry.register_collector(Box::new(Process));
    let health = Health::default();
    // Nothing is known yet, so nothing is ready. Who owns a check takes it over when it opens.
    for name in ["host-api", "virtual-api", "store"] {
        health.register(name, Gate::Ready);
    }
    // With several replicas only the leader deploys CoreDNS, and it needs replicas that are ready to reach the API.
    let alone = config.control_plane.stateful_set.high_availability.replicas <= 1;
    let awaited = alone && config.control_plane.coredns.enabled;
    let dns_check = awaited.then(|| health.register("dns", Gate::Ready));
    let tell = leadership::Tell::register(&health, &mut registry, !alone);
    let engine: Arc<OnceLock<Engine>> = Arc::default();
    let sizes = Arc::clone(&engine);
    StoreObjects::register(&mut registry, move || {
        sizes.get().map(Engine::store_sizes).unwrap_or_default()
    });
    let depths = Arc::clone(&engine);
    QueueDepths::register(&mut registry, move || {
        depths.get().map(Engine::queue_depths).unwrap_or_default()
    });
    let looked_at = Arc::clone(&engine);
    let admin = Admin {
        health: health.clone(),
        registry,
        log_level,
        state: Arc::new(move || looked_at.get().map(Engine::debug_state).unwrap_or_default()),
    };
    let listener = TcpListener::bind(args.admin).await.with_context(|| {
        format!("the address {} of health and metrics cannot be had", args.admin)
    })?;
    tokio::spawn(admin.serve(listener, shutdown.overdue().clone()));

    if config.sleep.auto.counts_requests() {
        activity::start(args.admin.ip()).await?;
    }

    let work = async {
        let host = clusters::host()?;
        tokio::spawn(rights::notice(
            host.client().clone(),
            args.namespace.clone(),
            args.name.clone(),
            config.clone(),
            health.register("rights", Gate::Notice),
        ));
        publish::kubeconfigs(&host, &config, &args).await?;
        renewing::start(&args, &config, &host, &shutdown)?;
        let inside = clusters::inside(&args, &config).await?;
        let settings = clusters::settings(&args, &config, &host, &inside).await?;
        let leadership = Leadership::begin(&args, &config, &settings, &host, &shutdown, tell);
        let leading = leadership.leading.clone();
        let started = Engine::start(
            settings.clone(),
            kinds::enabled(&config),
            inside.clone(),
            host.clone(),
            &health,
            metrics,
            leading.clone(),
            shutdown.asked().clone(),
        );
        let started = engine.get_or_init(|| started).clone();
        let campaign = leadership.when_fit(started.clone(), inside.clone());
        let servers = nodes::serve(
            &args,
            &settings,
            &host,
            &inside,
            started.clone(),
            kubelet_metrics,
            &health,
            shutdown.clone(),
        )?;
        let metrics_check = health.register("metrics-api", Gate::Notice);
        let measures = metrics_api::serve(&args, &config, &servers, &metrics_check).await;
        let exports_check = health.register("exports", Gate::Notice);
        let webhooks_check = health.register("central-admission", Gate::Notice);
        let mirror = started.clone();
        tokio::spawn(leadership::while_leading(leading, move || {
            let dns =
                inside::keep_dns(inside.clone(), config.clone(), mirror.clone(), dns_check.clone());
            let exports = publish::keep(
                host.clone(),
                inside.client().clone(),
                config.clone(),
                args.clone(),
                exports_check.clone(),
            );
            let webhooks =
                central_admission::keep(inside.clone(), config.clone(), webhooks_check.clone());
            let measured = metrics_api::offer(
                inside.clone(),
                host.clone(),
                args.clone(),
                measures,
                metrics_check.clone(),
            );
            async move {
                tokio::join!(dns, exports, webhooks, measured);
            }
        }));
        anyhow::Ok((started, servers, campaign))
    };
    let (engine, servers, campaign) = tokio::select! {
        done = work => done?,
        () = shutdown.asked().cancelled() => return Ok(()),
    };
    shutdown.asked().cancelled().await;
    // What is being written ends within seconds, streams by themselves or when time is up. Who led gives that back at
    // once: another need not wait.
    let (_given_back, (), ()) = tokio::join!(campaign, engine.finish(), servers.finish());
    Ok(())
}
