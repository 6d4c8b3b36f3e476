//! What the syncer itself puts into the virtual cluster: CoreDNS, and the names of the nodes for it.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use vcluster_config::Config;
use vcluster_syncer_core::names::short_hash;
use vcluster_syncer_core::object::members;
use vcluster_syncer_core::resource::{NODES, PODS};
use vcluster_syncer_core::{Object, PatchForm, Virtual};

use super::manifests;
use crate::admin::Check;
use crate::coredns;
use crate::engine::Engine;
use crate::engine::api::Api;

/// Annotation on CoreDNS' pods. Not under our own prefix, which does not pass to the host.
const NUDGE: &str = "coredns.vcluster.loft.sh/node-hosts";
/// Between two tries of a manifest that the API server does not take yet.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// Applies CoreDNS, then keeps the names of nodes up to date. Runs for ever.
///
/// Until CoreDNS answers for the first time the virtual cluster is not ready: what is deployed into it finds nothing.
/// Later its health is its own affair, since the control plane works without.
pub async fn keep_dns(inside: Api, config: Config, engine: Engine, check: Option<Check>) {
    if let Some(check) = check {
        check.failing("CoreDNS is not ready yet: kubectl -n kube-system get pods -l k8s-app=vcluster-kube-dns");
        tokio::spawn(first_answer(engine.clone(), check));
    }
    let settings = coredns::Settings { config: &config, host_dns: host_dns() };
    let mut objects = match coredns::manifests(&settings) {
        Ok(objects) => objects,
        Err(problem) => {
            tracing::error!(%problem, "CoreDNS is not deployed");
            return;
        }
    };
    let mut changes = engine.node_changes();
    let mut known = names(&engine);
    let place = objects.iter_mut().find(|object| is_config_map(object));
    let Some(config_map) = place else {
        apply_all(&inside, &objects).await;
        return;
    };
    put_names(config_map, &known);
    let mut config_map = config_map.clone();
    apply_all(&inside, &objects).await;
    while changes.changed().await.is_ok() {
        let now = names(&engine);
        if now != known {
            put_names(&mut config_map, &now);
            apply_all(&inside, std::slice::from_ref(&config_map)).await;
            hurry(&inside, &engine, &now).await;
            known = now;
        }
    }
}

/// Waits for a pod of CoreDNS that is ready.
async fn first_answer(engine: Engine, check: Check) {
    while !dns_pods(&engine).iter().any(is_ready) {
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    check.ok();
}

fn dns_pods(engine: &Engine) -> Vec<Virtual<Object>> {
    let mut pods = engine.virtual_objects(&PODS, coredns::NAMESPACE);
    pods.retain(|pod| pod.label("k8s-app") == Some(coredns::APP));
    pods
}

fn is_ready(pod: &Virtual<Object>) -> bool {
    pod.items_at(&["status", "conditions"]).iter().any(|condition| {
        let is = |member: &str, value: &str| {
            condition.get(member).and_then(Value::as_str) == Some(value)
        };
        is("type", "Ready") && is("status", "True")
    })
}

async fn apply_all(inside: &Api, objects: &[Value]) {
    let mut said = String::new();
    for object in objects {
        while let Err(error) = manifests::apply(inside, object).await {
            let error = format!("{error:#}");
            if error != said {
                tracing::warn!(%error, "a manifest of CoreDNS cannot be applied, will retry");
                said = error;
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }
}

/// Annotates CoreDNS' pods with the names they are to know. A kubelet brings a changed config map to a running pod within
/// a minute or so, but looks at once when the pod itself changes.
async fn hurry(inside: &Api, engine: &Engine, names: &str) {
    let body = json!({"metadata": {"annotations": {NUDGE: short_hash(names)}}});
    for pod in dns_pods(engine) {
        if let Err(error) = inside.patch(&PODS, &pod.key(), None, PatchForm::Merge, &body).await {
            tracing::debug!(pod = %pod.key(), %error, "CoreDNS is not hurried, it will learn of nodes later");
        }
    }
}

fn is_config_map(object: &Value) -> bool {
    let object = Object::new(object.clone());
    object.str_at(&["kind"]) == Some("ConfigMap") && object.name() == coredns::CONFIG_MAP
}

fn put_names(config_map: &mut Value, text: &str) {
    let data =
        members(config_map).entry("data").or_insert_with(|| Value::Object(serde_json::Map::new()));
    members(data).insert(coredns::NODE_HOSTS.into(), text.into());
}

/// The addresses and names of the virtual nodes, as a hosts file.
fn names(engine: &Engine) -> String {
    let nodes = engine.virtual_objects(&NODES, "");
    coredns::node_hosts(nodes.iter().filter_map(|node| Some((address(node)?, node.name()))))
}

fn address(node: &Virtual<Object>) -> Option<IpAddr> {
    let addresses = node.items_at(&["status", "addresses"]).iter();
    let mut internal = addresses
        .filter(|address| address.get("type").and_then(Value::as_str) == Some("InternalIP"));
    internal.find_map(|address| address.get("address")?.as_str()?.parse().ok())
}

/// The host's DNS server: the one that this pod asks.
fn host_dns() -> Option<IpAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    text.lines().find_map(|line| line.strip_prefix("nameserver ")?.trim().parse().ok())
}
