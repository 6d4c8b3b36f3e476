//! What the syncer itself puts into the virtual cluster: CoreDNS, and the names of the nodes for it.

use std::net::IpAddr;
use std::time::Duration;

use vcluster_config::Config;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::names::short_hash;
use vcluster_syncer_core::object::members;
use vcluster_syncer_core::resource::{NODES, PODS};
use vcluster_syncer_core::{Object, PatchForm, Virtual};

use super::{first_dns, manifests};
use crate::admin::Check;
use crate::coredns::{self, Selector};
use crate::engine::Engine;
use crate::engine::api::Api;

/// Annotation on CoreDNS' pods. Not under our own prefix, which does not pass to the host.
const NUDGE: &str = "coredns.vcluster.loft.sh/node-hosts";
/// Between two looks at what will be there soon, and before a manifest that the API server did not take is tried again.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);
/// What that grows to.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Applies CoreDNS, then keeps the names of nodes up to date. Runs for ever.
///
/// Until CoreDNS answers for the first time the virtual cluster is not ready: what is deployed into it finds nothing.
/// Later its health is its own affair, since the control plane works without.
pub async fn keep_dns(inside: Api, config: Config, engine: Engine, check: Option<Check>) {
    let settings = coredns::Settings { config: &config, host_dns: host_dns() };
    let objects = match coredns::manifests(&settings) {
        Ok(objects) => objects,
        Err(problem) => {
            tracing::error!(%problem, "CoreDNS is not deployed");
            if let Some(check) = check {
                check.failing_for_good(format!("CoreDNS is not deployed: {problem}"));
            }
            return;
        }
    };
    let mut objects = objects;
    let selector = coredns::selector(&objects);
    if let Some(check) = check {
        match &selector {
            Some(selector) => {
                let labels = selector.to_string();
                check.failing(format!(
                    "CoreDNS is not ready yet: kubectl -n {} get pods -l {labels}",
                    coredns::NAMESPACE
                ));
                let early = first_dns::lead_early(&engine, selector, &mut objects);
                let first = first_dns::wait(engine.clone(), selector.clone(), check);
                let inside = inside.clone();
                tokio::spawn(async move {
                    first.await;
                    insist(&inside, early.into_iter().collect()).await;
                });
            }
            None => check.ok(),
        }
    }
    let known = names(&engine);
    let mut config_map = None;
    if let Some(place) = objects.iter_mut().find(|object| is_config_map(object)) {
        put_names(place, &known);
        config_map = Some(place.clone());
    }
    let mut refused = apply_each(&inside, objects).await;
    let known = match refused.iter().any(is_config_map) {
        true => None,
        false => Some(known),
    };
    // Names that it does not have yet would be written over.
    refused.retain(|object| !is_config_map(object));
    let names = async {
        if let Some(config_map) = config_map {
            keep_names(&inside, &engine, selector.as_ref(), config_map, known).await;
        }
    };
    tokio::join!(insist(&inside, refused), names);
}

/// Keeps the names of nodes in the config map, in which `known` are.
async fn keep_names(
    inside: &Api,
    engine: &Engine,
    selector: Option<&Selector>,
    mut config_map: Value,
    mut known: Option<String>,
) {
    let mut changes = engine.node_changes();
    loop {
        let now = names(engine);
        if known.as_ref() != Some(&now) {
            put_names(&mut config_map, &now);
            insist(inside, vec![config_map.clone()]).await;
            let pods =
                selector.map(|selector| first_dns::pods(engine, selector)).unwrap_or_default();
            hurry(inside, pods, &now).await;
            known = Some(now);
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Applies objects in their order, each once; gives back those that the API server did not take.
async fn apply_each(inside: &Api, objects: Vec<Value>) -> Vec<Value> {
    let mut refused = Vec::new();
    for object in objects {
        if let Err(error) = manifests::apply(inside, &object).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "a manifest of CoreDNS cannot be applied, will retry"
            );
            refused.push(object);
        }
    }
    refused
}

/// Applies objects again until all are taken. One that never is holds no other up.
async fn insist(inside: &Api, mut objects: Vec<Value>) {
    let mut pause = BETWEEN_TRIES;
    loop {
        objects = apply_each(inside, objects).await;
        if objects.is_empty() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Annotates CoreDNS' pods with the names they are to know. A kubelet brings a changed config map to a running pod within
/// a minute or so, but looks at once when the pod itself changes.
async fn hurry(inside: &Api, pods: Vec<Virtual<Object>>, names: &str) {
    let body = json!({"metadata": {"annotations": {NUDGE: short_hash(names)}}});
    for pod in pods {
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
    let data = members(config_map).entry("data").or_insert_with(|| json!({}));
    members(data).insert(coredns::NODE_HOSTS, text.into());
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

#[cfg(test)]
mod tests {
    use vcluster_syncer_core::Side;

    use super::*;
    use crate::namespace::tests::scripted;

    #[tokio::test(start_paused = true)]
    async fn a_manifest_that_is_refused_holds_no_other_up_and_is_tried_ever_less_often() {
        let (namespace, asked) = scripted(&[], |line, _| {
            let kind =
                |kind: &str, name: &str| json!({ "kind": kind, "name": name, "namespaced": true });
            Some(match line.split_once(' ').unwrap() {
                ("GET", _) => (
                    200,
                    json!({ "resources": [kind("ConfigMap", "configmaps"), kind("Service", "services")] }),
                ),
                (_, path) if path.contains("/configmaps/odd") => (422, json!("no")),
                _ => (200, json!({})),
            })
        });
        let inside = Api::new(namespace.client().clone(), Side::Virtual);
        let object = |kind: &str, name: &str| {
            let metadata = json!({ "name": name, "namespace": "kube-system" });
            json!({ "apiVersion": "v1", "kind": kind, "metadata": metadata })
        };
        let all = vec![object("ConfigMap", "odd"), object("Service", "kube-dns")];
        let hour = Duration::from_secs(60 * 60);
        assert!(tokio::time::timeout(hour, insist(&inside, all)).await.is_err(), "it gave up");
        let asked = asked.lock().unwrap();
        let patched = |name: &str| {
            asked.iter().filter(|line| line.starts_with("PATCH") && line.contains(name)).count()
        };
        assert_eq!(patched("kube-dns"), 1, "{asked:?}");
        assert!((100..200).contains(&patched("odd")), "{} times", patched("odd"));
    }
}
