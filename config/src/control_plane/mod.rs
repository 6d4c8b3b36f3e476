//! `controlPlane`: the API server with its store and helpers, and the pod they run in.

mod advanced;
mod coredns;
mod database;
mod distro;
mod etcd;
mod expose;
mod k0s;
mod k3s;
mod replication;
mod stateful_set;
mod store;

pub use advanced::{Advanced, PodDisruptionBudget, ServiceAccount};
pub use coredns::{CoreDns, CoreDnsDeployment, CoreDnsService};
pub use database::{Database, EmbeddedDatabase, ExternalDatabase, SecretKey};
pub use distro::{ApiServer, Distro, DistroKind, Eks, K8s, Program, Scheduler};
pub use etcd::{
    DeployedEtcd, Etcd, EtcdHighAvailability, EtcdPersistence, EtcdService, EtcdStatefulSet,
    EtcdTls, EtcdVolumeClaim, ExternalEtcd,
};
pub use expose::{Ingress, Proxy, Service, ServiceMonitor, TlsRoute};
pub use k0s::K0s;
pub use k3s::K3s;
pub use replication::{ReplicaCredential, ReplicaS3, ReplicaSnapshots, Replication};
pub use stateful_set::{
    HighAvailability, Persistence, Probe, Probes, Retention, Scheduling, Security, StatefulSet,
    VolumeClaim,
};
pub use store::{BackingStore, StoreKind};

use crate::section::section;

section! {
    /// The control plane of the virtual cluster.
    pub struct ControlPlane {
        /// Which distribution of Kubernetes runs. `k8s` when none is enabled.
        distro: Distro = Distro::default(),
        /// Where the virtual cluster keeps its objects. SQLite on a claim when nothing is enabled.
        backing_store: BackingStore = BackingStore::default(),
        /// The DNS server of the virtual cluster.
        coredns: CoreDns = CoreDns::default(),
        /// The address at which the API server listens.
        proxy: Proxy = Proxy::default(),
        /// The Service through which clients and pods reach the API server.
        service: Service = Service::default(),
        /// An Ingress to the API server.
        ingress: Ingress = Ingress::default(),
        /// A TLSRoute to the API server, for a Gateway whose listener passes TLS through.
        tls_route: TlsRoute = TlsRoute::default(),
        /// The pod of the control plane.
        stateful_set: StatefulSet = StatefulSet::default(),
        /// A ServiceMonitor, by which a Prometheus operator finds the metrics of the syncer and of
        /// the API server.
        service_monitor: ServiceMonitor = ServiceMonitor::default(),
        /// What few people change.
        advanced: Advanced = Advanced::default(),
    }
}
