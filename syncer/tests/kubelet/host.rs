//! The host side of the test: a namespace of its own and pods in it, made as the engine makes them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use vcluster_syncer::kubelet::{HostPod, PodDirectory};

/// In the test bed's images; has a shell, tar and an HTTP server.
const IMAGE: &str = "registry.k8s.io/e2e-test-images/agnhost:2.56";

/// The namespace of the virtual pods.
pub const INSIDE: &str = "apps";

/// Names as the syncer makes them.
#[derive(Clone)]
pub struct Directory {
    pub namespace: String,
}

impl PodDirectory for Directory {
    fn host_pod(&self, namespace: &str, name: &str) -> Option<HostPod> {
        let name = format!("{name}-x-{namespace}-x-test");
        Some(HostPod { namespace: self.namespace.clone(), name })
    }
}

/// Both sides, to make pods on.
pub struct Sides {
    pub inside: kube::Client,
    pub host: kube::Client,
    pub directory: Directory,
    pub node: String,
}

impl Sides {
    pub fn inside_pods(&self) -> Api<Pod> {
        Api::namespaced(self.inside.clone(), INSIDE)
    }

    pub fn host_pods(&self) -> Api<Pod> {
        Api::namespaced(self.host.clone(), &self.directory.namespace)
    }

    pub async fn namespaces(&self) -> Result<()> {
        for (client, name) in [(&self.inside, INSIDE), (&self.host, &self.directory.namespace)] {
            let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            Api::<Namespace>::all(client.clone())
                .create(&PostParams::default(), &namespace)
                .await?;
        }
        Ok(())
    }

    pub async fn remove_namespace(&self) {
        let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        let pods = self.host_pods();
        let _best_effort = pods.delete_collection(&now, &kube::api::ListParams::default()).await;
        let namespaces = Api::<Namespace>::all(self.host.clone());
        let _best_effort = namespaces.delete(&self.directory.namespace, &now).await;
    }

    /// A virtual node that is reached at `address`:`port`.
    pub async fn make_node(&self, address: std::net::IpAddr, port: u16) -> Result<()> {
        let nodes = Api::<Node>::all(self.inside.clone());
        let node = serde_json::from_value(json!({"metadata": {"name": self.node}}))?;
        nodes.create(&PostParams::default(), &node).await?;
        let status = json!({"status": {
            "addresses": [{"type": "InternalIP", "address": address}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }});
        nodes.patch_status(&self.node, &PatchParams::default(), &Patch::Merge(&status)).await?;
        Ok(())
    }

    /// Both pods, running: the host pod has a container more.
    pub async fn make_pods(&self) -> Result<()> {
        let web = json!({"containers": [
            container("main", &["/agnhost", "netexec", "--http-port=8080", "--udp-port=-1"]),
            container("side", &["/agnhost", "netexec", "--http-port=8081", "--udp-port=-1"]),
        ]});
        self.make_pod("web", web).await?;
        let echo = "echo ready; while read line; do echo heard $line; done";
        let mut echo = container("main", &["sh", "-c", echo]);
        echo["stdin"] = json!(true);
        self.make_pod("echo", json!({"containers": [echo]})).await?;
        let mut stuck = container("main", &["sh"]);
        stuck["image"] = json!("example.com/never:1");
        self.make_pod("stuck", json!({"containers": [stuck]})).await?;
        for name in ["web", "echo"] {
            self.mirror_status(name).await?;
        }
        Ok(())
    }

    pub async fn make_pod(&self, name: &str, spec: Value) -> Result<()> {
        let uid = self.make_inside(name, &spec).await?;
        self.make_outside(name, spec, &uid).await
    }

    pub async fn make_inside(&self, name: &str, spec: &Value) -> Result<String> {
        let mut spec = spec.clone();
        spec["nodeName"] = json!(self.node);
        let pod = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec}))?;
        let made = self.inside_pods().create(&PostParams::default(), &pod).await?;
        made.metadata.uid.context("a pod without a UID")
    }

    async fn make_outside(&self, name: &str, mut spec: Value, uid: &str) -> Result<()> {
        let host = self.directory.host_pod(INSIDE, name).context("no host pod")?;
        if let Some(containers) = spec["containers"].as_array_mut() {
            containers.push(container("added", &["/agnhost", "pause"]));
        }
        spec["terminationGracePeriodSeconds"] = json!(0);
        spec["automountServiceAccountToken"] = json!(false);
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": host.name, "labels": {"vcluster.loft.sh/managed-by": "test"}, "annotations": {
                "vcluster.loft.sh/object-uid": uid,
                "vcluster.loft.sh/object-name": name,
                "vcluster.loft.sh/object-namespace": INSIDE,
            }},
            "spec": spec,
        }))?;
        // The namespace's service account is made by a controller.
        for _ in 0..100 {
            match self.host_pods().create(&PostParams::default(), &pod).await {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 403 => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        anyhow::bail!("the host refuses pods in namespace {}", host.namespace)
    }

    /// Waits for the host pod and writes its status to the virtual one.
    pub async fn mirror_status(&self, name: &str) -> Result<()> {
        let host = self.directory.host_pod(INSIDE, name).context("no host pod")?;
        for _ in 0..600 {
            let pod = serde_json::to_value(self.host_pods().get(&host.name).await?)?;
            if pod["status"]["phase"] == "Running" {
                let status = json!({"status": pod["status"]});
                let pods = self.inside_pods();
                pods.patch_status(name, &PatchParams::default(), &Patch::Strategic(&status))
                    .await?;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("host pod {} did not start within a minute", host.name)
    }
}

pub fn container(name: &str, command: &[&str]) -> Value {
    json!({"name": name, "image": IMAGE, "imagePullPolicy": "Never", "command": command})
}
