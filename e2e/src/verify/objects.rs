//! What the chart makes, checked against what the host's API server says about each kind: nothing comes from a network.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use e2e::checkout;
use e2e::testbed::{TestBed, command, run};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::report::say;
use super::schemas;
use super::steps::shown;

/// Kinds that no API server here knows, and why.
const UNKNOWN: [(&str, &str); 2] = [
    ("ServiceMonitor", "the Prometheus operator brings it"),
    ("TLSRoute", "the Gateway API's experimental channel brings it"),
];
/// What decides most about which objects the chart makes, besides the valid values that the options are tested with.
const SETTINGS: [&str; 8] = [
    "controlPlane.distro.k8s.enabled=true",
    "controlPlane.distro.eks.enabled=true",
    "controlPlane.distro.k3s.enabled=true",
    "controlPlane.distro.k0s.enabled=true",
    "controlPlane.backingStore.etcd.deploy.enabled=true",
    "controlPlane.ingress.enabled=true",
    "controlPlane.serviceMonitor.enabled=true",
    "policies.isolate=true",
];
/// How many times helm runs at the same time.
const JOBS: usize = 4;

/// Checks the objects of every distribution and of every set of values that there is, strictly.
pub async fn conform(testbed: &TestBed) -> Result<()> {
    let kubeconform = testbed.kubeconform().await?;
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let (described, made) = (folder.path().join("schemas"), folder.path().join("objects"));
    std::fs::create_dir(&described)?;
    std::fs::create_dir(&made)?;
    let openapi = testbed.kubectl.run(&["get", "--raw", "/openapi/v2"]).await?;
    let kinds = schemas::write(&serde_json::from_str(&openapi)?, &described)?;
    say(&format!("the host describes {kinds} kinds"));
    for (kind, why) in UNKNOWN {
        ensure!(!schemas::describes(&described, kind)?, "the host knows {kind}: let it be checked");
        say(&format!("not checked: {kind}: {why}"));
    }
    let renders = stream::iter(sets()?)
        .map(|(name, values)| render(testbed, &made, name, values))
        .buffer_unordered(JOBS);
    renders.try_collect::<Vec<()>>().await?;

    let skipped = UNKNOWN.map(|(kind, _)| kind).join(",");
    let mut kubeconform = command(kubeconform);
    kubeconform.args(["-strict", "-summary", "-skip", &skipped, "-schema-location"]);
    kubeconform.arg(described.join(schemas::LAYOUT)).arg(&made);
    shown(&mut kubeconform).await
}

/// Names of sets of values, and how helm is told each.
fn sets() -> Result<Vec<(String, [String; 2])>> {
    let setting = |it: &str| (it.replace('=', "-"), ["--set".to_owned(), it.to_owned()]);
    let mut sets: Vec<_> = SETTINGS.into_iter().map(setting).collect();
    let folder = checkout::root()?.join("config/tests/valid");
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    ensure!(!entries.is_empty(), "{} has no values", folder.display());
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        sets.push((name, ["--values".into(), entry.path().display().to_string()]));
    }
    Ok(sets)
}

async fn render(testbed: &TestBed, to: &Path, name: String, values: [String; 2]) -> Result<()> {
    let chart: PathBuf = checkout::root()?.join("charts/vcluster");
    let mut helm = command(testbed.bin.join("helm"));
    let text = run(helm.args(["template", "my-vc"]).arg(chart).args(values)).await?;
    let path = to.join(format!("{name}.yaml"));
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
