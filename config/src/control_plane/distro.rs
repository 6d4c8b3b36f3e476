//! `controlPlane.distro`

use super::k0s::K0s;
use super::k3s::K3s;
use crate::images;
use crate::scalars::{Fragment, Image, Resources};
use crate::section::section;

section! {
    /// Which distribution of Kubernetes runs.
    pub struct Distro {
        /// Kubernetes as it is published: kube-apiserver and kube-controller-manager.
        k8s: K8s = K8s::default(),
        /// EKS Distro: the same programs as Amazon builds and patches them.
        eks: Eks = Eks::default(),
        /// k3s: API server, controllers and kine in one program.
        k3s: K3s = K3s::default(),
        /// k0s: one program that starts API server, controllers and kine.
        k0s: K0s = K0s::default(),
    }
}

/// A distribution of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DistroKind {
    /// Kubernetes as it is published.
    K8s,
    /// EKS Distro.
    Eks,
    /// k3s.
    K3s,
    /// k0s.
    K0s,
}

impl DistroKind {
    /// Its key under `controlPlane.distro`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            DistroKind::K8s => "k8s",
            DistroKind::Eks => "eks",
            DistroKind::K3s => "k3s",
            DistroKind::K0s => "k0s",
        }
    }

    /// Whether API server, controllers and what they need of the store run in one container, as the distribution starts
    /// them.
    #[must_use]
    pub fn is_one_program(self) -> bool {
        match self {
            DistroKind::K8s | DistroKind::Eks => false,
            DistroKind::K3s | DistroKind::K0s => true,
        }
    }
}

impl Distro {
    /// The distributions that are enabled.
    #[must_use]
    pub fn enabled(&self) -> Vec<DistroKind> {
        [
            (DistroKind::K8s, self.k8s.enabled),
            (DistroKind::Eks, self.eks.enabled),
            (DistroKind::K3s, self.k3s.enabled),
            (DistroKind::K0s, self.k0s.enabled),
        ]
        .into_iter()
        .filter_map(|(kind, enabled)| enabled.then_some(kind))
        .collect()
    }

    /// The distribution that runs: the enabled one, or `k8s`.
    #[must_use]
    pub fn kind(&self) -> DistroKind {
        self.enabled().last().copied().unwrap_or(DistroKind::K8s)
    }

    /// The version of Kubernetes that runs, with its `v`, as its images are tagged; and the key that says so.
    #[must_use]
    pub fn kubernetes_version(&self) -> (String, &'static str) {
        let (version, key) = match self.kind() {
            DistroKind::K8s => {
                let K8s { version, api_server, image, .. } = &self.k8s;
                first(&[
                    (version, "k8s.version"),
                    (&api_server.image.tag, "k8s.apiServer.image.tag"),
                    (&image.tag, "k8s.image.tag"),
                ])
                .unwrap_or((images::KUBERNETES_VERSION, "k8s.image.tag"))
            }
            DistroKind::Eks => {
                let Eks { version, api_server, image, .. } = &self.eks;
                first(&[
                    (version, "eks.version"),
                    (&api_server.image.tag, "eks.apiServer.image.tag"),
                ])
                .or_else(|| {
                    let release = images::release(&images::EKS_RELEASES, &self.k8s.version)?;
                    Some((release, "k8s.version"))
                })
                .or_else(|| first(&[(&image.tag, "eks.image.tag")]))
                .unwrap_or((images::EKS_VERSION, "eks.image.tag"))
            }
            DistroKind::K3s => {
                self.released(&self.k3s.image.tag, "k3s.image.tag", &images::K3S_RELEASES)
            }
            DistroKind::K0s => {
                self.released(&self.k0s.image.tag, "k0s.image.tag", &images::K0S_RELEASES)
            }
        };
        (format!("v{}", version.trim_start_matches('v')), key)
    }

