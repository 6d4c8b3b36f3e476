//! `controlPlane.distro.k0s`

use crate::images;
use crate::scalars::{Fragment, Image};
use crate::section::section;

section! {
    /// k0s: one program that starts API server, controllers and kine. What they may use is in
    /// `controlPlane.statefulSet.resources`.
    pub struct K0s {
        /// Whether it runs.
        enabled: bool = false,
        /// A `ClusterConfig` of k0s as YAML. It is laid over that of the chart: maps are merged,
        /// everything else is replaced.
        config: String = String::new(),
        /// Its image. Empty tag: the release for the minor in `k8s.version`, or else the one that the
        /// chart was made for.
        image: Image = Image::of("docker.io", images::K0S_REPOSITORY, ""),
        /// When the image is pulled. Empty: Kubernetes' default.
        image_pull_policy: String = String::new(),
        /// The command instead of ours, which then gets no arguments from the chart.
        command: Vec<String> = Vec::new(),
        /// Further arguments of `k0s controller`. One with the name of an argument of the chart
        /// replaces it.
        extra_args: Vec<String> = Vec::new(),
        /// Its environment variables.
        env: Vec<Fragment> = Vec::new(),
        /// Its security context, merged into the safe default.
        security_context: Fragment = Fragment::new(),
    }
}
