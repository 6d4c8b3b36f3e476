//! The syncer's own door.

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::virtual_cluster::VirtualCluster;
use crate::suite::{Company, Fits, Promise, Setting, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "the-syncer-says-how-it-is",
    about: "/livez, /readyz with reasons, /metrics and a log level that can be changed; and it stops gracefully",
    company: Company::Any,
    fits: Fits::AllBut(&[Setting::EtcdHa], "it looks at one syncer"),
    run: |world| Box::pin(run(world)),
};

/// The port of health and metrics.
const PORT: u16 = 8080;

async fn run(world: World) -> Result<()> {
    let cluster = world.create("door").await?;
    cluster.space("default").apply(&sample::pod("a", sample::idle())).await?;
    cluster.space("default").ready("a").await?;
    ensure!(ask(&cluster, "GET /livez").await?.starts_with("HTTP/1.1 200"), "it is not alive");
    let report = readiness(&cluster).await?;
    ensure!(report.starts_with("HTTP/1.1 200"), "it is not ready: {report}");
    for check in ["virtual-api", "host-api", "store"] {
        ensure!(report.contains(check), "/readyz does not mention {check}: {report}");
    }
    let metrics = ask(&cluster, "GET /metrics").await?;
    for name in [
        "vcluster_sync_plans_total{",
        "vcluster_sync_ops_total{",
        "vcluster_sync_duration_seconds_bucket{",
        "vcluster_sync_lag_seconds_bucket{",
        "vcluster_queue_depth{",
        "vcluster_store_objects{",
    ] {
        ensure!(metrics.contains(name), "/metrics has no {name}");
    }
    ensure!(!metrics.contains(&cluster.name), "a metric shows a name");
    ensure!(
        ask(&cluster, "PUT /log-level").await?.starts_with("HTTP/1.1 403"),
        "the log level is open to all"
    );
    log_level(&cluster).await?;
    stops(&cluster).await
}

/// The level can be changed from within the pod.
async fn log_level(cluster: &VirtualCluster) -> Result<()> {
    let pod = format!("pod/{}-0", cluster.name);
    let mut forward = cluster.host.command(&["port-forward", &pod, &format!(":{PORT}")]);
    let mut child = forward.stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let line = lines.next_line().await?.unwrap_or_default();
    let port = line.split([':', ' ']).find_map(|word| word.parse::<u16>().ok());
    let port = port.with_context(|| format!("kubectl said {line:?}"))?;
    let answer = http(("127.0.0.1", port), "PUT /log-level", "debug").await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "the level was not changed: {answer}");
    let answer = http(("127.0.0.1", port), "GET /log-level", "").await?;
    ensure!(answer.contains("debug"), "the level is {answer}");
    child.kill().await?;
    cluster.space("default").apply(&sample::pod("b", sample::idle())).await?;
    let pod = format!("{}-0", cluster.name);
    holds("it says more", || async {
        let log =
            cluster.host.kubectl(&["logs", &pod, "--container", "syncer", "--tail=200"]).await?;
        ensure!(log.lines().any(|line| line.to_ascii_lowercase().contains("debug")), "not yet");
        Ok(())
    })
    .await
}

/// SIGTERM ends it in time, without an error.
async fn stops(cluster: &VirtualCluster) -> Result<()> {
    cluster.signal("syncer", Signal::TERM).await?;
    holds("it has ended without an error", || async {
        let pod = cluster.control_plane().await?;
        let statuses = pod.pointer("/status/containerStatuses").and_then(|list| list.as_array());
        let status =
            statuses.into_iter().flatten().find(|status| text(status, "/name") == "syncer");
        let ended = status.and_then(|status| {
            status
                .pointer("/lastState/terminated/exitCode")
                .or_else(|| status.pointer("/state/terminated/exitCode"))
        });
        ensure!(ended == Some(&serde_json::json!(0)), "{status:?}");
        Ok(())
    })
    .await
}

/// What `/readyz` says, status line and all.
///
/// # Errors
/// When nobody answers.
pub async fn readiness(cluster: &VirtualCluster) -> Result<String> {
    ask(cluster, "GET /readyz").await
}

/// What the syncer's own door answers.
///
/// # Errors
/// When nobody answers.
pub async fn ask(cluster: &VirtualCluster, request: &str) -> Result<String> {
    let pod = cluster.control_plane().await?;
    http((text(&pod, "/status/podIP"), PORT), request, "").await
}

async fn http(address: (&str, u16), request: &str, body: &str) -> Result<String> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let head = format!(
        "{request} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        address.0,
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
