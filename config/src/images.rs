//! Every image and version that the chart uses by default. Nothing else in the tree names one.

/// The Kubernetes version of a virtual cluster when none is asked for.
pub const KUBERNETES_VERSION: &str = "v1.34.4";
/// Where Kubernetes publishes its images.
pub const KUBERNETES_REGISTRY: &str = "registry.k8s.io";
/// The version of CoreDNS in a virtual cluster.
pub const COREDNS_VERSION: &str = "v1.15.0";
/// The repository of CoreDNS within [`KUBERNETES_REGISTRY`].
pub const COREDNS_REPOSITORY: &str = "coredns/coredns";
/// The repository of kine, which lets an API server keep its data in a database.
pub const KINE_REPOSITORY: &str = "rancher/kine";
/// The version of kine.
pub const KINE_VERSION: &str = "v0.17.5";
/// The repository of Litestream, which keeps a copy of SQLite elsewhere.
pub const LITESTREAM_REPOSITORY: &str = "litestream/litestream";
/// The version of Litestream: of its two images the one with nothing but the program. Source of the tag: the workflow
/// `release.docker.yml` of <https://github.com/benbjohnson/litestream>.
pub const LITESTREAM_VERSION: &str = "0.5.18-scratch";
/// The repository of etcd within [`KUBERNETES_REGISTRY`].
pub const ETCD_REPOSITORY: &str = "etcd";
/// The version of an etcd that the chart deploys.
pub const ETCD_VERSION: &str = "3.7.3-0";
/// Where EKS Distro publishes its images.
pub const EKS_REGISTRY: &str = "public.ecr.aws";
/// The folder of Kubernetes' programs within [`EKS_REGISTRY`].
pub const EKS_KUBERNETES_REPOSITORY: &str = "eks-distro/kubernetes";
/// The repository of CoreDNS within [`EKS_REGISTRY`].
pub const EKS_COREDNS_REPOSITORY: &str = "eks-distro/coredns/coredns";
/// The version of EKS Distro's CoreDNS.
pub const EKS_COREDNS_VERSION: &str = "v1.13.2-eks-1-34-17";
/// The repository of etcd within [`EKS_REGISTRY`].
pub const EKS_ETCD_REPOSITORY: &str = "eks-distro/etcd-io/etcd";
/// The version of EKS Distro's etcd.
pub const EKS_ETCD_VERSION: &str = "v3.5.21-eks-1-34-17";
/// The newest release of EKS Distro for each minor of Kubernetes, oldest first; of the chart's own minor the one that
/// has [`KUBERNETES_VERSION`]. A tag names the release too, so it does not follow from Kubernetes' version. Source: the
/// release pages of <https://github.com/aws/eks-distro>.
pub const EKS_RELEASES: [(u32, &str); 7] = [
    (30, "v1.30.14-eks-1-30-56"),
    (31, "v1.31.14-eks-1-31-50"),
    (32, "v1.32.13-eks-1-32-43"),
    (33, "v1.33.13-eks-1-33-34"),
    (34, EKS_VERSION),
    (35, "v1.35.6-eks-1-35-12"),
    (36, "v1.36.4-eks-1-36-9"),
];
/// The version of EKS Distro when none is asked for.
pub const EKS_VERSION: &str = "v1.34.4-eks-1-34-17";
/// The repository of k3s.
pub const K3S_REPOSITORY: &str = "rancher/k3s";
/// A release of k3s for each minor of Kubernetes, oldest first, as its images are tagged. Source: the release notes of
/// <https://docs.k3s.io> and <https://github.com/k3s-io/k3s>.
pub const K3S_RELEASES: [(u32, &str); 7] = [
    (30, "v1.30.14-k3s2"),
    (31, "v1.31.14-k3s1"),
    (32, "v1.32.8-k3s1"),
    (33, "v1.33.5-k3s1"),
    (34, "v1.34.9-k3s1"),
    (35, "v1.35.5-k3s1"),
    (36, "v1.36.1-k3s1"),
];
/// The repository of k0s.
pub const K0S_REPOSITORY: &str = "k0sproject/k0s";
/// A release of k0s for each minor of Kubernetes, oldest first, as its images are tagged. Source: the release pages of
/// <https://github.com/k0sproject/k0s>.
pub const K0S_RELEASES: [(u32, &str); 7] = [
    (30, "v1.30.2-k0s.0"),
    (31, "v1.31.12-k0s.0"),
    (32, "v1.32.8-k0s.0"),
    (33, "v1.33.4-k0s.0"),
    (34, "v1.34.1-k0s.0"),
    (35, "v1.35.4-k0s.0"),
    (36, "v1.36.4-k0s.1"),
];
/// The registry of this project's own image.
pub const SYNCER_REGISTRY: &str = "ghcr.io";
/// The repository of this project's own image.
pub const SYNCER_REPOSITORY: &str = "vcluster-rs/syncer";
/// The version of this project's own image: that of the program which was built with it.
pub const SYNCER_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The release of a distribution for a version of Kubernetes such as `v1.33.2`: that of its minor.
#[must_use]
pub fn release(releases: &[(u32, &'static str)], version: &str) -> Option<&'static str> {
    let rest = version.trim_start_matches('v').strip_prefix("1.")?;
    let minor: u32 = rest.split('.').next()?.parse().ok()?;
    releases.iter().find(|(known, _)| *known == minor).map(|(_, tag)| *tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_eks_are_of_their_minor_and_include_the_charts_own() {
        for (minor, tag) in EKS_RELEASES {
            assert!(tag.starts_with(&format!("v1.{minor}.")), "{tag}");
            assert!(tag.contains(&format!("-eks-1-{minor}-")), "{tag}");
        }
        assert!(EKS_RELEASES.is_sorted());
        let eks = |version| release(&EKS_RELEASES, version);
        assert_eq!(eks(KUBERNETES_VERSION), Some(EKS_VERSION));
        assert!(EKS_VERSION.starts_with(KUBERNETES_VERSION));
        assert_eq!(eks("1.33.9"), Some("v1.33.13-eks-1-33-34"));
        assert_eq!(eks("1.12.0").or(eks("")).or(eks("1.x")), None);
    }

    #[test]
    fn releases_of_others_are_of_their_minor() {
        for (releases, name) in [(K3S_RELEASES, "-k3s"), (K0S_RELEASES, "-k0s.")] {
            for ((minor, tag), (known, _)) in releases.into_iter().zip(EKS_RELEASES) {
                assert_eq!(minor, known);
                assert!(tag.starts_with(&format!("v1.{minor}.")) && tag.contains(name), "{tag}");
            }
            assert!(release(&releases, KUBERNETES_VERSION).is_some());
        }
    }
}
