//! A virtual cluster under test, seen from both sides.

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::holds::holds;
use super::home::Home;
use super::kind::{self, Kind};
use super::processes;
use super::space::{Space, text};

/// Label on every host object that stands for a virtual one.
pub const MANAGED_BY: &str = "vcluster.loft.sh/managed-by";

/// How a virtual cluster is made.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The host namespace; by default what `create` chooses.
    pub namespace: Option<String>,
    /// Values for `-f`.
    pub values: Option<Value>,
    /// Further arguments of `create`.
    pub args: Vec<String>,
}

/// An address as it stands in a URL.
pub fn host_of(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

/// A virtual cluster.
#[derive(Clone)]
pub struct VirtualCluster {
    /// Its name.
    pub name: String,
    /// Its namespace on the host.
    pub host: Space,
    /// The virtual cluster itself, reached at its Service's address and not through the host's API server.
    pub inside: Cluster,
    /// Who made it.
    pub home: Home,
}

impl VirtualCluster {
    /// Runs `vcluster create` in `home`, whose kubeconfig leads to `host`.
    ///
    /// # Errors
    /// When it fails, or the virtual cluster does not answer.
    pub async fn create(host: &Cluster, home: &Home, name: &str, wish: &Wish) -> Result<Self> {
        let namespace = wish.namespace.clone().unwrap_or_else(|| format!("vcluster-{name}"));
        // The host may be virtual itself, which must be meant.
        let context = home.context().await?;
        let mut args = vec![
            "create",
            name,
            "--connect=false",
            "--namespace",
            &namespace,
            "--context",
            &context,
        ];
        let file;
        if let Some(values) = &wish.values {
            file = home.write(&format!("{name}-values.yaml"), &values.to_string())?;
            args.extend(["--values", &file]);
        }
        args.extend(wish.args.iter().map(String::as_str));
        home.run(&args).await?.succeeds()?;
        let host = host.space(&namespace);
        let kubeconfig = home.path(&format!("{name}.kubeconfig"));
        let inside = Self::open(&host, home, name, &kubeconfig).await?;
        Ok(Self { name: name.to_owned(), host, inside, home: home.clone() })
    }

    async fn open(
        host: &Space,
        home: &Home,
        name: &str,
        kubeconfig: &std::path::Path,
    ) -> Result<Cluster> {
        let service = host.get(kind::SERVICES, name).await?;
        let server = format!("https://{}", host_of(text(&service, "/spec/clusterIP")));
        let file = kubeconfig.to_str().context("the home's path is not UTF-8")?;
        let context = home.context().await?;
        let args = [
            "connect",
            name,
            "--namespace",
            &host.name,
            "--context",
            &context,
            "--server",
            &server,
        ];
        let output = ["--update-current=false", "--kube-config", file];
        home.run(&[&args[..], &output].concat()).await?.succeeds()?;
        Cluster::open(&host.cluster.kubectl, kubeconfig).await
    }

    /// One of its namespaces.
    pub fn space(&self, namespace: &str) -> Space {
        self.inside.space(namespace)
    }

    /// All host objects of a kind that stand for one of its objects.
    ///
    /// # Errors
    /// When the host does not answer.
    pub async fn twins(&self, kind: Kind) -> Result<Vec<Value>> {
        self.host.list(kind, &format!("{MANAGED_BY}={}", self.name)).await
    }

    /// The host object that stands for one of its objects, or nothing.
    ///
    /// # Errors
    /// When the host does not answer.
    pub async fn find_twin(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>> {
        let twins = self.twins(kind).await?;
        Ok(twins.into_iter().find(|twin| origin(twin) == (namespace, name)))
    }

    /// The host object that stands for one of its objects.
    ///
    /// # Errors
    /// When the host does not answer, or has none.
    pub async fn twin(&self, kind: Kind, namespace: &str, name: &str) -> Result<Value> {
        self.find_twin(kind, namespace, name)
            .await?
            .with_context(|| format!("{} {namespace}/{name} is not on the host", kind.name))
    }

    /// Waits for the host object that stands for one of its objects.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn await_twin(&self, kind: Kind, namespace: &str, name: &str) -> Result<Value> {
        holds(&format!("{} {namespace}/{name} is on the host", kind.name), || {
            self.twin(kind, namespace, name)
        })
        .await
    }

    /// Waits until nothing on the host stands for this object any more.
    ///
    /// # Errors
    /// When something still does after the usual patience.
    pub async fn no_twin(&self, kind: Kind, namespace: &str, name: &str) -> Result<()> {
        holds(&format!("{} {namespace}/{name} is gone from the host", kind.name), || async {
            ensure!(self.find_twin(kind, namespace, name).await?.is_none(), "it is still there");
            Ok(())
        })
        .await
    }

    /// The pod of the control plane.
    ///
    /// # Errors
    /// When there is none.
    pub async fn control_plane(&self) -> Result<Value> {
        self.host.get(kind::PODS, &format!("{}-0", self.name)).await
    }

    /// Sends a signal to a container of the control plane.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn signal(&self, container: &str, signal: Signal) -> Result<()> {
        processes::signal(&self.control_plane().await?, container, signal).map(drop)
    }

    /// Its status, as `vcluster list` shows it.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn status(&self) -> Result<String> {
        let listed = self.home.listed(&self.host.name).await?;
        Ok(listed.first().map(|row| text(row, "/Status").to_owned()).unwrap_or_default())
    }

    /// Sets the number of control planes, as an outage would: neither `pause` nor `resume` knows of it.
    ///
    /// # Errors
    /// When the host refuses.
    pub async fn scale(&self, replicas: u32) -> Result<()> {
        let patch = json!({ "spec": { "replicas": replicas } });
        self.host.patch(kind::STATEFUL_SETS, &self.name, patch).await.map(drop)
    }

    /// Waits until the virtual API server answers and the syncer is ready.
    ///
    /// # Errors
    /// When they are not after the usual patience.
    pub async fn well(&self) -> Result<()> {
        self.host.ready(&format!("{}-0", self.name)).await?;
        holds("the virtual API server answers", || async {
            self.inside.text("/readyz").await.map(drop)
        })
        .await
    }
}

/// Namespace and name of the virtual object that a host object stands for.
pub fn origin(twin: &Value) -> (&str, &str) {
    let annotation = |name: &str| {
        twin.pointer("/metadata/annotations")
            .and_then(|annotations| annotations.get(format!("vcluster.loft.sh/object-{name}")))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    (annotation("namespace"), annotation("name"))
}

/// UID of the virtual object that a host object stands for.
pub fn origin_uid(twin: &Value) -> &str {
    text(twin, "/metadata/annotations/vcluster.loft.sh~1object-uid")
}
