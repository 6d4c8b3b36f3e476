//! `controlPlane.coredns`

use crate::scalars::{Fragment, Labels, Metadata, Resources};
use crate::section::section;

section! {
    /// The DNS server of the virtual cluster: a Deployment inside it.
    pub struct CoreDns {
        /// Whether it is deployed. Without it, Service `kube-system/kube-dns` is yours to make; until it
        /// is there, pods are made with the DNS of their nodes, and an event on each says so.
        enabled: bool = true,
        /// Manifests to apply instead of ours, as YAML documents. `{{.IMAGE}}` in them becomes the
        /// image. The virtual cluster is ready when one of the pods is that Service `kube-dns` among them
        /// finds. Where network policies are on, pods ask the servers of their node only with the label
        /// `k8s-app: vcluster-kube-dns`.
        overwrite_manifests: String = String::new(),
        /// A Corefile instead of ours.
        overwrite_config: String = String::new(),
        /// The priority class of its pods.
        priority_class_name: String = String::new(),
        /// Security contexts, merged into the safe defaults.
        security: super::Security = super::Security::default(),
        /// Service `kube-system/kube-dns`.
        service: CoreDnsService = CoreDnsService::default(),
        /// Deployment `kube-system/coredns`.
        deployment: CoreDnsDeployment = CoreDnsDeployment::default(),
    }
}

section! {
    /// Service `kube-system/kube-dns`.
    pub struct CoreDnsService {
        /// Extra annotations.
        annotations: Labels = Labels::new(),
        /// Extra labels.
        labels: Labels = Labels::new(),
        /// Merged into the spec.
        spec: Fragment = Fragment::from_iter([("type".to_owned(), "ClusterIP".into())]),
    }
}

section! {
    /// Deployment `kube-system/coredns`.
    pub struct CoreDnsDeployment {
        /// Extra annotations.
        annotations: Labels = Labels::new(),
        /// Extra labels.
        labels: Labels = Labels::new(),
        /// The image. Empty: the one that goes with the version of Kubernetes.
        image: String = String::new(),
        /// How many pods.
        replicas: u32 = 1,
        /// Labels and annotations of the pods.
        pods: Metadata = Metadata::default(),
        /// Labels of nodes that its pods may run on.
        node_selector: Labels = Labels::new(),
        /// Where its pods should run.
        affinity: Fragment = Fragment::new(),
        /// Taints that its pods bear.
        tolerations: Vec<Fragment> = Vec::new(),
        /// What it may use.
        resources: Resources = Resources::of(
            [("cpu", "1000m"), ("memory", "170Mi")],
            [("cpu", "20m"), ("memory", "64Mi")],
        ),
        /// How its pods are spread. Empty: by node.
        topology_spread_constraints: Vec<Fragment> = vec![spread()],
    }
}

fn spread() -> Fragment {
    Fragment::from_iter([
        ("maxSkew".to_owned(), 1.into()),
        ("topologyKey".to_owned(), "kubernetes.io/hostname".into()),
        ("whenUnsatisfiable".to_owned(), "DoNotSchedule".into()),
        (
            "labelSelector".to_owned(),
            serde_json::json!({ "matchLabels": { "k8s-app": "vcluster-kube-dns" } }),
        ),
    ])
}
