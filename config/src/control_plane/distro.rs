//! `controlPlane.distro`

use crate::images;
use crate::scalars::{Fragment, Image, Resources};
use crate::section::section;

section! {
    /// Which distribution of Kubernetes runs.
    pub struct Distro {
        /// Kubernetes as it is published: kube-apiserver and kube-controller-manager.
        k8s: K8s = K8s::default(),
    }
}

/// A distribution of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DistroKind {
    /// Kubernetes as it is published.
    K8s,
}

impl Distro {
    /// The distribution that runs: the enabled one, or `k8s`.
    #[must_use]
    pub fn kind(&self) -> DistroKind {
        DistroKind::K8s
    }
}

section! {
    /// Kubernetes as it is published.
    pub struct K8s {
        /// Whether it runs. It also does when no other distribution is enabled.
        enabled: bool = false,
        /// The version of Kubernetes, for example `v1.34.4`. Empty: the tag of the image.
        version: String = String::new(),
        /// The image of every program that has none of its own below: its `registry`, and its
        /// `tag` when `version` is empty. Each program's image is named after the program.
        image: Image = Image::of(images::KUBERNETES_REGISTRY, "", images::KUBERNETES_VERSION),
        /// When an image is pulled. Empty: Kubernetes' default.
        image_pull_policy: String = String::new(),
        /// The API server. What it may use is in `controlPlane.statefulSet.resources`.
        api_server: ApiServer = ApiServer::default(),
        /// The controllers of Kubernetes.
        controller_manager: Program = Program::of("kube-controller-manager", Resources::of(
            [("memory", "1Gi"), ("ephemeral-storage", "1Gi")],
            [("cpu", "40m"), ("memory", "64Mi")],
        )),
        /// The scheduler. It only runs with `controlPlane.advanced.virtualScheduler`, or here.
        scheduler: Scheduler = Scheduler::default(),
        /// Environment variables of all these programs.
        env: Vec<Fragment> = Vec::new(),
        /// The security context of all these programs, merged into the safe default.
        security_context: Fragment = Fragment::new(),
    }
}

section! {
    /// The API server.
    pub struct ApiServer {
        /// Whether it runs.
        enabled: bool = true,
        /// The command instead of ours, which then gets no arguments from the chart.
        command: Vec<String> = Vec::new(),
        /// Further arguments. One with the name of an argument of the chart replaces it.
        extra_args: Vec<String> = Vec::new(),
        /// Its image. An empty registry or tag is that of the distribution.
        image: Image = Image::of("", "kube-apiserver", ""),
        /// When the image is pulled. Empty: that of the distribution.
        image_pull_policy: String = String::new(),
    }
}

section! {
    /// A program of the control plane.
    pub struct Program {
        /// Whether it runs.
        enabled: bool = true,
        /// The command instead of ours, which then gets no arguments from the chart.
        command: Vec<String> = Vec::new(),
        /// Further arguments. One with the name of an argument of the chart replaces it.
        extra_args: Vec<String> = Vec::new(),
        /// Its image. An empty registry or tag is that of the distribution.
        image: Image = Image::default(),
        /// When the image is pulled. Empty: that of the distribution.
        image_pull_policy: String = String::new(),
        /// What it may use.
        resources: Resources = Resources::default(),
    }
}

impl Program {
    fn of(repository: &str, resources: Resources) -> Self {
        Program { image: Image::of("", repository, ""), resources, ..Program::default() }
    }
}

section! {
    /// The scheduler of the virtual cluster.
    pub struct Scheduler {
        /// Whether it runs, also without `controlPlane.advanced.virtualScheduler`.
        enabled: bool = false,
        /// The command instead of ours, which then gets no arguments from the chart.
        command: Vec<String> = Vec::new(),
        /// Further arguments. One with the name of an argument of the chart replaces it.
        extra_args: Vec<String> = Vec::new(),
        /// Its image. An empty registry or tag is that of the distribution.
        image: Image = Image::of("", "kube-scheduler", ""),
        /// When the image is pulled. Empty: that of the distribution.
        image_pull_policy: String = String::new(),
        /// What it may use.
        resources: Resources = Resources::of(
            [("memory", "512Mi"), ("ephemeral-storage", "1Gi")],
            [("cpu", "20m"), ("memory", "32Mi")],
        ),
    }
}

impl K8s {
    /// The version of Kubernetes that runs, with its `v`.
    #[must_use]
    pub fn kubernetes_version(&self) -> String {
        let version = [&self.version, &self.api_server.image.tag, &self.image.tag]
            .into_iter()
            .find(|it| !it.is_empty());
        let version = version.map_or(images::KUBERNETES_VERSION, String::as_str);
        format!("v{}", version.trim_start_matches('v'))
    }
}
