//! `policies`

use std::collections::BTreeMap;

use crate::scalars::{Fragment, Labels, Quantity, Toggle};
use crate::section::section;

section! {
    /// What tenants may use of the host. Nothing is limited unless it is turned on here.
    pub struct Policies {
        /// How much the namespace may use in total.
        resource_quota: ResourceQuota = ResourceQuota::default(),
        /// What a container gets that says nothing.
        limit_range: LimitRange = LimitRange::default(),
    }
}

section! {
    /// How much the namespace may use in total, as a ResourceQuota.
    pub struct ResourceQuota {
        /// Whether it exists. `auto`: when `limitRange` is `true`.
        enabled: Toggle = Toggle::Auto,
        /// Extra labels.
        labels: Labels = Labels::new(),
        /// Extra annotations.
        annotations: Labels = Labels::new(),
        /// The limits, by resource name.
        quota: BTreeMap<String, Quantity> = quota(),
        /// Which objects count, as an expression.
        scope_selector: Fragment = selector(),
        /// Which objects count.
        scopes: Vec<String> = Vec::new(),
    }
}

section! {
    /// What a container gets that says nothing, as a LimitRange.
    pub struct LimitRange {
        /// Whether it exists. `auto`: when `resourceQuota` is `true`.
        enabled: Toggle = Toggle::Auto,
        /// Extra labels.
        labels: Labels = Labels::new(),
        /// Extra annotations.
        annotations: Labels = Labels::new(),
        /// Limits of a container that has none.
        default: BTreeMap<String, Quantity> =
            amounts(&[("ephemeral-storage", "8Gi"), ("memory", "512Mi"), ("cpu", "1")]),
        /// Requests of a container that has none.
        default_request: BTreeMap<String, Quantity> =
            amounts(&[("ephemeral-storage", "3Gi"), ("memory", "128Mi"), ("cpu", "100m")]),
        /// The least that a container may ask for.
        min: BTreeMap<String, Quantity> = BTreeMap::new(),
        /// The most that a container may ask for.
        max: BTreeMap<String, Quantity> = BTreeMap::new(),
    }
}

impl Policies {
    /// Whether the chart makes a ResourceQuota: when it is on, or left open while the limit range is on.
    #[must_use]
    pub fn has_resource_quota(&self) -> bool {
        self.resource_quota.enabled.or(self.limit_range.enabled == Toggle::On)
    }

    /// Whether the chart makes a LimitRange: when it is on, or left open while the quota is on.
    #[must_use]
    pub fn has_limit_range(&self) -> bool {
        self.limit_range.enabled.or(self.resource_quota.enabled == Toggle::On)
    }
}

fn amounts(list: &[(&str, &str)]) -> BTreeMap<String, Quantity> {
    list.iter().map(|(name, amount)| ((*name).to_owned(), Quantity::from(*amount))).collect()
}

fn quota() -> BTreeMap<String, Quantity> {
    let mut quota = amounts(&[
        ("requests.memory", "20Gi"),
        ("requests.storage", "100Gi"),
        ("requests.ephemeral-storage", "60Gi"),
        ("limits.memory", "40Gi"),
        ("limits.ephemeral-storage", "160Gi"),
    ]);
    let counts = [
        ("requests.cpu", 10),
        ("limits.cpu", 20),
        ("services.nodeports", 0),
        ("services.loadbalancers", 1),
        ("count/endpoints", 40),
        ("count/pods", 20),
        ("count/services", 20),
        ("count/secrets", 100),
        ("count/configmaps", 100),
        ("count/persistentvolumeclaims", 20),
    ];
    quota.extend(counts.into_iter().map(|(name, count)| (name.to_owned(), Quantity::from(count))));
    quota
}

fn selector() -> Fragment {
    Fragment::from_iter([("matchExpressions".to_owned(), serde_json::Value::Array(Vec::new()))])
}
