//! Whether each part of a bed is well.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::TestBed;
use super::control_plane::{CONTROLLER_MANAGER_PORT, ETCD_HEALTH_PORT, SCHEDULER_PORT};
use super::kubectl::Kubectl;
use super::kwok;
use super::layout::Layout;
use super::nodes::{KUBELET_HEALTH_PORT, PROXY_HEALTH_PORT};
use super::processes::{Process, Processes};

/// How long a health check may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// One line of `status`.
#[derive(Debug, Clone)]
pub struct Health {
    /// The process or workload.
    pub component: String,
    /// Its process id; workloads in the cluster have none.
    pub pid: Option<i32>,
    /// Whether it is well.
    pub healthy: bool,
    /// What it said, when it is not.
    pub detail: String,
}

impl TestBed {
    /// Asks every part whether it is well.
    pub async fn status(&self) -> Vec<Health> {
        check(&self.layout).await
    }

    /// Checks that every part is well.
    ///
    /// # Errors
    /// When one is not: which, and what it said last.
    pub async fn well(&self) -> Result<()> {
        let processes = Processes::of(&self.layout);
        let health = self.status().await;
        let sick = health.iter().filter(|part| !part.healthy).map(
            |Health { component, detail, .. }| {
                // Workloads write no log here.
                let log = processes.find(component).map(|_| processes.end_of_log(component));
                format!("{component}: {detail}\n{}", log.unwrap_or_default())
            },
        );
        let sick: Vec<String> = sick.collect();
        ensure!(sick.is_empty(), "of the host cluster is not well:\n{}", sick.join("\n"));
        Ok(())
    }
}

/// Asks every process and every workload of the bed.
async fn check(layout: &Layout) -> Vec<Health> {
    let kubectl = Kubectl::of(layout);
    let processes = Processes::of(layout).all();
    let mut all = join_all(processes.iter().map(|process| ask(layout, &kubectl, process))).await;
    all.extend(workloads(&kubectl).await.unwrap_or_default());
    all
}

async fn ask(layout: &Layout, kubectl: &Kubectl, process: &Process) -> Health {
    let name = &process.spec.name;
    let answer = if process.alive() {
        tokio::time::timeout(PATIENCE, answer(layout, kubectl, name))
            .await
            .unwrap_or_else(|_| Err("no answer".into()))
    } else {
        Err("not running".into())
    };
    Health {
        component: name.clone(),
        pid: process.alive().then_some(process.pid),
        healthy: answer.is_ok(),
        detail: answer.err().unwrap_or_default(),
    }
}

async fn answer(layout: &Layout, kubectl: &Kubectl, name: &str) -> Result<(), String> {
    let here = layout.control_plane_ip();
    if let Some((program, node)) = name
        .rsplit_once('-')
        .and_then(|(program, node)| Some((program, node.strip_prefix("node")?)))
    {
        let node = layout.node(node.parse().map_err(|_| format!("{name} names no node"))?);
        return match program {
            "kubelet" => http(node.ip, KUBELET_HEALTH_PORT, "/healthz").await,
            "kube-proxy" => http(node.ip, PROXY_HEALTH_PORT, "/livez").await,
            _ => tokio::net::UnixStream::connect(node.containerd_socket())
                .await
                .map(drop)
                .map_err(|error| error.to_string()),
        };
    }
    let https = |port: u16| {
        let server = format!("https://{}", layout.control_plane(port));
        async move { first_line(kubectl.run(&["--server", &server, "get", "--raw", "/healthz"]).await) }
    };
    match name {
        "etcd" => http(here, ETCD_HEALTH_PORT, "/health").await,
        "kwok" => http(here, kwok::HEALTH_PORT, "/healthz").await,
        "kube-controller-manager" => https(CONTROLLER_MANAGER_PORT).await,
        "kube-scheduler" => https(SCHEDULER_PORT).await,
        _ => first_line(kubectl.run(&["get", "--raw", "/readyz"]).await),
    }
}

fn first_line(answer: Result<String>) -> Result<(), String> {
    answer
        .map(drop)
        .map_err(|error| error.to_string().lines().last().unwrap_or_default().to_owned())
}

/// A GET without TLS; these ports have none.
async fn http(ip: IpAddr, port: u16, path: &str) -> Result<(), String> {
    let ask = async {
        let at = SocketAddr::new(ip, port);
        let mut stream = tokio::net::TcpStream::connect(at).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {at}\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = ask.await.map_err(|error| error.to_string())?;
    let status = answer.lines().next().unwrap_or_default();
    if status.contains(" 200") { Ok(()) } else { Err(status.to_owned()) }
}

/// Deployments and daemon sets of the bed's own namespaces.
async fn workloads(kubectl: &Kubectl) -> Result<Vec<Health>> {
    let found = kubectl.json(&["get", "deployments,daemonsets", "--all-namespaces"]).await?;
    let items =
        found.get("items").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    let number = |item: &serde_json::Value, paths: [&str; 2]| {
        paths
            .iter()
            .find_map(|path| item.pointer(path))
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0)
    };
    Ok(items
        .iter()
        .filter_map(|item| {
            let namespace = item.pointer("/metadata/namespace")?.as_str()?;
            let name = item.pointer("/metadata/name")?.as_str()?;
            if !["kube-system", "local-path-storage", "metallb-system"].contains(&namespace) {
                return None;
            }
            let wanted = number(item, ["/spec/replicas", "/status/desiredNumberScheduled"]);
            let there = number(item, ["/status/availableReplicas", "/status/numberAvailable"]);
            Some(Health {
                component: format!("{namespace}/{name}"),
                pid: None,
                healthy: there >= wanted,
                detail: if there >= wanted {
                    String::new()
                } else {
                    format!("{there} of {wanted} available")
                },
            })
        })
        .collect())
}
