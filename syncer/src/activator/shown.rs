//! What the host shows of the control plane: followed once, for all who wait for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::sync::watch;
use vcluster_syncer_core::sleep::State;

use super::plane::{Plane, ready_at};

/// The same for all who look.
#[derive(Clone)]
pub struct Shown {
    /// How the virtual cluster is. None: the host has not told yet.
    pub state: watch::Receiver<Option<State>>,
    /// Where its API servers answer that are ready, by their pods' names.
    pub addresses: watch::Receiver<BTreeMap<String, SocketAddr>>,
}

impl Shown {
    /// What is shown, and what keeps it up to date for as long as it runs.
    pub fn of(plane: &Plane) -> (Shown, impl Future<Output = ()>) {
        let (states, state) = watch::channel(None);
        let (told, addresses) = watch::channel(BTreeMap::new());
        let following = async move {
            let selector = plane.pods();
            tokio::join!(
                plane.namespace.follow("statefulsets", &plane.name, &states, |set| {
                    Some(Some(set.map_or(State::Paused, State::of)))
                }),
                plane.namespace.follow_all("pods", &selector, &told, |pod| {
                    Some(SocketAddr::new(ready_at(pod, &plane.server)?, plane.port))
                }),
            );
        };
        (Shown { state, addresses }, following)
    }

    /// Waits until something else is shown than when this was last asked.
    pub async fn changed(&mut self) {
        let told = tokio::select! {
            told = self.state.changed() => told,
            told = self.addresses.changed() => told,
        };
        if told.is_err() {
            // The program ends.
            std::future::pending::<()>().await;
        }
    }
}
