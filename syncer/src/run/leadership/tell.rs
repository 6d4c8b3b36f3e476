//! Tells the outside who of several replicas leads: a check and a metric.

use prometheus_client::registry::Registry;

use crate::admin::{Check, Gate, Health, Leading};
use crate::lease::Standings;

/// Where it is told who leads.
#[derive(Clone)]
pub struct Tell {
    check: Option<Check>,
    metric: Leading,
}

impl Tell {
    /// A check for several replicas, and the metric. The check keeps no pod from being ready: its API server serves whoever
    /// leads.
    pub fn register(health: &Health, registry: &mut Registry, several: bool) -> Self {
        let check = several.then(|| health.register("leader", Gate::Ready));
        if let Some(check) = &check {
            check.failing_for_good("it is not known yet who leads");
        }
        Tell { check, metric: Leading::register(registry) }
    }

    /// There is no other replica.
    pub(super) fn alone(&self) {
        self.metric.set(true);
    }

    /// Tells how things stand until the election ends.
    pub(super) async fn follow(self, mut standings: Standings) {
        loop {
            self.metric.set(*standings.leading.borrow_and_update());
            if let Some(check) = &self.check {
                match &*standings.leader.borrow_and_update() {
                    Ok(_) => check.ok(),
                    Err(reason) => check.failing(reason),
                }
            }
            let changed = tokio::select! {
                changed = standings.leading.changed() => changed,
                changed = standings.leader.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::watch;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_told_who_leads_without_keeping_a_pod_from_being_ready() {
        let (health, mut registry) = (Health::default(), Registry::default());
        let tell = Tell::register(&health, &mut registry, true);
        assert!(health.started().ok && !health.ready().ok && health.live().ok);
        let (leading, leader) = (watch::Sender::new(false), watch::Sender::new(Ok("b".into())));
        let standings = Standings { leading: leading.subscribe(), leader: leader.subscribe() };
        tokio::spawn(tell.follow(standings));
        let told = async |registry: &Registry| {
            sleep(Duration::from_millis(1)).await;
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
            (health.ready().ok, text.contains("vcluster_leading 1"))
        };
        assert_eq!(told(&registry).await, (true, false));
        leader.send_modify(|known| *known = Ok("a".into()));
        leading.send_replace(true);
        assert_eq!(told(&registry).await, (true, true));
        leading.send_replace(false);
        leader.send_modify(|known| *known = Err("nobody holds it".into()));
        assert_eq!(told(&registry).await, (false, false));
        assert!(health.ready().to_string().contains("nobody holds it"));
        assert!(health.started().ok && health.live().ok);
    }
}
