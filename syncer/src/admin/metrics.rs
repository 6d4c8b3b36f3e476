//! The metrics of the sync engine, by the names that `/metrics` shows.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use vcluster_syncer_core::Side;

/// Counts what the engine does. Clones share the numbers. A `kind` is a plural resource name (`pods`); no label ever
/// holds the name of an object.
#[derive(Clone)]
pub struct Metrics {
    plans: Family<Plans, Counter>,
    ops: Family<Ops, Counter>,
    duration: Family<Kind, Histogram>,
    lag: Family<Lag, Histogram>,
    restarts: Family<KindSide, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindSide {
    kind: &'static str,
    side: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Plans {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ops {
    kind: &'static str,
    side: &'static str,
    op: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lag {
    kind: &'static str,
    direction: &'static str,
}

fn side_label(side: Side) -> &'static str {
    match side {
        Side::Virtual => "virtual",
        Side::Host => "host",
    }
}

/// 0.5 ms to 16 s in doublings: the goals lie between 5 and 20 ms.
fn seconds() -> Histogram {
    Histogram::new(prometheus_client::metrics::histogram::exponential_buckets(0.0005, 2.0, 16))
}

impl Metrics {
    /// Adds the metrics to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Metrics {
            plans: Family::default(),
            ops: Family::default(),
            duration: Family::new_with_constructor(seconds),
            lag: Family::new_with_constructor(seconds),
            restarts: Family::default(),
        };
        let registry = registry.sub_registry_with_prefix("vcluster");
        registry.register("sync_plans", "Plans made, by what they came to", metrics.plans.clone());
        registry.register("sync_ops", "Writes sent to a cluster", metrics.ops.clone());
        registry.register(
            "sync_duration_seconds",
            "Time from taking a key off the queue until its plan is carried out",
            metrics.duration.clone(),
        );
        registry.register(
            "sync_lag_seconds",
            "Time from a change seen on one side until it is written to the other",
            metrics.lag.clone(),
        );
        registry.register(
            "watch_restarts",
            "Watches that had to be started again",
            metrics.restarts.clone(),
        );
        metrics
    }

    /// A plan was made. `outcome` is a fixed word such as `written`, `nothing`, `refused`, `waiting`.
    pub fn plan(&self, kind: &'static str, outcome: &'static str) {
        self.plans.get_or_create(&Plans { kind, outcome }).inc();
    }

    /// A write was sent. `op` and `result` are fixed words such as `create`, `patch`, `delete`; `ok`, `conflict`.
    pub fn op(&self, kind: &'static str, side: Side, op: &'static str, result: &'static str) {
        self.ops.get_or_create(&Ops { kind, side: side_label(side), op, result }).inc();
    }

    /// A key was dealt with in `took`.
    pub fn duration(&self, kind: &'static str, took: Duration) {
        self.duration.get_or_create(&Kind { kind }).observe(took.as_secs_f64());
    }

    /// A change reached the side `to`, `late` after it was seen on the other.
    pub fn lag(&self, kind: &'static str, to: Side, late: Duration) {
        let direction = match to {
            Side::Host => "to_host",
            Side::Virtual => "to_virtual",
        };
        self.lag.get_or_create(&Lag { kind, direction }).observe(late.as_secs_f64());
    }

    /// A watch ended and was started again.
    pub fn watch_restarted(&self, kind: &'static str, side: Side) {
        self.restarts.get_or_create(&KindSide { kind, side: side_label(side) }).inc();
    }
}

/// `vcluster_leading`: 1 while this replica leads and so writes, else 0. With one replica it does as soon as it has started.
#[derive(Clone)]
pub struct Leading(Gauge);

impl Leading {
    /// Adds the metric to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let gauge = Gauge::default();
        registry.register("vcluster_leading", "Whether this replica leads", gauge.clone());
        Leading(gauge)
    }

    /// It leads from now on, or no longer does.
    pub fn set(&self, leads: bool) {
        self.0.set(leads.into());
    }
}

/// Shows `vcluster_queue_depth`, asking the queue only when scraped.
pub struct QueueDepths(Arc<dyn Fn() -> Vec<(&'static str, usize)> + Send + Sync>);

impl QueueDepths {
    /// Adds the collector to `registry`; `depths` is called at every scrape and tells how many keys of each kind wait.
    pub fn register(
        registry: &mut Registry,
        depths: impl Fn() -> Vec<(&'static str, usize)> + Send + Sync + 'static,
    ) {
        registry.register_collector(Box::new(QueueDepths(Arc::new(depths))));
    }
}

impl fmt::Debug for QueueDepths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueDepths")
    }
}

impl Collector for QueueDepths {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut family = encoder.encode_descriptor(
            "vcluster_queue_depth",
            "Keys waiting",
            None,
            MetricType::Gauge,
        )?;
        for (kind, keys) in (self.0)() {
            let gauge = ConstGauge::new(u64::try_from(keys).unwrap_or(u64::MAX));
            gauge.encode(family.encode_family(&Kind { kind })?)?;
        }
        Ok(())
    }
}

/// How many objects a store holds: kind, side, number.
pub type StoreSizes = Vec<(&'static str, Side, usize)>;

/// Shows `vcluster_store_objects`, asking the stores only when scraped.
pub struct StoreObjects(Arc<dyn Fn() -> StoreSizes + Send + Sync>);

impl StoreObjects {
    /// Adds the collector to `registry`; `sizes` is called at every scrape.
    pub fn register(
        registry: &mut Registry,
        sizes: impl Fn() -> StoreSizes + Send + Sync + 'static,
    ) {
        registry.register_collector(Box::new(StoreObjects(Arc::new(sizes))));
    }
}

impl fmt::Debug for StoreObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreObjects")
    }
}

impl Collector for StoreObjects {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut family = encoder.encode_descriptor(
            "vcluster_store_objects",
            "Objects the syncer remembers",
            None,
            MetricType::Gauge,
        )?;
        for (kind, side, objects) in (self.0)() {
            let gauge = ConstGauge::new(u64::try_from(objects).unwrap_or(u64::MAX));
            gauge.encode(family.encode_family(&KindSide { kind, side: side_label(side) })?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_the_promised_ones() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        StoreObjects::register(&mut registry, || vec![("pods", Side::Host, 7)]);
        metrics.plan("pods", "written");
        metrics.op("pods", Side::Host, "create", "ok");
        metrics.duration("pods", Duration::from_millis(3));
        metrics.lag("pods", Side::Virtual, Duration::from_millis(3));
        QueueDepths::register(&mut registry, || vec![("pods", 2)]);
        metrics.watch_restarted("pods", Side::Virtual);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"vcluster_sync_plans_total{kind="pods",outcome="written"} 1"#,
            r#"vcluster_sync_ops_total{kind="pods",side="host",op="create",result="ok"} 1"#,
            r#"vcluster_sync_duration_seconds_count{kind="pods"} 1"#,
            r#"vcluster_sync_lag_seconds_count{kind="pods",direction="to_virtual"} 1"#,
            r#"vcluster_queue_depth{kind="pods"} 2"#,
            r#"vcluster_store_objects{kind="pods",side="host"} 7"#,
            r#"vcluster_watch_restarts_total{kind="pods",side="virtual"} 1"#,
        ] {
            assert!(text.contains(line), "missing {line} in\n{text}");
        }
    }
}
