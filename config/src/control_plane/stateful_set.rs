//! `controlPlane.statefulSet`: the pod of the control plane.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::images;
use crate::scalars::{Fragment, Image, Labels, Metadata, Quantity, Resources, Toggle};
use crate::section::section;

section! {
    /// The pod of the control plane, and the syncer in it.
    pub struct StatefulSet {
        /// Extra labels of the StatefulSet.
        labels: Labels = Labels::new(),
        /// Extra annotations of the StatefulSet.
        annotations: Labels = Labels::new(),
        /// When the syncer's image is pulled. Empty: Kubernetes' default.
        image_pull_policy: String = String::new(),
        /// The image of the syncer.
        image: Image = Image::of(images::SYNCER_REGISTRY, images::SYNCER_REPOSITORY, ""),
        /// Environment variables of every program of the pod.
        env: Vec<Fragment> = Vec::new(),
        /// What the API server may use, the greatest of the pod's programs. The others have their
        /// own: `syncer` below, and under `distro` and `backingStore`.
        resources: Resources = Resources::of(
            [("memory", "4Gi"), ("ephemeral-storage", "2Gi")],
            [("cpu", "100m"), ("memory", "192Mi")],
        ),
        /// The syncer.
        syncer: Syncer = Syncer::default(),
        /// Labels and annotations of the pod.
        pods: Metadata = Metadata::default(),
        /// More than one control plane at a time.
        high_availability: HighAvailability = HighAvailability::default(),
        /// Security contexts, merged into the safe defaults.
        security: Security = Security::default(),
        /// Volumes.
        persistence: Persistence = Persistence::default(),
        /// Whether the pod's programs are told of the namespace's services in their environment.
        enable_service_links: bool = false,
        /// Where the pod runs.
        scheduling: Scheduling = Scheduling::default(),
        /// How the kubelet sees that the control plane lives.
        probes: Probes = Probes::default(),
        /// Init containers.
        init_containers: Vec<Fragment> = Vec::new(),
        /// Further containers, after ours.
        sidecar_containers: Vec<Fragment> = Vec::new(),
        /// Lines for `/etc/hosts` of the pod.
        host_aliases: Vec<Fragment> = Vec::new(),
        /// The DNS policy of the pod. Empty: Kubernetes' default.
        dns_policy: String = String::new(),
        /// The DNS settings of the pod. Empty: Kubernetes' default; with several replicas, unanswered questions are asked again after 1 s.
        dns_config: Fragment = Fragment::new(),
        /// The runtime class of the pod.
        runtime_class_name: String = String::new(),
    }
}

section! {
    /// The syncer: this project's part of the pod.
    pub struct Syncer {
        /// Further arguments.
        extra_args: Vec<String> = Vec::new(),
        /// What it may use.
        resources: Resources = Resources::of(
            [("memory", "512Mi"), ("ephemeral-storage", "1Gi")],
            [("cpu", "20m"), ("memory", "32Mi")],
        ),
    }
}

section! {
    /// More than one control plane at a time, and how its syncers take turns.
    pub struct HighAvailability {
        /// How many pods. More than one needs a store that they can share.
        replicas: u32 = 1,
        /// For how many seconds a syncer leads that is not heard of any more. Another takes over within
        /// a second more.
        lease_duration: u32 = 4,
        /// For how many seconds a leader tries to renew before it gives up.
        renew_deadline: u32 = 3,
        /// Seconds between two tries. Those that wait look twice as often.
        retry_period: u32 = 1,
    }
}

section! {
    /// Security contexts, merged into the defaults: a user without rights, a read-only root file
    /// system, no capabilities, seccomp `RuntimeDefault`.
    pub struct Security {
        /// Of the pod.
        pod_security_context: Fragment = Fragment::new(),
        /// Of every container.
        container_security_context: Fragment = Fragment::new(),
    }
}

section! {
    /// Volumes of the control plane.
    pub struct Persistence {
        /// The claim that holds the data.
        volume_claim: VolumeClaim = VolumeClaim::default(),
        /// Claim templates instead of ours; one must be named `data`.
        volume_claim_templates: Vec<Fragment> = Vec::new(),
        /// A volume named `data` to use instead of a claim, as a list of one.
        data_volume: Vec<Fragment> = Vec::new(),
        /// The volume for a program that the syncer copies, named `binaries`.
        binaries_volume: Vec<Fragment> = vec![binaries()],
        /// Further volumes.
        add_volumes: Vec<Fragment> = Vec::new(),
        /// Further mounts of every program of the pod.
        add_volume_mounts: Vec<Fragment> = Vec::new(),
    }
}

fn binaries() -> Fragment {
    Fragment::from_iter([
        ("name".to_owned(), "binaries".into()),
        ("emptyDir".to_owned(), serde_json::json!({})),
    ])
}

section! {
    /// The claim that holds the data.
    pub struct VolumeClaim {
        /// Whether there is one. `auto`: when the store needs it. `false` with SQLite: the data is
        /// lost with the pod, which is good enough for a throw-away cluster.
        enabled: Toggle = Toggle::Auto,
        /// Whether the claim goes with the StatefulSet.
        retention_policy: Retention = Retention::Retain,
        /// How much storage.
        size: Quantity = Quantity::from("5Gi"),
        /// The storage class. Empty: the host's default.
        storage_class: String = String::new(),
        /// How the volume is attached.
        access_modes: Vec<String> = vec!["ReadWriteOnce".to_owned()],
    }
}

/// What becomes of a claim when its StatefulSet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Retention {
    /// It stays.
    #[default]
    Retain,
    /// It goes too.
    Delete,
}

section! {
    /// Where the pod runs.
    pub struct Scheduling {
        /// Whether several pods start at the same time.
        pod_management_policy: String = "Parallel".to_owned(),
        /// How pods are spread. Empty: over nodes as far as there are any, when there are several.
        topology_spread_constraints: Vec<Fragment> = Vec::new(),
        /// The priority class.
        priority_class_name: String = String::new(),
        /// Labels of nodes that it may run on.
        node_selector: Labels = Labels::new(),
        /// Where it should run.
        affinity: Fragment = Fragment::new(),
        /// Taints that it bears.
        tolerations: Vec<Fragment> = Vec::new(),
    }
}

section! {
    /// How the kubelet sees that the API server lives.
    pub struct Probes {
        /// The API server is restarted when this fails.
        liveness_probe: Probe = Probe { failure_threshold: 6, timeout_seconds: 5, period_seconds: 10, ..Probe::default() },
        /// The API server gets no traffic while this fails.
        readiness_probe: Probe = Probe { failure_threshold: 3, timeout_seconds: 3, period_seconds: 2, ..Probe::default() },
        /// How long the API server may take to start.
        startup_probe: Probe = Probe { failure_threshold: 300, timeout_seconds: 3, period_seconds: 1, ..Probe::default() },
    }
}

section! {
    /// A check of the kubelet.
    pub struct Probe {
        /// Whether it is made.
        enabled: bool = true,
        /// So many failures in a row count.
        failure_threshold: u32 = 3,
        /// Seconds before the first.
        initial_delay_seconds: u32 = 0,
        /// Seconds after which a check has failed.
        timeout_seconds: u32 = 3,
        /// Seconds between two.
        period_seconds: u32 = 10,
    }
}
