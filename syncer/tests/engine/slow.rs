//! What a resource that an API server does not answer for does to the others.

use std::future::pending;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use vcluster_syncer_core::json::json;
use vcluster_syncer_core::resource::{CONFIG_MAPS, PODS, SERVICES};
use vcluster_syncer_core::{Key, Resource};

use crate::checks::{config_map, open, pod};
use crate::rig::{Rig, eventually};

/// The API server gives up the webhook below after 10 s, since no TLS connection comes about.
const SOON: Duration = Duration::from_secs(7);

/// More config maps than are usually written at once.
const MANY: usize = 24;

static WEBHOOKS: Resource = Resource {
    group: "admissionregistration.k8s.io",
    version: "v1",
    plural: "validatingwebhookconfigurations",
    kind: "ValidatingWebhookConfiguration",
    namespaced: false,
};

/// While the host does not answer for config maps, a Service gets there.
pub async fn one_resource(rig: &Rig) {
    let pair = rig.virtual_cluster("slow").await;
    let running = pair.run();
    open(&running).await;
    let never = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", never.local_addr().unwrap());
    let asked = watch::Sender::new(0);
    tokio::spawn(says_nothing(never, asked.clone()));
    let webhook = json!({"metadata": {"name": "slow"}, "webhooks": [{
        "name": "slow.example.com",
        "clientConfig": {"url": url},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": &pair.settings.host_namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "timeoutSeconds": 30,
    }]});
    let key = Key::cluster("slow");
    let webhook = pair.host.create(&WEBHOOKS, &key, &webhook).await.unwrap();
    let names: Vec<String> = (0..MANY).map(|number| format!("slow-{number}")).collect();
    for name in &names {
        pair.create_inside(&CONFIG_MAPS, config_map(name, "a")).await;
        pair.create_inside(&PODS, pod(name, name)).await;
    }
    // Fewer than those: some wait for the first ones.
    eventually("config maps to be under way", || async { (*asked.borrow() >= 16).then_some(()) })
        .await;

    let began = Instant::now();
    let service = json!({"metadata": {"name": "quick", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}});
    pair.create_inside(&SERVICES, service).await;
    pair.on_host(&SERVICES, &pair.name_of("quick"), |_| true).await;
    let took = began.elapsed();
    assert!(took < SOON, "it waited {took:?} for what hung");

    pair.host.delete(&WEBHOOKS, &key, webhook.uid(), None).await.unwrap();
    pair.delete_inside(&SERVICES, "quick").await;
    for name in &names {
        pair.delete_inside(&PODS, name).await;
        pair.delete_inside(&CONFIG_MAPS, name).await;
    }
}

/// Takes connections, and counts them.
async fn says_nothing(never: TcpListener, asked: watch::Sender<usize>) {
    let mut taken: Vec<TcpStream> = Vec::new();
    while let Ok((connection, _)) = never.accept().await {
        taken.push(connection);
        asked.send_replace(taken.len());
    }
    pending().await
}
