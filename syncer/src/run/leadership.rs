//! Who of several replicas acts.

mod tell;

use std::future::Future;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};
use vcluster_config::{Config, HighAvailability, StoreKind};
use vcluster_syncer_core::Settings;
use vcluster_syncer_core::resource::SERVICES;

use super::RunArgs;
use crate::engine::Engine;
use crate::engine::api::Api;
use crate::lease::{Election, Timing, lease_name};
use crate::shutdown::Shutdown;

/// What the API server beside the syncer is asked. It says nothing of the store, which all replicas share: another leader
/// would not help. Of its members one may be lost, and then this would be a matter of luck.
const ALIVE: &str = "/livez/ping";
/// The same with a database, to which the way leads through a kine of the pod's own.
const ALIVE_WITH_KINE: &str = "/readyz/etcd";

pub use tell::Tell;

/// This replica's part in who leads.
pub struct Leadership {
    /// Whether it does.
    pub leading: watch::Receiver<bool>,
    campaign: JoinHandle<()>,
    fit: Option<Fitness>,
}

impl Leadership {
    /// One replica always leads, and writes no lease: it would be the only thing that an idle virtual cluster writes. Of
    /// several none does before it is [fit](Self::when_fit).
    pub fn begin(
        args: &RunArgs,
        config: &Config,
        settings: &Settings,
        host: &Api,
        shutdown: &Shutdown,
        tell: Tell,
    ) -> Self {
        let available = &config.control_plane.stateful_set.high_availability;
        if available.replicas <= 1 {
            let leading = watch::Sender::new(true).subscribe();
            tell.alone();
            return Leadership { leading, campaign: tokio::spawn(async {}), fit: None };
        }
        let timing = timing(available);
        let fit = watch::Sender::new(false);
        let election = Election::new(
            host.client().clone(),
            &args.namespace,
            &lease_name(&args.name),
            &format!("{}_{}", args.pod, args.pod_uid),
            timing,
        );
        let election = match owner(settings) {
            Some(owner) => election.owned_by(owner),
            None => election,
        };
        let (standings, campaign) = election.start(fit.subscribe(), shutdown.asked().clone());
        let leading = standings.leading.clone();
        tokio::spawn(tell.follow(standings));
        let question = match config.control_plane.backing_store.kind() {
            StoreKind::Sqlite | StoreKind::ExternalDatabase => ALIVE_WITH_KINE,
            StoreKind::DeployedEtcd | StoreKind::ExternalEtcd => ALIVE,
        };
        let fit = Some(Fitness { question, timing, fit });
        Leadership { leading, campaign: tokio::spawn(campaign), fit }
    }

    /// Lets it lead as long as it is able to. The task ends after a shutdown was asked for, when the lease is given back.
    pub fn when_fit(self, engine: Engine, inside: Api) -> JoinHandle<()> {
        if let Some(fitness) = self.fit {
            tokio::spawn(fitness.keep(engine, inside));
        }
        self.campaign
    }
}

/// With whom the lease goes.
fn owner(settings: &Settings) -> Option<OwnerReference> {
    (!settings.owner_uid.is_empty()).then(|| OwnerReference {
        api_version: SERVICES.api_version(),
        kind: SERVICES.kind.to_owned(),
        name: settings.name.clone(),
        uid: settings.owner_uid.clone(),
        ..OwnerReference::default()
    })
}

fn timing(available: &HighAvailability) -> Timing {
    let seconds = |number: u32| Duration::from_secs(number.into());
    Timing {
        duration: seconds(available.lease_duration),
        renew_within: seconds(available.renew_deadline),
        renew_every: seconds(available.retry_period),
        // A look is a read, and what passes until the next is time that nobody leads.
        look_every: seconds(available.retry_period) / 2,
    }
}

/// Only who knows both clusters and reaches the virtual one is to lead: one that starts, or whose API server hangs, would
/// hold the others up.
struct Fitness {
    question: &'static str,
    timing: Timing,
    fit: watch::Sender<bool>,
}

impl Fitness {
    async fn keep(self, engine: Engine, inside: Api) {
        engine.knows_all().await;
        let within = self.timing.renew_within;
        let mut answered = Instant::now();
        loop {
            // As long as it is fit, no later than a lease that is not renewed is given up.
            let since = if *self.fit.borrow() { answered } else { Instant::now() };
            if let Ok(Ok(_)) = timeout_at(since + within, inside.get_raw(self.question)).await {
                answered = Instant::now();
            }
            let is_fit = answered.elapsed() < within;
            if self.fit.send_replace(is_fit) && !is_fit {
                tracing::warn!(
                    "the API server beside this syncer does not answer, another is to lead"
                );
            }
            sleep(self.timing.renew_every).await;
        }
    }
}

/// Does what only the leader does, from the beginning whenever this replica becomes it. Ends with the syncer.
pub async fn while_leading<F: Future<Output = ()>>(
    mut leading: watch::Receiver<bool>,
    duties: impl Fn() -> F,
) {
    while leading.wait_for(|leads| *leads).await.is_ok() {
        let deposed = async {
            // A single replica has nobody who could depose it.
            if leading.wait_for(|leads| !*leads).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = deposed => {}
            () = async { duties().await; std::future::pending().await } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn the_lease_goes_with_the_release_unless_that_is_off() {
        let mut settings = Settings::example();
        assert_eq!(owner(&settings).map(|owner| owner.uid), Some("owner-uid".to_owned()));
        settings.owner_uid.clear();
        assert!(owner(&settings).is_none(), "an owner without a UID is refused");
    }

    #[tokio::test(start_paused = true)]
    async fn who_leads_alone_begins_its_duties_once() {
        let begun = std::sync::Arc::new(AtomicU32::new(0));
        let count = std::sync::Arc::clone(&begun);
        let alone = watch::Sender::new(true).subscribe();
        tokio::spawn(while_leading(alone, move || {
            count.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_secs(1))
        }));
        sleep(Duration::from_secs(60)).await;
        assert_eq!(begun.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn duties_are_done_while_it_leads_and_no_longer() {
        let leads = watch::Sender::new(false);
        let done = std::sync::Arc::new(AtomicU32::new(0));
        let count = std::sync::Arc::clone(&done);
        tokio::spawn(while_leading(leads.subscribe(), move || {
            let count = std::sync::Arc::clone(&count);
            async move {
                loop {
                    count.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }));
        for (lead, at_the_end) in [(false, 0), (true, 10), (false, 10), (true, 20)] {
            leads.send_replace(lead);
            sleep(Duration::from_millis(9_500)).await;
            assert_eq!(done.load(Ordering::Relaxed), at_the_end);
        }
    }
}
