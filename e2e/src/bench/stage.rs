//! What is set up for the measurements: the bed, the virtual clusters, and the null syncer.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use http::Method;
use kube::config::Kubeconfig;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use super::api::Api;
use super::life::Milestone;
use super::null;
use super::pods::{self, Load};
use super::processes::Census;
use super::sheet::Subject;
use super::virtual_cluster::VirtualCluster;
use crate::suite::home::Home;
use crate::testbed::{TestBed, command};

/// The bed's processes that a pod costs something.
const HOST: &[&str] =
    &["etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "kwok"];
/// Below this share of one core, what is measured has come to rest.
const REST: f64 = 0.25;
/// How long to wait for that rest.
const REST_LIMIT: Duration = Duration::from_secs(20);

/// Everything that the measurements need.
pub struct Stage {
    /// The bed.
    pub bed: TestBed,
    /// The host's API server, as administrator.
    pub host: Api,
    /// Who runs `vcluster`.
    pub home: Home,
    /// The virtual cluster that is measured.
    pub cluster: Option<VirtualCluster>,
    /// The one without a syncer.
    pub null: Option<VirtualCluster>,
}

/// One subject, ready for a load.
pub struct Stand<'a> {
    /// Which.
    pub subject: Subject,
    /// The host.
    pub host: &'a Api,
    /// The virtual cluster, if it has one.
    pub inside: Option<&'a Api>,
    /// What works for it.
    pub census: Census,
    null: Option<Child>,
}

impl Stage {
    /// Gets a subject ready for a load. What it needs was made before.
    ///
    /// # Errors
    /// When its processes cannot be found, or the null syncer does not start.
    pub async fn stand(&self, subject: Subject, load: &Load) -> Result<Stand<'_>> {
        let cluster = match subject {
            Subject::Bare => None,
            Subject::Null => {
                Some(self.null.as_ref().context("there is no cluster for the null syncer")?)
            }
            Subject::Vcluster => {
                Some(self.cluster.as_ref().context("there is no virtual cluster")?)
            }
        };
        let mut census = Census::default();
        census.add("the benchmark", [i32::try_from(std::process::id())?]);
        for name in HOST {
            census.add(format!("host {name}"), [self.bed.process(name)?.pid]);
        }
        if let Some(cluster) = cluster {
            for (name, pids) in cluster.census().await?.0 {
                if name == "syncer" {
                    census.add("syncer", pids);
                } else if !name.starts_with("pod ") {
                    census.add(format!("virtual {name}"), pids);
                }
            }
        }
        let null = match cluster {
            Some(cluster) if subject == Subject::Null => {
                let child = self.start_null(cluster, load).await?;
                census.add("syncer", child.id().and_then(|id| i32::try_from(id).ok()));
                Some(child)
            }
            _ => None,
        };
        let inside = cluster.map(|cluster| &cluster.inside);
        Ok(Stand { subject, host: &self.host, inside, census, null })
    }

    /// Starts the null syncer, with the rights that the syncer has.
    async fn start_null(&self, cluster: &VirtualCluster, load: &Load) -> Result<Child> {
        let account = format!(
            "/api/v1/namespaces/{0}/serviceaccounts/vc-{1}/token",
            cluster.namespace, cluster.name
        );
        let wish = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": { "expirationSeconds": 7200 },
        });
        let granted: Value =
            self.host.send(Method::POST, &account, wish.to_string().into_bytes()).await?;
        let token = granted.pointer("/status/token").context("the host granted no token")?;
        let bed = Kubeconfig::read_from(&self.bed.kubeconfig)?;
        let address = bed.clusters.first().context("the bed's kubeconfig has no cluster")?;
        let host = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "host", "clusters": [address],
            "users": [{ "name": "syncer", "user": { "token": token } }],
            "contexts": [{ "name": "host", "context": { "cluster": address.name, "user": "syncer" } }],
        });
        let host = self.home.write("null-host.kubeconfig", &host.to_string())?;
        let inside = serde_json::to_string(&cluster.kubeconfig)?;
        let inside = self.home.write("null-inside.kubeconfig", &inside)?;
        let mut syncer = command(std::env::current_exe()?);
        syncer.args(["null-syncer", "--host", &host, "--inside", &inside]);
        syncer.args(["--namespace", &cluster.namespace, "--name", &cluster.name]);
        syncer.args(["--selector", &load.selector()]).stdout(Stdio::piped());
        let mut child = syncer.spawn().context("the null syncer cannot be started")?;
        let said = child.stdout.take().context("the null syncer has no output")?;
        let first = BufReader::new(said).lines().next_line().await?;
        if first.as_deref() != Some(null::READY) {
            bail!("the null syncer did not start");
        }
        Ok(child)
    }
}

impl Stand<'_> {
    /// Where the client creates pods.
    pub fn client(&self) -> &Api {
        self.inside.unwrap_or(self.host)
    }

    /// When a pod runs, as its user sees it.
    pub fn running(&self) -> Milestone {
        match self.inside {
            Some(_) => Milestone::InsideRunning,
            None => Milestone::HostRunning,
        }
    }

    /// When a pod is gone, as its user sees it.
    pub fn gone(&self) -> Milestone {
        match self.inside {
            Some(_) => Milestone::InsideGone,
            None => Milestone::HostGone,
        }
    }

    /// Waits until what works for the subject has come to rest.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub async fn rest(&self) -> Result<()> {
        let began = Instant::now();
        let mut last = self.census.usage()?;
        while began.elapsed() < REST_LIMIT {
            let period = Duration::from_millis(500);
            tokio::time::sleep(period).await;
            let now = self.census.usage()?;
            let used: f64 = now.since(&last).values().sum();
            if used / period.as_secs_f64() < REST {
                break;
            }
            last = now;
        }
        Ok(())
    }

    /// Removes what a measurement that failed left behind.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn sweep(&self, load: &Load) -> Result<()> {
        for pod in load.pods() {
            self.client().delete(&format!("{}?gracePeriodSeconds=0", pod.path())).await?;
        }
        Ok(())
    }

    /// What the names of its namespaces begin with.
    pub fn prefix(subject: Subject) -> &'static str {
        match subject {
            Subject::Bare => "bench-bare",
            Subject::Null | Subject::Vcluster => "bench",
        }
    }

    /// Ends what was started for it.
    ///
    /// # Errors
    /// When the null syncer had ended before: then what was measured is not what was meant.
    pub async fn leave(mut self) -> Result<()> {
        if let Some(null) = &mut self.null {
            if let Some(status) = null.try_wait()? {
                bail!("the null syncer ended with {status}");
            }
            null.kill().await?;
        }
        Ok(())
    }
}

/// Makes the namespaces for the loads of a subject.
///
/// # Errors
/// As [`pods::make_namespaces`].
pub async fn make_namespaces(stage: &Stage, subject: Subject) -> Result<()> {
    let api = match subject {
        Subject::Bare => Some(&stage.host),
        Subject::Null => stage.null.as_ref().map(|cluster| &cluster.inside),
        Subject::Vcluster => stage.cluster.as_ref().map(|cluster| &cluster.inside),
    };
    let api = api.with_context(|| format!("there is no {}", subject.name()))?;
    pods::make_namespaces(api, Stand::prefix(subject)).await
}