    /// The version of a distribution with a table of releases: its tag, or the release for the minor that is asked for.
    fn released<'a>(
        &'a self,
        tag: &'a str,
        key: &'static str,
        releases: &[(u32, &'static str)],
    ) -> (&'a str, &'static str) {
        let (asked, wish) =
            first(&[(&self.k8s.version, "k8s.version"), (&self.k8s.image.tag, "k8s.image.tag")])
                .unwrap_or((images::KUBERNETES_VERSION, key));
        match tag {
            "" => (images::release(releases, asked).unwrap_or(asked), wish),
            tag => (tag, key),
        }
    }
}

/// The first of some values that is not empty.
fn first<'a>(values: &[(&'a String, &'static str)]) -> Option<(&'a str, &'static str)> {
    values.iter().find(|(value, _)| !value.is_empty()).map(|(value, key)| (value.as_str(), *key))
}

section! {
    /// Kubernetes as it is published.
    pub struct K8s {
        /// Whether it runs. It also does when no other distribution is enabled.
        enabled: bool = false,
        /// The version of Kubernetes, for example `v1.34.4`. Empty: the tag of the image.
        version: String = String::new(),
        /// The image of every program that has none of its own below: its `registry`, the folder in
        /// it (`repository`), and its `tag` when `version` is empty. Each program's image is named
        /// after the program.
        image: Image = Image::of(images::KUBERNETES_REGISTRY, "", images::KUBERNETES_VERSION),
        /// When an image is pulled. Empty: Kubernetes' default.
        image_pull_policy: String = String::new(),
        /// The API server. What it may use is in `controlPlane.statefulSet.resources`.
        api_server: ApiServer = ApiServer::default(),
        /// The controllers of Kubernetes.
        controller_manager: Program = Program::controller_manager(),
        /// The scheduler. It only runs with `controlPlane.advanced.virtualScheduler`, or here.
        scheduler: Scheduler = Scheduler::default(),
        /// Environment variables of all these programs.
        env: Vec<Fragment> = Vec::new(),
        /// The security context of all these programs, merged into the safe default.
        security_context: Fragment = Fragment::new(),
    }
}

section! {
    /// EKS Distro. What is not here is as with `k8s`.
    pub struct Eks {
        /// Whether it runs.
        enabled: bool = false,
        /// The version with the release of EKS Distro, for example `v1.34.4-eks-1-34-17`. Empty: the
        /// release for the minor in `k8s.version`, or else the tag of the image.
        version: String = String::new(),
        /// The image of every program that has none of its own below: its `registry`, the folder in
        /// it (`repository`), and its `tag` when no version is asked for. Each program's image is
        /// named after the program.
        image: Image = Image::of(images::EKS_REGISTRY, images::EKS_KUBERNETES_REPOSITORY, images::EKS_VERSION),
        /// When an image is pulled. Empty: Kubernetes' default.
        image_pull_policy: String = String::new(),
        /// The API server. What it may use is in `controlPlane.statefulSet.resources`.
        api_server: ApiServer = ApiServer::default(),
        /// The controllers of Kubernetes.
        controller_manager: Program = Program::controller_manager(),
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
        /// Its image. An empty registry or tag is that of the distribution; a repository without a
        /// slash is looked for in the distribution's folder.
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
        /// Its image. An empty registry or tag is that of the distribution; a repository without a
        /// slash is looked for in the distribution's folder.
        image: Image = Image::default(),
        /// When the image is pulled. Empty: that of the distribution.
        image_pull_policy: String = String::new(),
        /// What it may use.
        resources: Resources = Resources::default(),
    }
}

impl Program {
    fn controller_manager() -> Self {
        let resources = Resources::of(
            [("memory", "1Gi"), ("ephemeral-storage", "1Gi")],
            [("cpu", "40m"), ("memory", "64Mi")],
        );
        let image = Image::of("", "kube-controller-manager", "");
        Program { image, resources, ..Program::default() }
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
        /// Its image. An empty registry or tag is that of the distribution; a repository without a
        /// slash is looked for in the distribution's folder.
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
