//! `syncer run`: which rooms there are, and in what order they open.
//!
//! The own door first, so that whoever waits can see for what; then the kubeconfig for clients, which needs no API
//! server; then, as soon as the virtual API server answers, the engine, the kubelet API and CoreDNS.

mod central_admission;
mod clusters;
mod door;
mod duties;
mod first_dns;
mod inside;
pub(crate) mod kinds;
mod leadership;
mod manifests;
mod metrics_api;
mod nodes;
pub(crate) mod publish;
pub(crate) mod renewing;
mod settings;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use vcluster_config::Loaded;

use crate::activity;
use crate::admin::Gate;
use crate::engine::Engine;
use crate::logging::LogLevel;
use crate::rights;
use crate::shutdown::Shutdown;
use door::Door;
use duties::{Checks, Duties};
use leadership::Leadership;

/// Time between SIGTERM and giving up on what is under way. Less than the pod's grace period.
const GRACE: Duration = Duration::from_secs(10);

/// Port of the own door; the chart has the kubelet ask there.
const ADMIN_PORT: u16 = 8080;

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
    /// Where the own door listens: health, metrics, log level. By default on all addresses of the pod's family, since the
    /// kubelet asks there and `kubectl port-forward` at the loopback address.
    #[arg(long)]
    pub admin: Option<SocketAddr>,
}

impl RunArgs {
    /// Where the own door listens.
    fn admin(&self) -> SocketAddr {
        let any = if self.pod_ips.iter().any(IpAddr::is_ipv6) {
            IpAddr::from(Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::from(Ipv4Addr::UNSPECIFIED)
        };
        self.admin.unwrap_or(SocketAddr::new(any, ADMIN_PORT))
    }
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

    let door = Door::open(&args, &config, log_level, &shutdown).await?;
    if config.sleep.auto.counts_requests() {
        activity::start(args.admin().ip(), &door.health).await?;
    }

    let work = async {
        let health = &door.health;
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
        let leadership =
            Leadership::begin(&args, &config, &settings, &host, &shutdown, door.tell.clone());
        let leading = leadership.leading.clone();
        let engine = Engine::start(
            settings.clone(),
            kinds::enabled(&config),
            inside.clone(),
            host.clone(),
            health,
            door.metrics.clone(),
            leading.clone(),
            shutdown.asked().clone(),
        );
        door.show(&engine);
        let campaign = leadership.when_fit(engine.clone(), inside.clone());
        let servers = nodes::serve(
            &args,
            &settings,
            &host,
            &inside,
            engine.clone(),
            door.kubelet_metrics.clone(),
            health,
            shutdown.clone(),
        )?;
        let checks = Checks {
            dns: door.dns.clone(),
            metrics: health.register("metrics-api", Gate::Notice),
            exports: health.register("exports", Gate::Notice),
            webhooks: health.register("central-admission", Gate::Notice),
        };
        let measures = metrics_api::serve(&args, &config, &servers, &checks.metrics).await;
        let mirror = engine.clone();
        let duties = Duties { host, inside, engine, config, args, measures, checks };
        tokio::spawn(leadership::while_leading(leading, move || duties.clone().fulfil()));
        anyhow::Ok((mirror, servers, campaign))
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
