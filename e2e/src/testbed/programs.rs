//! The upstream programs of a host cluster: which, in which version, and where they lie once built.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use super::build;
use super::layout::Layout;
use super::progress::Progress;

/// Kubernetes' version, also that of its images.
pub const KUBERNETES: &str = "v1.34.4";
/// etcd's version.
pub const ETCD: &str = "v3.7.3";
/// CoreDNS' version.
pub const COREDNS: &str = "v1.15.0";
/// kine's version.
pub const KINE: &str = "v0.17.5";
/// local-path-provisioner's version.
pub const LOCAL_PATH: &str = "v0.0.30";
/// metrics-server's version.
pub const METRICS_SERVER: &str = "v0.9.0";
/// MetalLB's version: the newest whose dependencies are all in the Go module proxy.
pub const METALLB: &str = "v0.13.5";

/// How one group of programs is made. Anything that changes here, changes the group's place in the cache.
#[derive(Debug)]
pub struct Recipe {
    /// The group's name.
    pub name: &'static str,
    /// The version of its module.
    pub version: &'static str,
    /// Where it comes from.
    pub source: Source,
}

/// Where programs come from.
#[derive(Debug)]
pub enum Source {
    /// Packages of a Go module.
    Go {
        /// The module's path.
        module: &'static str,
        /// Each package and the name of its program.
        packages: &'static [(&'static str, &'static str)],
        /// How they are compiled.
        style: GoStyle,
        /// Files of the module that are kept beside the programs.
        files: &'static [&'static str],
    },
    /// One C file of a Go module.
    C {
        /// The module's path.
        module: &'static str,
        /// The file in it.
        file: &'static str,
    },
    /// A crate, whose program has its name.
    Crate,
    /// One file of a Debian package, taken out of it without installing it.
    Debian {
        /// The file in the package.
        file: &'static str,
    },
}

/// How a Go program is compiled.
#[derive(Debug, Clone, Copy)]
pub enum GoStyle {
    /// Without C.
    Pure,
    /// With C, all of it linked statically, so that it runs in an image made from scratch.
    StaticC,
    /// With Kubernetes' version written in.
    Kubernetes,
    /// Without C, from a time when the linker let programs reach into Go's own library.
    Old,
}

