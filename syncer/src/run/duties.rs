//! What only the leader does beside mirroring.

use vcluster_config::Config;

use super::{RunArgs, central_admission, inside, metrics_api, publish};
use crate::admin::Check;
use crate::engine::Engine;
use crate::engine::api::Api;

/// With what the duties are done.
#[derive(Clone)]
pub struct Duties {
    /// The host.
    pub host: Api,
    /// The virtual cluster.
    pub inside: Api,
    /// The running engine.
    pub engine: Engine,
    /// The options.
    pub config: Config,
    /// The arguments.
    pub args: RunArgs,
    /// Whether the metrics API is served here.
    pub measures: bool,
    /// What tells how they go.
    pub checks: Checks,
}

/// One check a duty.
#[derive(Clone)]
pub struct Checks {
    /// Whether CoreDNS answers, if that is waited for.
    pub dns: Option<Check>,
    /// The metrics API.
    pub metrics: Check,
    /// Kubeconfigs that are handed out.
    pub exports: Check,
    /// The webhooks of the host's owner.
    pub webhooks: Check,
}

impl Duties {
    /// Does them for ever.
    pub async fn fulfil(self) {
        let Duties { host, inside, engine, config, args, measures, checks } = self;
        let webhooks = central_admission::keep(inside.clone(), config.clone(), checks.webhooks);
        let measured = metrics_api::offer(
            inside.clone(),
            host.clone(),
            args.clone(),
            measures,
            checks.metrics,
        );
        let dns = inside::keep_dns(inside.clone(), config.clone(), engine, checks.dns);
        let exports = publish::keep(host, inside.client().clone(), config, args, checks.exports);
        tokio::join!(dns, exports, webhooks, measured);
    }
}
