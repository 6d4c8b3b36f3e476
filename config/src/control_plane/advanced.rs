//! `controlPlane.advanced`

use crate::scalars::{Fragment, Labels, Metadata, Toggle};
use crate::section::section;

section! {
    /// What few people change.
    pub struct Advanced {
        /// A registry to take every image from, instead of those named elsewhere. Images of pods
        /// in the virtual cluster are not touched.
        default_image_registry: String = String::new(),
        /// A scheduler inside the virtual cluster.
        virtual_scheduler: Switch = Switch::default(),
        /// The ServiceAccount of the control plane.
        service_account: ServiceAccount = ServiceAccount::default(),
        /// The ServiceAccount of the tenants' pods. It has no rights.
        workload_service_account: ServiceAccount = ServiceAccount::default(),
        /// The headless Service of the StatefulSet.
        headless_service: Metadata = Metadata::default(),
        /// Annotations of every object of the chart.
        global_metadata: GlobalMetadata = GlobalMetadata::default(),
        /// Limits how many pods of the control plane are evicted at a time.
        pod_disruption_budget: PodDisruptionBudget = PodDisruptionBudget::default(),
    }
}

section! {
    /// Something that is off unless it is turned on.
    pub struct Switch {
        /// Whether it is on.
        enabled: bool = false,
    }
}

section! {
    /// A ServiceAccount of the host.
    pub struct ServiceAccount {
        /// Whether the chart makes it.
        enabled: bool = true,
        /// Its name. Empty: `vc-NAME`, or `vc-workload-NAME` for workloads.
        name: String = String::new(),
        /// Secrets with which images are pulled.
        image_pull_secrets: Vec<Fragment> = Vec::new(),
        /// Extra labels.
        labels: Labels = Labels::new(),
        /// Extra annotations.
        annotations: Labels = Labels::new(),
    }
}

section! {
    /// What every object of the chart carries.
    pub struct GlobalMetadata {
        /// Annotations.
        annotations: Labels = Labels::new(),
    }
}

section! {
    /// Limits how many pods of the control plane are evicted at a time.
    pub struct PodDisruptionBudget {
        /// Whether it exists. `auto`: when there are several pods.
        enabled: Toggle = Toggle::Auto,
        /// How many may be away: a number, or a share such as `50%`. One, when neither is set.
        max_unavailable: Option<crate::scalars::Quantity> = None,
        /// How many must be there: a number, or a share such as `50%`.
        min_available: Option<crate::scalars::Quantity> = None,
        /// Whether pods that are not ready may always be evicted. Empty: Kubernetes' default.
        unhealthy_pod_eviction_policy: String = String::new(),
    }
}
