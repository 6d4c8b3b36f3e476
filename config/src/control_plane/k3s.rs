//! `controlPlane.distro.k3s`

use crate::images;
use crate::scalars::{Fragment, Image};
use crate::section::section;

section! {
    /// k3s: API server, controllers and kine in one program. What it may use is in
    /// `controlPlane.statefulSet.resources`.
    pub struct K3s {
        /// Whether it runs.
        enabled: bool = false,
        /// The token that k3s keeps its authorities under in the store. Empty: one that follows from
        /// the keys of the virtual cluster.
        token: String = String::new(),
        /// Its image. Empty tag: the release for the minor in `k8s.version`, or else the one that the
        /// chart was made for.
        image: Image = Image::of("docker.io", images::K3S_REPOSITORY, ""),
        /// When the image is pulled. Empty: Kubernetes' default.
        image_pull_policy: String = String::new(),
        /// The command instead of ours, which then gets no arguments from the chart.
        command: Vec<String> = Vec::new(),
        /// Further arguments of `k3s server`. One with the name of an argument of the chart replaces
        /// it; for the arguments of a program in it (`--kube-apiserver-arg=NAME=VALUE`), NAME counts.
        extra_args: Vec<String> = Vec::new(),
        /// Its environment variables.
        env: Vec<Fragment> = Vec::new(),
        /// Its security context, merged into the safe default.
        security_context: Fragment = Fragment::new(),
    }
}
