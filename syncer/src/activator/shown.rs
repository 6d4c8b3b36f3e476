//! What the host shows of the control plane: followed once, for all who wait for it.

use std::net::SocketAddr;

use tokio::sync::watch;
use vcluster_syncer_core::sleep::State;

use super::plane::{Plane, ready_at};

/// The same for all who look.
#[derive(Clone)]
pub struct Shown {
    /// How the virtual cluster is. None: the host has not told yet.
    pub state: watch::Receiver<Option<State>>,
    /// Where its API server answers, once it is ready.
    pub address: watch::Receiver<Option<SocketAddr>>,
}

impl Shown {
    /// What is shown, and what keeps it up to date for as long as it runs.
    pub fn of(plane: &Plane) -> (Shown, impl Future<Output = ()>) {
        let (states, state) = watch::channel(None);
        let (addresses, address) = watch::channel(None);
        let following = async move {
            let (workload, pod) = (&plane.name, format!("{}-0", plane.name));
            tokio::join!(
                plane.namespace.follow("statefulsets", workload, &states, |set| {
                    Some(Some(set.map_or(State::Paused, State::of)))
                }),
                plane.namespace.follow("pods", &pod, &addresses, |pod| {
                    let ready = pod.and_then(ready_at);
                    Some(ready.map(|address| SocketAddr::new(address, plane.port)))
                }),
            );
        };
        (Shown { state, address }, following)
    }

    /// Waits until something else is shown than when this was last asked.
    pub async fn changed(&mut self) {
        let told = tokio::select! {
            told = self.state.changed() => told,
            told = self.address.changed() => told,
        };
        if told.is_err() {
            // The program ends.
            std::future::pending::<()>().await;
        }
    }
}
