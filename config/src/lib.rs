//! Every option of a virtual cluster, defined once.
//!
//! The types below are the `vcluster.yaml` that users write, the values of the chart, and the
//! settings that the syncer reads at start. `values.yaml`, its schema and the reference page are
//! made from them ([`render`]). Reading a file is [`Document::parse`]; putting files and `--set`
//! together is [`Values`]; [`load`] does it all for the one file that the syncer is given.

mod check;
mod classic;
mod control_plane;
mod document;
mod experimental;
mod export;
pub mod images;
mod integrations;
mod logging;
mod network_policy;
mod networking;
mod policies;
mod problem;
mod rbac;
pub mod render;
mod scalars;
mod schema;
mod section;
mod set;
mod sleep;
mod states;
mod sync;
mod tolerations;
mod validate;
mod values;

pub use classic::{Classic, Converted};
pub use control_plane::*;
pub use document::{Document, Entry, Kind, Node, manifests};
pub use experimental::*;
pub use export::*;
pub use integrations::*;
pub use logging::*;
pub use network_policy::*;
pub use networking::*;
pub use policies::*;
pub use problem::{Invalid, Place, Problem, Severity};
pub use rbac::*;
pub use scalars::*;
pub use schema::schema;
pub use set::{SetError, Typing};
pub use sleep::*;
pub use states::{Row, State, row};
pub use sync::*;
pub use tolerations::Toleration;
pub use validate::validate;
pub use values::{Loaded, Values, load, merge};

use section::section;

section! {
    /// Every option of a virtual cluster.
    pub struct Config {
        /// Which kinds of object are mirrored between the virtual cluster and its host.
        sync: Sync = Sync::default(),
        /// The control plane of the virtual cluster.
        control_plane: ControlPlane = ControlPlane::default(),
        /// Addresses and names.
        networking: Networking = Networking::default(),
        /// What tenants may use of the host.
        policies: Policies = Policies::default(),
        /// What the control plane may do on the host.
        rbac: Rbac = Rbac::default(),
        /// Programs of the host that serve the virtual cluster too.
        integrations: Integrations = Integrations::default(),
        /// The kubeconfig that the control plane leaves in Secret `vc-NAME` for clients.
        export_kube_config: ExportKubeConfig = ExportKubeConfig::default(),
        /// When the virtual cluster sleeps.
        sleep: Sleep = Sleep::default(),
        /// What the control plane's own programs write to their logs.
        logging: Logging = Logging::default(),
        /// Options that may change or go.
        experimental: Experimental = Experimental::default(),
        /// Nothing is ever sent anywhere. The section is here so that existing files install.
        telemetry: Telemetry = Telemetry::default(),
        /// The old place of `networking.serviceCIDR`.
        #[serde(rename = "serviceCIDR")]
        service_cidr: String = String::new(),
        /// Values that Helm shares with the charts of a parent.
        global: Fragment = Fragment::new(),
    }
}

impl Config {
    /// The service range that the user asks for, or empty when it is to be found on the host.
    #[must_use]
    pub fn wanted_service_cidr(&self) -> &str {
        match self.networking.service_cidr.as_str() {
            "" => &self.service_cidr,
            cidr => cidr,
        }
    }

    /// The ServiceAccount on the host under which the pods of virtual cluster `name` run.
    #[must_use]
    pub fn workload_service_account(&self, name: &str) -> String {
        match self.control_plane.advanced.workload_service_account.name.as_str() {
            "" => format!("vc-workload-{name}"),
            account => account.to_owned(),
        }
    }

    /// Whether the control plane brings a scheduler.
    #[must_use]
    pub fn has_scheduler(&self) -> bool {
        let plane = &self.control_plane;
        plane.advanced.virtual_scheduler.enabled
            || match plane.distro.kind() {
                DistroKind::K8s => plane.distro.k8s.scheduler.enabled,
                DistroKind::Eks => plane.distro.eks.scheduler.enabled,
                DistroKind::K3s | DistroKind::K0s => false,
            }
    }

    /// Whether any pod is placed by a scheduler inside, be it one that tenants bring.
    #[must_use]
    pub fn schedules_inside(&self) -> bool {
        self.has_scheduler() || self.sync.to_host.pods.hybrid_scheduling.enabled
    }

    /// Whether a kind of storage object is shown that has this switch.
    #[must_use]
    pub fn shows_storage(&self, switch: Toggle) -> bool {
        switch.or(self.schedules_inside() && self.sync.to_host.persistent_volume_claims.enabled)
    }
}
