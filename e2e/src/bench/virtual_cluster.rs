//! A virtual cluster that is measured: made by our program, then reached without it, at its pod's own address.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use kube::config::Kubeconfig;
use serde_json::{Value, json};

use super::api::{Answer, Api};
use super::processes::Census;
use super::soon::soon;
use crate::suite::home::Home;
use crate::suite::processes::of_container;

/// How long anything may take while a virtual cluster comes up.
const PATIENCE: Duration = Duration::from_secs(180);
/// Where its API server listens.
const PORT: u16 = 8443;

/// A virtual cluster.
#[derive(Clone)]
pub struct VirtualCluster {
    /// Its name.
    pub name: String,
    /// Its namespace on the host.
    pub namespace: String,
    /// Its API server, as administrator.
    pub inside: Api,
    /// The same as a kubeconfig.
    pub kubeconfig: Kubeconfig,
    host: Api,
    home: Home,
}

/// How long it took from the start of `vcluster create`, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Startup {
    /// Until the kubeconfig of its Secret works and pods can be created.
    pub answers: f64,
    /// Until a first pod, created then, runs as its API server tells.
    pub first_pod: f64,
    /// Until CoreDNS is available.
    pub dns: f64,
    /// Until the command ended.
    pub command: f64,
}

impl VirtualCluster {
    /// Creates one, and a first pod in it.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn create(host: &Api, home: &Home, name: &str) -> Result<(Self, Startup)> {
        let namespace = format!("vcluster-{name}");
        let began = Instant::now();
        let args = ["create", name, "--namespace", &namespace, "--connect=false"];
        let command = async {
            let said = home.run(&args).await?;
            let took = began.elapsed();
            said.succeeds().map(|_| took.as_secs_f64())
        };
        let watched = async {
            let cluster = Self::open(host, home, name, &namespace).await?;
            let answers = began.elapsed().as_secs_f64();
            let since = |part: Result<()>| part.map(|()| began.elapsed().as_secs_f64());
            let (first_pod, dns) =
                tokio::try_join!(async { since(cluster.first_pod().await) }, async {
                    since(cluster.dns().await)
                },)?;
            Ok((cluster, Startup { answers, first_pod, dns, command: 0.0 }))
        };
        let (command, (cluster, startup)) = tokio::try_join!(command, watched)?;
        Ok((cluster, Startup { command, ..startup }))
    }

    /// Waits until it can be used.
    ///
    /// # Errors
    /// When it cannot in time.
    pub async fn open(host: &Api, home: &Home, name: &str, namespace: &str) -> Result<Self> {
        let (kubeconfig, inside) = soon(&format!("virtual cluster {name}"), PATIENCE, || async {
            let kubeconfig = kubeconfig(host, name, namespace).await?;
            let inside = Api::new(kubeconfig.clone()).await?;
            inside.get("/api/v1/namespaces/default/serviceaccounts/default").await?;
            Ok((kubeconfig, inside))
        })
        .await?;
        Ok(Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            inside,
            kubeconfig,
            host: host.clone(),
            home: home.clone(),
        })
    }

    /// Pauses it and brings it back. Also answers how long it took from the start of `vcluster resume` until its API could
    /// be used, in seconds.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn pause_and_wake(self) -> Result<(Self, f64)> {
        let Self { name, namespace, host, home, .. } = self;
        let args = |command| [command, name.as_str(), "--namespace", namespace.as_str()];
        home.run(&args("pause")).await?.succeeds()?;
        gone(&host, &format!("/api/v1/namespaces/{namespace}/pods/{name}-0")).await?;
        let began = Instant::now();
        let resumed = async { home.run(&args("resume")).await?.succeeds().map(drop) };
        let opened = async {
            let cluster = Self::open(&host, &home, &name, &namespace).await?;
            Ok((cluster, began.elapsed().as_secs_f64()))
        };
        let ((), woken) = tokio::try_join!(resumed, opened)?;
        Ok(woken)
    }

    /// Takes the syncer out of its pod, and waits until the rest is up again.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn without_syncer(self) -> Result<Self> {
        let path =
            format!("/apis/apps/v1/namespaces/{}/statefulsets/{}", self.namespace, self.name);
        let set = self.host.get(&path).await?;
        let containers = set.pointer("/spec/template/spec/containers").and_then(Value::as_array);
        let rest: Vec<&Value> = containers
            .into_iter()
            .flatten()
            .filter(|one| one.get("name") != Some(&json!("syncer")))
            .collect();
        let patch = json!({ "spec": { "template": { "spec": { "containers": rest } } } });
        let _: Answer =
            self.host.send(Method::PATCH, &path, patch.to_string().into_bytes()).await?;
        soon("the control plane without its syncer", PATIENCE, || async {
            let pod = self.control_plane().await?;
            let containers = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
            let ready = containers.is_some_and(|all| {
                all.len() == rest.len()
                    && all.iter().all(|one| one.get("ready") == Some(&json!(true)))
            });
            ensure!(
                ready && pod.pointer("/metadata/deletionTimestamp").is_none(),
                "it is not ready"
            );
            Ok(())
        })
        .await?;
        Self::open(&self.host, &self.home, &self.name, &self.namespace).await
    }

    /// Its processes: those of the control plane by container, those of the pods that it runs by `pod CONTAINER`.
    ///
    /// # Errors
    /// When the host does not answer.
    pub async fn census(&self) -> Result<Census> {
        let mut census = Census::default();
        let pods = self.host.get(&format!("/api/v1/namespaces/{}/pods", self.namespace)).await?;
        for pod in pods.get("items").and_then(Value::as_array).into_iter().flatten() {
            // What kwok plays has no processes, and what ended has none any more.
            let own = pod.pointer("/metadata/name") == Some(&json!(format!("{}-0", self.name)));
            let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
            for container in containers.into_iter().flatten() {
                let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
                if let Ok(pids) = of_container(pod, name) {
                    let name = if own { name.to_owned() } else { format!("pod {name}") };
                    census.add(name, pids.iter().map(|pid| pid.as_raw_nonzero().get()));
                }
            }
        }
        ensure!(census.0.contains_key("kube-apiserver"), "no process of {} was found", self.name);
        Ok(census)
    }

    /// Deletes it, and waits until its namespace is gone.
    ///
    /// # Errors
    /// When it stays.
    pub async fn delete(&self) -> Result<()> {
        delete(&self.host, &self.home, &self.name).await
    }

    async fn control_plane(&self) -> Result<Value> {
        let path = format!("/api/v1/namespaces/{}/pods/{}-0", self.namespace, self.name);
        Ok(self.host.get(&path).await?)
    }

    async fn first_pod(&self) -> Result<()> {
        let collection = "/api/v1/namespaces/default/pods";
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "first" },
            "spec": { "terminationGracePeriodSeconds": 0, "containers": [{
                "name": "first", "image": "registry.k8s.io/pause:3.10",
            }] },
        });
        self.inside.ensure(collection, &pod).await?;
        let path = format!("{collection}/first");
        soon("the first pod", PATIENCE, || async {
            let pod = self.inside.get(&path).await?;
            ensure!(pod.pointer("/status/phase") == Some(&json!("Running")), "it does not run");
            Ok(())
        })
        .await?;
        self.inside.delete(&path).await
    }

    async fn dns(&self) -> Result<()> {
        soon("CoreDNS", PATIENCE, || async {
            let path = "/apis/apps/v1/namespaces/kube-system/deployments/coredns";
            let deployment = self.inside.get(path).await?;
            let available = deployment.pointer("/status/availableReplicas").and_then(Value::as_u64);
            ensure!(available >= Some(1), "it is not available");
            Ok(())
        })
        .await
    }
}

