//! What is written down about a promise that failed, before everything is removed.

use std::fmt::Write as _;
use std::path::Path;

use super::virtual_cluster::VirtualCluster;
use super::world::{Stage, World};
use crate::testbed::Kubectl;

/// Lines of a log that are shown at once; all of them are in a file.
const SHOWN: usize = 25;

/// Writes files into `folder` and returns what a reader wants to see first.
pub async fn collect(world: &World, stage: &Stage, folder: &Path) -> String {
    let mut shown = String::new();
    if let Err(error) = std::fs::create_dir_all(folder) {
        return format!("        no evidence: {}: {error}", folder.display());
    }
    save(folder, "commands.txt", &world.transcript());
    let mut clusters = world.clusters();
    if clusters.is_empty() {
        clusters.extend(stage.common().cloned());
    }
    for cluster in &clusters {
        of_cluster(cluster, folder, &mut shown).await;
    }
    if let Err(error) = world.bed().well().await {
        let _ = writeln!(shown, "{}", indented(&error.to_string(), SHOWN));
    }
    let _ = writeln!(shown, "        more in {}", folder.display());
    shown
}

async fn of_cluster(cluster: &VirtualCluster, folder: &Path, shown: &mut String) {
    let name = &cluster.name;
    let kubeconfig = cluster.home.path(&format!("{name}.kubeconfig"));
    let host = &cluster.host.cluster.kubectl;
    let pods = ["get", "pods", "--output", "wide", "--show-labels"];
    let mut sides = vec![("host", host.clone(), vec!["--namespace", &cluster.host.name])];
    if kubeconfig.exists() {
        sides.push(("inside", host.with(kubeconfig), vec!["--all-namespaces"]));
    }
    for (side, kubectl, whence) in &sides {
        let list = say(kubectl, &[&pods[..], &whence[..]].concat()).await;
        let brief =
            say(kubectl, &[&["get", "pods", "--no-headers"][..], &whence[..]].concat()).await;
        let _ = writeln!(shown, "        {name}, pods {side}:\n{}", indented(&brief, SHOWN));
        save(folder, &format!("{name}-{side}-pods.txt"), &list);
        let everything = "pods,services,configmaps,persistentvolumeclaims,endpointslices,statefulsets,deployments,jobs,nodes";
        let objects =
            say(kubectl, &[&["get", everything, "--output", "yaml"][..], &whence[..]].concat())
                .await;
        save(folder, &format!("{name}-{side}-objects.yaml"), &objects);
        let events = say(
            kubectl,
            &[&["get", "events", "--sort-by=.metadata.creationTimestamp"][..], &whence[..]]
                .concat(),
        )
        .await;
        save(folder, &format!("{name}-{side}-events.txt"), &events);
        let warnings: String = events
            .lines()
            .filter(|line| line.contains("Warning"))
            .map(|line| format!("{line}\n"))
            .collect();
        if !warnings.is_empty() {
            let _ =
                writeln!(shown, "        {name}, warnings {side}:\n{}", indented(&warnings, 10));
        }
    }
    for pod in control_plane(host, &cluster.host.name, name).await {
        of_pod(host, &cluster.host.name, &pod, folder, shown).await;
    }
}

/// The pods of the control plane: its replicas, members of its etcd, what holds its door while it sleeps.
async fn control_plane(host: &Kubectl, namespace: &str, name: &str) -> Vec<String> {
    let apps = "app in (vcluster, vcluster-etcd, vcluster-activator)";
    let selector = format!("release={name},{apps}");
    let args = ["--namespace", namespace, "get", "pods", "--selector", &selector];
    let listed = host.run(&[&args[..], &["--output", NAMES]].concat()).await.unwrap_or_default();
    listed.split_whitespace().map(str::to_owned).collect()
}

/// Names and nothing else.
const NAMES: &str = "jsonpath={.items[*].metadata.name}";

/// What the containers of a pod said, now and before they were started anew.
async fn of_pod(host: &Kubectl, namespace: &str, pod: &str, folder: &Path, shown: &mut String) {
    let of = ["--namespace", namespace, "get", "pod", pod, "--output"];
    let all = "jsonpath={.spec.initContainers[*].name} {.spec.containers[*].name}";
    let containers = host.run(&[&of[..], &[all]].concat()).await.unwrap_or_default();
    for container in containers.split_whitespace() {
        let logs = ["--namespace", namespace, "logs", pod, "--container", container];
        let said = say(host, &logs).await;
        if container == "syncer" {
            let end = indented(&said, SHOWN);
            let _ = writeln!(shown, "        {pod}, end of the syncer's log:\n{end}");
        }
        save(folder, &format!("{pod}-{container}.log"), &said);
        if let Ok(previous) = host.run(&[&logs[..], &["--previous"]].concat()).await {
            save(folder, &format!("{pod}-{container}-previous.log"), &previous);
        }
    }
}

/// What kubectl said, or why it could not.
async fn say(kubectl: &Kubectl, args: &[&str]) -> String {
    let args = [&["--request-timeout=20s"], args].concat();
    kubectl.run(&args).await.unwrap_or_else(|error| format!("{error:#}\n"))
}

fn save(folder: &Path, name: &str, text: &str) {
    // Evidence that cannot be kept must not hide the failure itself.
    let _ = std::fs::write(folder.join(name), text);
}

fn indented(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let end = lines.get(lines.len().saturating_sub(count)..).unwrap_or_default();
    end.iter().map(|line| format!("          {line}\n")).collect()
}
