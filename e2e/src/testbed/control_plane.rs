//! etcd, the API server, the controller manager and the scheduler.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::family::joined;
use super::kubectl::Kubectl;
use super::layout::Layout;
use super::pki::Pki;
use super::processes::{Process, Processes, Spec};
use super::programs::Programs;

/// Where etcd says whether it is well, in plain HTTP.
pub const ETCD_HEALTH_PORT: u16 = 2381;
/// The controller manager's port.
pub const CONTROLLER_MANAGER_PORT: u16 = 10257;
/// The scheduler's port.
pub const SCHEDULER_PORT: u16 = 10259;
/// Requests a second that a controller may send. The built-in 20 would make it, and not what is measured, the limit
/// of a burst of a thousand pods.
const CLIENT_QPS: u32 = 500;

/// Starts the control plane.
pub struct ControlPlane<'a> {
    /// Names and addresses.
    pub layout: &'a Layout,
    /// What to start.
    pub programs: &'a Programs,
    /// Certificates.
    pub pki: &'a Pki,
    /// Where processes are written down.
    pub processes: &'a Processes,
}

impl ControlPlane<'_> {
    /// Starts etcd and the API server, and waits until it is ready.
    ///
    /// # Errors
    /// When one of them ends or takes too long.
    pub async fn start_api(&self, kubectl: &Kubectl) -> Result<()> {
        self.start("etcd", "etcd", self.etcd())?;
        let server = self.start("kube-apiserver", "kubernetes", self.api_server()?)?;
        self.processes
            .ready(&server, Duration::from_secs(60), || async {
                let up =
                    tokio::net::TcpStream::connect(self.layout.control_plane(6443)).await.is_ok();
                Ok(up && kubectl.run(&["get", "--raw", "/readyz"]).await.is_ok())
            })
            .await
    }

    /// Starts the controller manager and the scheduler. The API server must be ready: they end when it is not.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn start_controllers(&self) -> Result<()> {
        self.start("kube-controller-manager", "kubernetes", self.controller_manager()?)?;
        let config = self.layout.in_state("scheduler.json");
        let kubeconfig = self.pki.file("scheduler.kubeconfig");
        let settings = json!({
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": { "leaderElect": false },
            "clientConnection": { "kubeconfig": kubeconfig, "qps": CLIENT_QPS, "burst": 2 * CLIENT_QPS },
        });
        std::fs::write(&config, settings.to_string())
            .with_context(|| format!("cannot write {}", config.display()))?;
        let mut args = vec![flag("config", text(&config)?)];
        args.extend(self.delegation("scheduler", SCHEDULER_PORT)?);
        self.start("kube-scheduler", "kubernetes", args).map(drop)
    }

    fn start(&self, name: &str, group: &str, args: Vec<String>) -> Result<Process> {
        let mut argv = vec![text(&self.programs.path(group, name)?)?];
        argv.extend(args);
        self.processes.start(Spec { name: name.into(), netns: self.layout.netns(), argv })
    }

    fn etcd(&self) -> Vec<String> {
        let client = "http://127.0.0.1:2379";
        vec![
            flag("data-dir", self.layout.in_state("etcd").display()),
            flag("listen-client-urls", client),
            flag("advertise-client-urls", client),
            flag("listen-peer-urls", "http://127.0.0.1:2380"),
            flag(
                "listen-metrics-urls",
                format!("http://{}", self.layout.control_plane(ETCD_HEALTH_PORT)),
            ),
            // A bed never outlives a power cut.
            "--unsafe-no-fsync".into(),
            flag("quota-backend-bytes", 4_u64 << 30),
        ]
    }

    fn api_server(&self) -> Result<Vec<String>> {
        let file = |name: &str| text(&self.pki.file(name));
        Ok(vec![
            flag("etcd-servers", "http://127.0.0.1:2379"),
            flag("bind-address", self.layout.families().first::<&str>("0.0.0.0", "::")),
            // There is no default route to find it by.
            flag("advertise-address", self.layout.control_plane_ip()),
            flag("secure-port", 6443),
            flag("tls-cert-file", file("control-plane.crt")?),
            flag("tls-private-key-file", file("control-plane.key")?),
            flag("client-ca-file", file("ca.crt")?),
            flag("kubelet-client-certificate", file("kubelet-client.crt")?),
            flag("kubelet-client-key", file("kubelet-client.key")?),
            flag("kubelet-certificate-authority", file("ca.crt")?),
            flag("kubelet-preferred-address-types", "InternalIP"),
            flag("service-account-issuer", "https://kubernetes.default.svc.cluster.local"),
            flag("service-account-key-file", file("service-accounts.pub")?),
            flag("service-account-signing-key-file", file("service-accounts.key")?),
            flag("service-cluster-ip-range", joined(&self.layout.service_cidrs())),
            flag("authorization-mode", "Node,RBAC"),
            flag("enable-admission-plugins", "NodeRestriction"),
            "--allow-privileged=true".into(),
            flag("requestheader-client-ca-file", file("front-proxy-ca.crt")?),
            flag("requestheader-allowed-names", "front-proxy-client"),
            flag("requestheader-username-headers", "X-Remote-User"),
            flag("requestheader-group-headers", "X-Remote-Group"),
            flag("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
            flag("proxy-client-cert-file", file("front-proxy.crt")?),
            flag("proxy-client-key-file", file("front-proxy.key")?),
            // Webhooks and APIServices are dialled at their pods: there is no kube-proxy in this namespace.
            "--enable-aggregator-routing=true".into(),
            flag("max-requests-inflight", 1200),
            flag("max-mutating-requests-inflight", 600),
        ])
    }

    fn controller_manager(&self) -> Result<Vec<String>> {
        let file = |name: &str| text(&self.pki.file(name));
        let mut args = vec![
            flag("kubeconfig", file("controller-manager.kubeconfig")?),
            flag("root-ca-file", file("ca.crt")?),
            flag("service-account-private-key-file", file("service-accounts.key")?),
            "--use-service-account-credentials".into(),
            "--allocate-node-cidrs=false".into(),
            "--leader-elect=false".into(),
            flag("cluster-signing-cert-file", file("ca.crt")?),
            flag("cluster-signing-key-file", file("ca.key")?),
            flag("kube-api-qps", CLIENT_QPS),
            flag("kube-api-burst", 2 * CLIENT_QPS),
        ];
        args.extend(self.delegation("controller-manager", CONTROLLER_MANAGER_PORT)?);
        Ok(args)
    }

    /// How a controller's own port knows its callers, and they it.
    fn delegation(&self, user: &str, port: u16) -> Result<Vec<String>> {
        let kubeconfig = text(&self.pki.file(&format!("{user}.kubeconfig")))?;
        Ok(vec![
            flag("authentication-kubeconfig", &kubeconfig),
            flag("authorization-kubeconfig", &kubeconfig),
            flag("tls-cert-file", text(&self.pki.file("control-plane.crt"))?),
            flag("tls-private-key-file", text(&self.pki.file("control-plane.key"))?),
            flag("secure-port", port),
        ])
    }
}

/// `--NAME=VALUE`.
pub fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

/// A path as an argument.
///
/// # Errors
/// When it is not UTF-8.
pub fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?.to_owned())
}