/// Deletes a virtual cluster in whatever state it is, and waits until its namespace is gone.
///
/// # Errors
/// When it stays.
pub async fn delete(host: &Api, home: &Home, name: &str) -> Result<()> {
    let namespace = format!("vcluster-{name}");
    let args = ["delete", name, "-n", &namespace, "-y", "--ignore-not-found", "--delete-namespace"];
    home.run(&args).await?.succeeds()?;
    gone(host, &format!("/api/v1/namespaces/{namespace}")).await
}

/// Waits until what is at a path is gone.
async fn gone(host: &Api, path: &str) -> Result<()> {
    soon(&format!("the end of {path}"), PATIENCE, || async {
        match host.get(path).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => bail!("it is still there"),
        }
    })
    .await
}

/// The kubeconfig of Secret `vc-NAME`, with the address of the control plane's pod.
async fn kubeconfig(host: &Api, name: &str, namespace: &str) -> Result<Kubeconfig> {
    let root = format!("/api/v1/namespaces/{namespace}");
    let secret = host.get(&format!("{root}/secrets/vc-{name}")).await?;
    let pod = host.get(&format!("{root}/pods/{name}-0")).await?;
    let data = secret.pointer("/data/config").and_then(Value::as_str).unwrap_or_default();
    let text = String::from_utf8(BASE64_STANDARD.decode(data)?)?;
    let address = pod.pointer("/status/podIP").and_then(Value::as_str);
    let address = address.context("the control plane's pod has no address")?;
    let mut kubeconfig = Kubeconfig::from_yaml(&text)?;
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        cluster.server = Some(format!("https://{address}:{PORT}"));
    }
    Ok(kubeconfig)
}
