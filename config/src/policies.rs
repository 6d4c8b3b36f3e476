//! `policies`

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network_policy::NetworkPolicy;
use crate::scalars::{Fragment, Labels, Quantity, Toggle};
use crate::section::section;

section! {
    /// What tenants may use of the host. Nothing is limited unless it is turned on here.
    pub struct Policies {
        /// Closes what the rest of this section leaves open: pods keep to the Pod Security Standard
        /// `baseline`, the namespace gets a quota and limits, and network policies keep strangers
        /// out. Each part can be set otherwise below.
        isolate: bool = false,
        /// How much the namespace may use in total.
        resource_quota: ResourceQuota = ResourceQuota::default(),
        /// What a container gets that says nothing.
        limit_range: LimitRange = LimitRange::default(),
        /// Who may talk to the virtual cluster's pods and its control plane, and whom they may
        /// talk to. The host's network must enforce network policies.
        network_policy: NetworkPolicy = NetworkPolicy::default(),
        /// The Pod Security Standard that every pod must keep on the host: `privileged` (anything
        /// goes), `baseline` or `restricted`. One that does not stays pending, with an event that
        /// says why. Empty: `baseline` with `isolate`, else `privileged`.
        pod_security_standard: PodSecurityStandard = PodSecurityStandard::Open,
        /// Webhooks of the host's owner, which judge or change what is written in the virtual
        /// cluster.
        central_admission: CentralAdmission = CentralAdmission::default(),
    }
}

/// A Pod Security Standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PodSecurityStandard {
    /// Left to `isolate`.
    #[default]
    #[serde(rename = "")]
    Open,
    /// Anything goes.
    Privileged,
    /// Known ways out of a container are closed.
    Baseline,
    /// And good practice is asked for.
    Restricted,
}

section! {
    /// Webhooks of the host's owner. The syncer puts them into the virtual cluster and puts them
    /// back when somebody inside changes or deletes them, which leaves a moment without them. A
    /// `service` in a `clientConfig` is one of the host.
    pub struct CentralAdmission {
        /// Objects of kind ValidatingWebhookConfiguration.
        validating_webhooks: Vec<Fragment> = Vec::new(),
        /// Objects of kind MutatingWebhookConfiguration.
        mutating_webhooks: Vec<Fragment> = Vec::new(),
    }
}

section! {
    /// How much the namespace may use in total, as a ResourceQuota.
    pub struct ResourceQuota {
        /// Whether it exists. `auto`: when `limitRange` or `isolate` is `true`.
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
        /// Whether it exists. `auto`: when `resourceQuota` or `isolate` is `true`.
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
    /// Whether the chart makes a ResourceQuota: when it is on, or left open while the limit range or the preset is on.
    #[must_use]
    pub fn has_resource_quota(&self) -> bool {
        self.resource_quota.enabled.or(self.isolate || self.limit_range.enabled == Toggle::On)
    }

    /// Whether the chart makes a LimitRange: when it is on, or left open while the quota or the preset is on.
    #[must_use]
    pub fn has_limit_range(&self) -> bool {
        self.limit_range.enabled.or(self.isolate || self.resource_quota.enabled == Toggle::On)
    }

    /// Whether the chart makes network policies: when they are on, or left open while the preset is on.
    #[must_use]
    pub fn has_network_policy(&self) -> bool {
        self.network_policy.enabled.or(self.isolate)
    }

    /// The standard that pods must keep; never [`PodSecurityStandard::Open`].
    #[must_use]
    pub fn pod_security(&self) -> PodSecurityStandard {
        match (self.pod_security_standard, self.isolate) {
            (PodSecurityStandard::Open, true) => PodSecurityStandard::Baseline,
            (PodSecurityStandard::Open, false) => PodSecurityStandard::Privileged,
            (asked, _) => asked,
        }
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
