//! What all nodes share: the ways to both clusters, places for streams, numbers.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answers::{Answer, plain};
use super::pods::Pods;
use super::reviews::Reviews;
use super::usage::Usage;

/// Everything a request may need.
pub(super) struct Shared {
    pub(super) pods: Pods,
    pub(super) reviews: Reviews,
    pub(super) usage: Usage,
    pub(super) places: Places,
    pub(super) metrics: KubeletMetrics,
    pub(super) tasks: TaskTracker,
    /// Streams end when this fires.
    pub(super) overdue: CancellationToken,
}

/// Places for streams that are open at the same time.
pub(super) struct Places {
    free: Arc<Semaphore>,
    all: usize,
    open: Gauge,
}

/// Held while a stream is open.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    open: Gauge,
}

impl Places {
    pub(super) fn new(all: usize, open: Gauge) -> Self {
        let all = all.min(Semaphore::MAX_PERMITS);
        Places { free: Arc::new(Semaphore::new(all)), all, open }
    }

    /// None when all are taken.
    pub(super) fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        self.open.inc();
        Some(Place { _permit: permit, open: self.open.clone() })
    }

    /// The answer to a stream too many.
    pub(super) fn full(&self) -> Answer {
        tracing::warn!(streams = self.all, "a stream was refused: as many are open as are allowed");
        let text = format!("{} streams are open, which is the limit; try again later\n", self.all);
        let mut answer = plain(StatusCode::TOO_MANY_REQUESTS, text);
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        answer
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Counts requests and streams of all virtual nodes.
#[derive(Clone)]
pub struct KubeletMetrics {
    requests: Family<Answered, Counter>,
    pub(super) streams: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: &'static str,
    code: u16,
}

impl KubeletMetrics {
    /// Adds `vcluster_kubelet_requests_total{route,code}` and `vcluster_kubelet_streams` to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = KubeletMetrics { requests: Family::default(), streams: Gauge::default() };
        let registry = registry.sub_registry_with_prefix("vcluster_kubelet");
        registry.register("requests", "Requests to virtual nodes", metrics.requests.clone());
        registry.register(
            "streams",
            "Open logs, exec, attach and port-forward streams",
            metrics.streams.clone(),
        );
        metrics
    }

    pub(super) fn answered(&self, route: &'static str, status: StatusCode) {
        self.requests.get_or_create(&Answered { route, code: status.as_u16() }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_counted_and_given_back() {
        let open = Gauge::default();
        let places = Places::new(2, open.clone());
        let first = places.take().unwrap();
        let second = places.take().unwrap();
        assert!(places.take().is_none());
        assert_eq!(open.get(), 2);
        drop(first);
        assert!(places.take().is_some());
        drop(second);
        assert_eq!(open.get(), 0);
        assert_eq!(places.full().status(), StatusCode::TOO_MANY_REQUESTS);
    }
}
