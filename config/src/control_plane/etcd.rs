//! `controlPlane.backingStore.etcd`

use super::stateful_set::{Retention, Scheduling, Security};
use crate::images;
use crate::scalars::{Fragment, Image, Labels, Metadata, Quantity, Resources};
use crate::section::section;

section! {
    /// etcd.
    pub struct Etcd {
        /// An etcd of the virtual cluster's own, which the chart deploys as StatefulSet `NAME-etcd`.
        deploy: DeployedEtcd = DeployedEtcd::default(),
        /// An etcd somewhere else. Each virtual cluster needs one of its own, or an `--etcd-prefix` of
        /// its own among the API server's `extraArgs`.
        external: ExternalEtcd = ExternalEtcd::default(),
    }
}

section! {
    /// An etcd of the virtual cluster's own, which the chart deploys as StatefulSet `NAME-etcd`.
    pub struct DeployedEtcd {
        /// Whether it is used.
        enabled: bool = false,
        /// Its pods.
        stateful_set: EtcdStatefulSet = EtcdStatefulSet::default(),
        /// Service `NAME-etcd`: any member that is ready.
        service: EtcdService = EtcdService::default(),
        /// Service `NAME-etcd-headless`: the names of the members.
        headless_service: EtcdService = EtcdService::default(),
    }
}

section! {
    /// The pods of etcd.
    pub struct EtcdStatefulSet {
        /// Whether the chart makes them. Without it, StatefulSet `NAME-etcd` is your affair.
        enabled: bool = true,
        /// Whether they are told of the namespace's services in their environment.
        enable_service_links: bool = false,
        /// Extra annotations of the StatefulSet.
        annotations: Labels = Labels::new(),
        /// Extra labels of the StatefulSet.
        labels: Labels = Labels::new(),
        /// The image. With `distro.eks` and the repository `etcd` it is that of EKS Distro.
        image: Image = Image::of(
            images::KUBERNETES_REGISTRY,
            images::ETCD_REPOSITORY,
            images::ETCD_VERSION,
        ),
        /// When the image is pulled. Empty: Kubernetes' default.
        image_pull_policy: String = String::new(),
        /// Further arguments. One with the name of an argument of the chart replaces it.
        extra_args: Vec<String> = Vec::new(),
        /// Environment variables.
        env: Vec<Fragment> = Vec::new(),
        /// What a member may use.
        resources: Resources = Resources::of(
            [("memory", "2Gi"), ("ephemeral-storage", "1Gi")],
            [("cpu", "20m"), ("memory", "150Mi")],
        ),
        /// Labels and annotations of the pods.
        pods: Metadata = Metadata::default(),
        /// More than one member.
        high_availability: EtcdHighAvailability = EtcdHighAvailability::default(),
        /// Where the pods run.
        scheduling: Scheduling = Scheduling::default(),
        /// Security contexts, merged into the safe defaults.
        security: Security = Security::default(),
        /// Volumes.
        persistence: EtcdPersistence = EtcdPersistence::default(),
    }
}

section! {
    /// More than one member.
    pub struct EtcdHighAvailability {
        /// How many members: 1, 3 or 5. With 3, any one of them may be away. It cannot be changed later.
        replicas: u32 = 1,
    }
}

section! {
    /// Volumes of etcd.
    pub struct EtcdPersistence {
        /// The claim of each member.
        volume_claim: EtcdVolumeClaim = EtcdVolumeClaim::default(),
        /// Claim templates instead of ours; one must be named `data`.
        volume_claim_templates: Vec<Fragment> = Vec::new(),
        /// Further volumes.
        add_volumes: Vec<Fragment> = Vec::new(),
        /// Further mounts.
        add_volume_mounts: Vec<Fragment> = Vec::new(),
    }
}

section! {
    /// The claim of each member.
    pub struct EtcdVolumeClaim {
        /// Whether there is one. Without it the data is lost with the pod, which is good enough for a
        /// throw-away cluster with one member.
        enabled: bool = true,
        /// Whether the claims go with the StatefulSet.
        retention_policy: Retention = Retention::Retain,
        /// How much storage.
        size: Quantity = Quantity::from("5Gi"),
        /// The storage class. Empty: the host's default.
        storage_class: String = String::new(),
        /// How the volume is attached.
        access_modes: Vec<String> = vec!["ReadWriteOnce".to_owned()],
    }
}

section! {
    /// A Service of etcd.
    pub struct EtcdService {
        /// Whether the chart makes it. Without it, a Service of that name must exist already.
        enabled: bool = true,
        /// Extra annotations.
        annotations: Labels = Labels::new(),
    }
}

section! {
    /// An etcd somewhere else. Each virtual cluster needs one of its own, or an `--etcd-prefix` of its own
    /// among the API server's `extraArgs`.
    pub struct ExternalEtcd {
        /// Whether it is used.
        enabled: bool = false,
        /// The addresses of its members, such as `https://10.0.0.1:2379`, joined by commas.
        endpoint: String = String::new(),
        /// Certificates.
        tls: EtcdTls = EtcdTls::default(),
    }
}

section! {
    /// Certificates for an etcd somewhere else.
    pub struct EtcdTls {
        /// A Secret of the control plane's namespace with the files below, which then are keys in it;
        /// those that are empty are `ca.crt`, `tls.crt` and `tls.key`.
        secret: String = String::new(),
        /// The authorities that its certificates are checked with: a path in the pod, for which see
        /// `statefulSet.persistence.addVolumes`, or a key of `secret`.
        ca_file: String = String::new(),
        /// The certificate to log in with: a path, or a key of `secret`.
        cert_file: String = String::new(),
        /// Its key: a path, or a key of `secret`.
        key_file: String = String::new(),
    }
}
