//! What a node tells about itself and its pods; and the lease, which wants a real API server too.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use vcluster_syncer::lease::{Election, Timing, lease_name};

use crate::kubectl::{PATIENCE, Protocol, run};
use crate::rig::Rig;

fn page(rig: &Rig, path: &str) -> String {
    let path = format!("/api/v1/nodes/fake-1/proxy/{path}");
    rig.output(Protocol::WebSocket, &["get", "--raw", &path])
}

pub fn pages(rig: &Rig) {
    assert_eq!(page(rig, "healthz"), "ok");
    let pods = page(rig, "pods");
    let list: Value = serde_json::from_str(&pods).unwrap();
    let names: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|pod| pod["metadata"]["name"].as_str())
        .collect();
    assert!(["echo", "stuck", "web"].iter().all(|name| names.contains(name)), "{names:?}");
    assert!(!pods.contains(&rig.sides.directory.namespace) && !pods.contains("-x-"));
    let running: Value = serde_json::from_str(&page(rig, "runningpods/")).unwrap();
    assert!(
        running["items"].as_array().unwrap().iter().all(|pod| pod["status"]["phase"] == "Running")
    );
    let metrics = page(rig, "metrics");
    assert!(metrics.contains("kubelet_node_name{node=\"fake-1\"} 1"), "{metrics}");
    assert!(metrics.contains("kubelet_running_containers"), "{metrics}");
    let mut counted = String::new();
    prometheus_client::encoding::text::encode(&mut counted, &rig.registry).unwrap();
    assert!(
        counted.contains(r#"vcluster_kubelet_requests_total{route="pods",code="200"}"#),
        "{counted}"
    );
}

/// With a metrics-server on the host: our pods by their own names. Without: words.
pub fn usage(rig: &Rig) {
    let any = Protocol::WebSocket;
    let pages = ["stats/summary", "metrics/resource", "metrics/cadvisor"];
    let served = ["get", "--raw", "/apis/metrics.k8s.io/v1beta1"];
    if !run(&mut rig.host_kubectl(any, &served), b"").status.success() {
        for path in pages {
            let status = rig.status(
                Some(&rig.cluster.kubelet_client),
                "GET",
                &format!("/{path}"),
                "connection: close\r\n",
            );
            assert_eq!(status, 501, "{path}");
        }
        return;
    }
    // The host measures a new pod within half a minute.
    let give_up = Instant::now() + PATIENCE;
    while !page(rig, "metrics/resource").contains(r#"namespace="apps",pod="web""#) {
        assert!(Instant::now() < give_up, "the host has no numbers of our pods");
        std::thread::sleep(Duration::from_millis(500));
    }
    for path in pages {
        let told = page(rig, path);
        assert!(!told.contains("-x-") && !told.contains("added"), "{path}: {told}");
        assert!(told.contains("side"), "{path}: {told}");
    }
    let summary: Value = serde_json::from_str(&page(rig, "stats/summary")).unwrap();
    let pods = summary["pods"].as_array().unwrap();
    let web = pods.iter().find(|pod| pod["podRef"]["name"] == "web").unwrap();
    assert!(web["memory"]["workingSetBytes"].as_u64().unwrap() > 1_000_000, "{web}");
}

pub fn lease(rig: &Rig) {
    let namespace = &rig.sides.directory.namespace;
    let name = lease_name("test");
    let leases: Api<Lease> = Api::namespaced(rig.sides.host.clone(), namespace);
    let start = |identity: &str| {
        let stop = CancellationToken::new();
        let host = rig.sides.host.clone();
        let election = Election::new(host, namespace, &name, identity, Timing::default());
        let fit = tokio::sync::watch::Sender::new(true);
        let (standings, run) = election.start(fit.subscribe(), stop.clone());
        (standings.leading, stop, rig.runtime.spawn(run))
    };
    rig.runtime.block_on(async {
        let (mut first, stop_first, ended) = start("first");
        tokio::time::timeout(PATIENCE, first.wait_for(|leads| *leads)).await.unwrap().unwrap();
        let (mut second, stop_second, _) = start("second");
        let holder = async || leases.get(&name).await.unwrap().spec.unwrap();
        assert_eq!(holder().await.holder_identity.as_deref(), Some("first"));
        stop_first.cancel();
        ended.await.unwrap();
        tokio::time::timeout(PATIENCE, second.wait_for(|leads| *leads)).await.unwrap().unwrap();
        let spec = holder().await;
        assert_eq!(spec.holder_identity.as_deref(), Some("second"));
        assert_eq!((spec.lease_transitions, spec.lease_duration_seconds), (Some(1), Some(60)));
        stop_second.cancel();
    });
}