const RECIPES: &[Recipe] = &[
    Recipe {
        name: "kubernetes",
        version: KUBERNETES,
        source: Source::Go {
            module: "k8s.io/kubernetes",
            packages: &[
                ("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
                ("k8s.io/kubernetes/cmd/kube-controller-manager", "kube-controller-manager"),
                ("k8s.io/kubernetes/cmd/kube-scheduler", "kube-scheduler"),
                ("k8s.io/kubernetes/cmd/kubelet", "kubelet"),
                ("k8s.io/kubernetes/cmd/kube-proxy", "kube-proxy"),
                ("k8s.io/kubernetes/cmd/kubectl", "kubectl"),
                ("k8s.io/kubernetes/test/images/agnhost", "agnhost"),
            ],
            style: GoStyle::Kubernetes,
            files: &[],
        },
    },
    Recipe {
        name: "pause",
        version: KUBERNETES,
        source: Source::C { module: "k8s.io/kubernetes", file: "build/pause/linux/pause.c" },
    },
    go("etcd", ETCD, "go.etcd.io/etcd/server/v3", &[("go.etcd.io/etcd/server/v3", "etcd")]),
    go("etcdctl", ETCD, "go.etcd.io/etcd/etcdctl/v3", &[("go.etcd.io/etcd/etcdctl/v3", "etcdctl")]),
    go("etcdutl", ETCD, "go.etcd.io/etcd/etcdutl/v3", &[("go.etcd.io/etcd/etcdutl/v3", "etcdutl")]),
    go(
        "coredns",
        COREDNS,
        "github.com/coredns/coredns",
        &[("github.com/coredns/coredns", "coredns")],
    ),
    go("helm", "v3.22.0", "helm.sh/helm/v3", &[("helm.sh/helm/v3/cmd/helm", "helm")]),
    Recipe {
        name: "kwok",
        version: "v0.8.0",
        source: Source::Go {
            module: "sigs.k8s.io/kwok",
            packages: &[("sigs.k8s.io/kwok/cmd/kwok", "kwok")],
            style: GoStyle::Pure,
            files: &[
                "kustomize/stage/node/fast/node-initialize.yaml",
                "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
                "kustomize/stage/pod/fast/pod-ready.yaml",
                "kustomize/stage/pod/fast/pod-complete.yaml",
                "kustomize/stage/pod/fast/pod-delete.yaml",
            ],
        },
    },
    Recipe {
        name: "kine",
        version: KINE,
        source: Source::Go {
            module: "github.com/k3s-io/kine",
            packages: &[("github.com/k3s-io/kine", "kine")],
            style: GoStyle::StaticC,
            files: &[],
        },
    },
    go(
        "local-path-provisioner",
        LOCAL_PATH,
        "github.com/rancher/local-path-provisioner",
        &[("github.com/rancher/local-path-provisioner", "local-path-provisioner")],
    ),
    go(
        "metrics-server",
        METRICS_SERVER,
        "sigs.k8s.io/metrics-server",
        &[("sigs.k8s.io/metrics-server/cmd/metrics-server", "metrics-server")],
    ),
    Recipe {
        name: "metallb",
        version: METALLB,
        source: Source::Go {
            module: "go.universe.tf/metallb",
            packages: &[
                ("go.universe.tf/metallb/controller", "controller"),
                ("go.universe.tf/metallb/speaker", "speaker"),
            ],
            style: GoStyle::Old,
            files: &["config/manifests/metallb-native.yaml"],
        },
    },
    Recipe {
        name: "busybox-static",
        version: "debian",
        source: Source::Debian { file: "bin/busybox" },
    },
];

pub(super) const fn go(
    name: &'static str,
    version: &'static str,
    module: &'static str,
    packages: &'static [(&'static str, &'static str)],
) -> Recipe {
    Recipe {
        name,
        version,
        source: Source::Go { module, packages, style: GoStyle::Pure, files: &[] },
    }
}

/// Programs and files that are built and lie in the cache.
#[derive(Debug, Clone)]
pub struct Programs {
    dirs: BTreeMap<&'static str, PathBuf>,
}

impl Programs {
    /// Builds what is not in the cache yet. The caller holds the cache's lock.
    ///
    /// # Errors
    /// When Go or a C compiler is missing, or a build fails. What was built before stays.
    pub async fn build(layout: &Layout, progress: &Progress) -> Result<Self> {
        remove_unfinished(&cache(layout)?)?;
        let mut dirs = BTreeMap::new();
        for recipe in RECIPES {
            dirs.insert(recipe.name, built(recipe, layout, progress).await?);
        }
        Ok(Self { dirs })
    }

    /// The path of a program or kept file of group `group`.
    ///
    /// # Errors
    /// When there is no such thing in the group.
    pub fn path(&self, group: &str, file: &str) -> Result<PathBuf> {
        let dir = self.dirs.get(group).with_context(|| format!("no programs called {group}"))?;
        let path = dir.join(file);
        ensure!(
            path.exists(),
            "{} is missing; remove {} to build it again",
            path.display(),
            dir.display()
        );
        Ok(path)
    }

    /// What identifies one group's build.
    pub fn key(&self, group: &str) -> Option<String> {
        Some(self.dirs.get(group)?.file_name()?.to_string_lossy().into_owned())
    }

    /// Fills `bin` with links to all programs.
    ///
    /// # Errors
    /// When a link cannot be made.
    pub fn link(&self, bin: &Path) -> Result<()> {
        std::fs::create_dir_all(bin)?;
        for recipe in RECIPES {
            if let Source::Go { packages, .. } = &recipe.source {
                for (_, program) in *packages {
                    let link = bin.join(program);
                    let _ = std::fs::remove_file(&link);
                    std::os::unix::fs::symlink(self.path(recipe.name, program)?, &link)
                        .with_context(|| format!("cannot make {}", link.display()))?;
                }
            }
        }
        Ok(())
    }
}

impl Recipe {
    fn key(&self) -> String {
        let digest = Sha256::digest(format!("{self:?}"));
        let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{short}", self.name, self.version)
    }
}

fn cache(layout: &Layout) -> Result<PathBuf> {
    let cache = layout.cache().join("programs");
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    Ok(cache)
}

/// Where the programs of a group lie, built when they are not in the cache yet. The caller holds the cache's lock.
///
/// # Errors
/// As [`Programs::build`].
pub async fn built(recipe: &Recipe, layout: &Layout, progress: &Progress) -> Result<PathBuf> {
    let cache = cache(layout)?;
    let dir = cache.join(recipe.key());
    if !dir.exists() {
        let what = format!("building {} {}", recipe.name, recipe.version);
        progress.step(&what, into_cache(recipe, &cache, &dir)).await?;
    }
    Ok(dir)
}

/// The prefix of what is being built.
const UNFINISHED: &str = ".building-";

fn remove_unfinished(cache: &Path) -> Result<()> {
    for entry in std::fs::read_dir(cache)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// A build that is killed leaves nothing under its final name.
async fn into_cache(recipe: &Recipe, cache: &Path, dir: &Path) -> Result<()> {
    let work = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(cache)?;
    let out = work.path().join("out");
    std::fs::create_dir(&out)?;
    build::build(recipe, work.path(), &out)
        .await
        .with_context(|| format!("cannot build {}", recipe.name))?;
    std::fs::rename(&out, dir).with_context(|| format!("cannot make {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_moves_only_its_own_group() {
        let one = go("etcd", "v1", "m", &[]);
        let other = go("etcd", "v2", "m", &[]);
        assert_ne!(one.key(), other.key());
        let keys: std::collections::HashSet<_> = RECIPES.iter().map(Recipe::key).collect();
        assert_eq!(keys.len(), RECIPES.len());
    }
}
