//! The syncer's own door: it opens first, so that whoever waits can see for what.

use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use vcluster_config::Config;

use super::RunArgs;
use super::leadership::Tell;
use crate::admin::{Admin, Check, Gate, Health, Metrics, Process, QueueDepths, StoreObjects};
use crate::engine::Engine;
use crate::kubelet::KubeletMetrics;
use crate::logging::LogLevel;
use crate::shutdown::Shutdown;

/// What the rooms behind the door tell of themselves there.
pub struct Door {
    /// `/livez`, `/readyz`.
    pub health: Health,
    /// The engine's metrics.
    pub metrics: Metrics,
    /// The kubelet API's.
    pub kubelet_metrics: KubeletMetrics,
    /// Whether CoreDNS answers, if that is waited for.
    pub dns: Option<Check>,
    /// Who leads.
    pub tell: Tell,
    engine: Arc<OnceLock<Engine>>,
}

impl Door {
    /// Opens it. Nothing is known yet, so nothing is ready.
    ///
    /// # Errors
    /// When its address cannot be had.
    pub async fn open(
        args: &RunArgs,
        config: &Config,
        log_level: LogLevel,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Door> {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let kubelet_metrics = KubeletMetrics::register(&mut registry);
        registry.register_collector(Box::new(Process));
        let health = Health::default();
        // Who owns a check takes it over when it opens.
        for name in ["host-api", "virtual-api", "store"] {
            health.register(name, Gate::Ready);
        }
        // With several replicas only the leader deploys CoreDNS, and it needs replicas that are ready to reach the API.
        let alone = config.control_plane.stateful_set.high_availability.replicas <= 1;
        let awaited = alone && config.control_plane.coredns.enabled;
        let dns = awaited.then(|| health.register("dns", Gate::Ready));
        let tell = Tell::register(&health, &mut registry, !alone);
        let engine: Arc<OnceLock<Engine>> = Arc::default();
        let of = Arc::clone(&engine);
        StoreObjects::register(&mut registry, move || {
            of.get().map(Engine::store_sizes).unwrap_or_default()
        });
        let of = Arc::clone(&engine);
        QueueDepths::register(&mut registry, move || {
            of.get().map(Engine::queue_depths).unwrap_or_default()
        });
        let of = Arc::clone(&engine);
        let state = Arc::new(move || of.get().map(Engine::debug_state).unwrap_or_default());
        let admin = Admin { health: health.clone(), registry, log_level, state };
        let address = args.admin();
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("the address {address} of health and metrics cannot be had")
        })?;
        tokio::spawn(admin.serve(listener, shutdown.overdue().clone()));
        Ok(Door { health, metrics, kubelet_metrics, dns, tell, engine })
    }

    /// From now on it shows this engine's state too.
    pub fn show(&self, engine: &Engine) {
        self.engine.get_or_init(|| engine.clone());
    }
}
