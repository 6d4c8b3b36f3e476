//! A bed's life: up, up again, mended, left half-way, down. On a bed number of its own, so that one that is in use
//! stays as it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // A test says what it expects by panicking.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use e2e::testbed::{LAST_BED, Options, Outcome, Progress, Signal, TestBed, run_with, until};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_bed_comes_up_is_mended_and_leaves_nothing_behind() {
    let options =
        Options { bed: LAST_BED, nodes: 1, load_balancer: true, families: None, syncer: None };
    let progress = Progress::new();
    TestBed::down(options.bed).await.unwrap();
    let before = traces();

    let (bed, outcome) = TestBed::up(&options, &progress).await.unwrap();
    assert_eq!(outcome, Outcome::Started);
    file_capabilities_count(&bed).await;
    load_balancers_answer(&bed).await;

    let began = Instant::now();
    let (_, outcome) = TestBed::up(&options, &progress).await.unwrap();
    assert_eq!(outcome, Outcome::AlreadyUp);
    assert!(began.elapsed() < Duration::from_secs(5), "a second `up` must be quick");

    bed.stop("kube-scheduler").await.unwrap();
    let (_, outcome) = TestBed::up(&options, &progress).await.unwrap();
    assert_eq!(outcome, Outcome::Mended);
    assert!(bed.process("kube-scheduler").unwrap().alive());

    bed.supervised(&progress, what_ends_is_started_again(&bed)).await.unwrap();
    bed.start("kube-scheduler").unwrap();

    // What a killed `up` leaves: processes, mounts and namespaces without the record that all is there.
    std::fs::remove_file(bed.layout.in_state("bed.json")).unwrap();
    bed.stop("containerd-node1").await.unwrap();
    let (_, outcome) = TestBed::up(&options, &progress).await.unwrap();
    assert_eq!(outcome, Outcome::Started);

    assert!(TestBed::down(options.bed).await.unwrap());
    assert_eq!(TestBed::leftovers(options.bed).unwrap(), Vec::<String>::new());
    // Killed processes are there until init has asked for them.
    let clean =
        || async { if traces() == before { Ok(true) } else { anyhow::bail!("{:#?}", traces()) } };
    until("a clean machine", Duration::from_secs(10), clean).await.unwrap();
    assert!(!TestBed::down(options.bed).await.unwrap(), "a second `down` finds nothing");
}

/// With all capabilities dropped, a program that carries a file capability cannot be executed: as with the official
/// image. Otherwise a chart that forgets to add it back would pass here and fail everywhere else.
async fn file_capabilities_count(bed: &TestBed) {
    let image = "registry.k8s.io/kube-apiserver:v1.34.4";
    for (name, capabilities) in [
        ("dropped", json!({ "drop": ["ALL"] })),
        ("returned", json!({ "drop": ["ALL"], "add": ["NET_BIND_SERVICE"] })),
    ] {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
            "spec": { "restartPolicy": "Never", "containers": [{
                "name": "main", "image": image, "command": ["kube-apiserver", "--version"],
                "securityContext": { "capabilities": capabilities, "runAsUser": 65532 },
            }]},
        });
        apply(bed, &pod).await;
    }
    let said = || async {
        bed.kubectl.run(&["logs", "returned"]).await.map(|log| log.contains("Kubernetes v1"))
    };
    until("the API server's version", PATIENCE, said).await.unwrap();
    let refused = || async {
        bed.kubectl
            .run(&["logs", "dropped"])
            .await
            .map(|log| log.contains("operation not permitted"))
    };
    until("the refusal to execute", PATIENCE, refused).await.unwrap();
}

/// A LoadBalancer service answers at its own address, from outside of the cluster.
async fn load_balancers_answer(bed: &TestBed) {
    let labels = json!({ "app": "balanced" });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "balanced", "labels": labels },
        "spec": { "containers": [{
            "name": "main", "image": "registry.k8s.io/e2e-test-images/agnhost:2.56", "args": ["netexec", "--http-port=8080"],
        }]},
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "balanced" },
        "spec": { "type": "LoadBalancer", "selector": labels, "ports": [{ "port": 80, "targetPort": 8080 }] },
    });
    apply(bed, &pod).await;
    apply(bed, &service).await;
    let answers = || async {
        let service = bed.kubectl.json(&["get", "service", "balanced"]).await?;
        let ip = service
            .pointer("/status/loadBalancer/ingress/0/ip")
            .and_then(|ip| ip.as_str())
            .map(str::to_owned);
        let Some(ip) = ip else { return Ok(false) };
        Ok(tokio::net::TcpStream::connect((ip.as_str(), 80)).await.is_ok())
    };
    until("the balanced service", PATIENCE, answers).await.unwrap();
}

async fn apply(bed: &TestBed, object: &serde_json::Value) {
    let mut kubectl = bed.kubectl.command(&["apply", "--filename", "-"]);
    run_with(&mut kubectl, &object.to_string()).await.unwrap();
}

/// What the machine shows of this bed, looked at in other ways than `down` does.
fn traces() -> BTreeSet<String> {
    let prefix = format!("vcbed{LAST_BED}");
    let mut traces = BTreeSet::new();
    for dir in ["/run/netns", "/sys/class/net", "/var/lib/cni/results", "/var/log/containers"] {
        traces.extend(
            names(Path::new(dir))
                .filter(|name| name.contains(&prefix))
                .map(|name| format!("{dir}/{name}")),
        );
    }
    for file in ["/proc/self/mounts", "/proc/net/unix"] {
        let text = std::fs::read_to_string(file).unwrap();
        let state = format!("vcluster-testbed{LAST_BED}/");
        traces.extend(
            text.lines()
                .filter(|line| line.contains(&state) || line.contains(&prefix))
                .map(str::to_owned),
        );
    }
    for pid in names(Path::new("/proc")).filter(|name| name.parse::<u32>().is_ok()) {
        let read = |file: &str| {
            std::fs::read(Path::new("/proc").join(&pid).join(file)).unwrap_or_default()
        };
        let environment = String::from_utf8_lossy(&read("environ"))
            .contains(&format!("VCLUSTER_TESTBED={prefix}\0"));
        if environment || String::from_utf8_lossy(&read("cgroup")).contains(&prefix) {
            traces.insert(format!(
                "process {pid}: {}",
                String::from_utf8_lossy(&read("cmdline")).replace('\0', " ")
            ));
        }
    }
    traces
}

fn names(dir: &Path) -> impl Iterator<Item = String> {
    std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// But not what was stopped on purpose, which comes before the other in order of names.
async fn what_ends_is_started_again(bed: &TestBed) {
    bed.stop("kube-scheduler").await.unwrap();
    let killed = bed.process("kwok").unwrap().pid;
    bed.signal("kwok", Signal::KILL).unwrap();
    let again = || async {
        let now = bed.process("kwok")?;
        Ok(now.pid != killed && now.alive())
    };
    until("kwok, again", Duration::from_secs(10), again).await.unwrap();
    assert!(!bed.process("kube-scheduler").unwrap().alive());
    let sick = bed.well().await.expect_err("the scheduler is away").to_string();
    assert!(sick.contains("kube-scheduler: not running\nthe end of "), "{sick}");
}
