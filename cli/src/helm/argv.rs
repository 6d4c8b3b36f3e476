//! The arguments of helm. Pure.

use std::path::PathBuf;

use super::version::Applies;
use crate::kubeconfig::HOST_CONTEXT_OF_A_POD;

/// The release that is meant.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a> {
    /// Its name, which is the virtual cluster's.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Context of the host.
    pub context: &'a str,
}

/// Where the chart comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chart {
    /// A folder or an archive on this machine.
    Local(PathBuf),
    /// A chart of a repository.
    Repository {
        /// Name of the chart.
        name: String,
        /// Address of the repository; an `oci://` address holds the chart's name already.
        repository: String,
        /// Version; the newest when not given.
        version: Option<String>,
    },
}

/// Only say what would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DryRun {
    /// Without asking the host.
    Client,
    /// With the host's own checks.
    Server,
}

/// Installs or upgrades, with exactly the values from stdin: where they are empty, helm would take those of the last time.
///
/// Where the API server applies, helm takes over what others have set of the chart's own fields (`pause` the replicas, the
/// activator the Service's selector), as helms that apply themselves do. It refuses that for a release that the other kind
/// of helm made, unless told how to apply.
pub fn upgrade(
    release: Release<'_>,
    applies: Applies,
    chart: &Chart,
    dry_run: Option<DryRun>,
) -> Vec<String> {
    let mut argv = strings(&["upgrade", release.name, "--install"]);
    argv.extend(chart_arguments(chart));
    argv.extend(strings(&["--values", "-", "--reset-values"]));
    if applies == Applies::OnTheServer {
        argv.extend(strings(&["--server-side=true", "--force-conflicts"]));
    }
    if dry_run == Some(DryRun::Server) {
        argv.push("--dry-run=server".to_owned());
    }
    argv.extend(common(release));
    argv
}

/// Renders without a host, with values from stdin.
pub fn template(release: Release<'_>, chart: &Chart) -> Vec<String> {
    let mut argv = strings(&["template", release.name]);
    argv.extend(chart_arguments(chart));
    argv.extend(strings(&[
        "--values",
        "-",
        "--namespace",
        release.namespace,
        "--repository-config",
        "",
    ]));
    argv
}

/// Removes the release.
pub fn uninstall(release: Release<'_>) -> Vec<String> {
    let mut argv = strings(&["uninstall", release.name]);
    argv.extend(common(release));
    argv
}

fn chart_arguments(chart: &Chart) -> Vec<String> {
    match chart {
        Chart::Local(path) => vec![path.display().to_string()],
        Chart::Repository { name, repository, version } => {
            let mut argv = if repository.starts_with("oci://") {
                vec![format!("{}/{name}", repository.trim_end_matches('/'))]
            } else {
                strings(&[name, "--repo", repository])
            };
            if let Some(version) = version {
                argv.extend(strings(&["--version", version]));
            }
            argv
        }
    }
}

/// The user's list of repositories is none of our business and may be broken.
fn common(release: Release<'_>) -> Vec<String> {
    let mut argv = strings(&["--namespace", release.namespace, "--repository-config", ""]);
    if release.context != HOST_CONTEXT_OF_A_POD {
        argv.extend(strings(&["--kube-context", release.context]));
    }
    argv
}

fn strings(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: Release<'_> =
        Release { name: "my-vc", namespace: "vcluster-my-vc", context: "kind" };

    fn line(argv: &[String]) -> String {
        argv.iter()
            .map(|it| if it.is_empty() { "''" } else { it.as_str() })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn argument_lists() {
        let local = Chart::Local("/tmp/vcluster-0.1.0.tgz".into());
        let remote = |repository: &str, version: Option<&str>| Chart::Repository {
            name: "vcluster".into(),
            repository: repository.into(),
            version: version.map(str::to_owned),
        };
        insta::assert_snapshot!(
            [
                line(&upgrade(RELEASE, Applies::Itself, &local, None)),
                line(&upgrade(RELEASE, Applies::OnTheServer, &local, None)),
                line(&upgrade(RELEASE, Applies::Itself, &local, Some(DryRun::Server))),
                line(&upgrade(RELEASE, Applies::Itself, &remote("https://charts.example", Some("0.1.0")), None)),
                line(&upgrade(RELEASE, Applies::Itself, &remote("oci://registry.example/charts/", None), None)),
                line(&template(RELEASE, &local)),
                line(&uninstall(RELEASE)),
                line(&uninstall(Release { context: "in-cluster", ..RELEASE })),
            ]
            .join("\n"),
            @r"
        upgrade my-vc --install /tmp/vcluster-0.1.0.tgz --values - --reset-values --namespace vcluster-my-vc --repository-config '' --kube-context kind
        upgrade my-vc --install /tmp/vcluster-0.1.0.tgz --values - --reset-values --server-side=true --force-conflicts --namespace vcluster-my-vc --repository-config '' --kube-context kind
        upgrade my-vc --install /tmp/vcluster-0.1.0.tgz --values - --reset-values --dry-run=server --namespace vcluster-my-vc --repository-config '' --kube-context kind
        upgrade my-vc --install vcluster --repo https://charts.example --version 0.1.0 --values - --reset-values --namespace vcluster-my-vc --repository-config '' --kube-context kind
        upgrade my-vc --install oci://registry.example/charts/vcluster --values - --reset-values --namespace vcluster-my-vc --repository-config '' --kube-context kind
        template my-vc /tmp/vcluster-0.1.0.tgz --values - --namespace vcluster-my-vc --repository-config ''
        uninstall my-vc --namespace vcluster-my-vc --repository-config '' --kube-context kind
        uninstall my-vc --namespace vcluster-my-vc --repository-config ''
        "
        );
    }
}
