//! What the engine promises.

use std::time::Duration;

use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::labels::{
    KEPT, OBJECT_UID, OBJECT_VERSION, READ_ONLY, STORE_DECISION, STORE_UID,
};
use vcluster_syncer_core::names::host_name;
use vcluster_syncer_core::resource::{
    CONFIG_MAPS, EVENTS, NAMESPACES, NODES, PODS, SECRETS, SERVICES,
};
use vcluster_syncer_core::{Key, Object};

use crate::rig::{Pair, Rig, Running, eventually};

/// A pod that needs nothing but a config map.
pub fn pod(name: &str, config_map: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "dnsPolicy": "Default",
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "main", "image": "registry.k8s.io/pause:3.10",
                "envFrom": [{"configMapRef": {"name": config_map}}],
            }],
        },
    })
}

pub fn config_map(name: &str, value: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "default"}, "data": {"key": value}})
}

pub fn inside(name: &str) -> Key {
    Key::new("default", name)
}

impl Pair {
    pub fn name_of(&self, name: &str) -> String {
        host_name(name, "default", &self.settings.name)
    }

    pub async fn delete_inside(&self, kind: &'static vcluster_syncer_core::Resource, name: &str) {
        let key = inside(name);
        if let Some(object) = self.inside.get(kind, &key).await.unwrap() {
            self.inside.delete(kind, &key, object.uid(), Some(0)).await.unwrap();
        }
    }

    /// Plays the host's scheduler and kubelet.
    async fn start_on_host(&self, name: &str, node: &str) {
        let host = self.name_of(name);
        let binding =
            json!({"metadata": {"name": &host}, "target": {"kind": "Node", "name": node}});
        self.host.post(&PODS, &self.host_key(&host), "binding", &binding).await.unwrap();
        let status = json!({"status": {
            "phase": "Running", "podIP": "10.1.2.3", "podIPs": [{"ip": "10.1.2.3"}],
            "conditions": [{"type": "Ready", "status": "True"}], "newField": {"kept": true},
        }});
        self.merge_on_host(&PODS, &host, Some("status"), status).await;
    }
}

pub async fn open(running: &Running) {
    eventually("the engine to be ready", || async { running.health.ready().ok.then_some(()) })
        .await;
}

/// Creation, binding, status, deletion with grace: each on the side where it happens first, then on the other.
pub async fn life(rig: &Rig) {
    let pair = rig.virtual_cluster("life").await;
    let _running = pair.run();
    pair.create_inside(&CONFIG_MAPS, config_map("life", "a")).await;
    let made = pair.create_inside(&PODS, pod("life", "life")).await;
    let host = pair.name_of("life");
    let twin = pair.on_host(&PODS, &host, |_| true).await;
    assert_eq!(twin.annotation(OBJECT_UID), Some(made.uid()));
    pair.on_host(&CONFIG_MAPS, &host, |copy| copy.str_at(&["data", "key"]) == Some("a")).await;

    pair.start_on_host("life", "node-a").await;
    let running = pair
        .inside(&PODS, &inside("life"), |pod| pod.str_at(&["status", "phase"]) == Some("Running"))
        .await;
    assert_eq!(running.str_at(&["spec", "nodeName"]), Some("node-a"));
    assert_eq!(running.str_at(&["status", "podIP"]), Some("10.1.2.3"));
    pair.inside(&NODES, &Key::cluster("node-a"), |_| true).await;

    pair.inside.delete(&PODS, &inside("life"), made.uid(), Some(30)).await.unwrap();
    let ending = pair.on_host(&PODS, &host, Object::is_deleting).await;
    assert_eq!(ending.at(&["metadata", "deletionGracePeriodSeconds"]), Some(&json!(30)));
    pair.host.delete(&PODS, &pair.host_key(&host), ending.uid(), Some(0)).await.unwrap();
    pair.gone(&pair.inside, &PODS, &inside("life")).await;
    pair.gone(&pair.host, &CONFIG_MAPS, &pair.host_key(&host)).await;
    pair.delete_inside(&CONFIG_MAPS, "life").await;
}

/// A second engine finds everything as it should be and writes nothing.
pub async fn quiet(rig: &Rig) {
    let pair = rig.virtual_cluster("quiet").await;
    let first = pair.run();
    pair.create_inside(&CONFIG_MAPS, config_map("quiet", "a")).await;
    pair.create_inside(&PODS, pod("quiet", "quiet")).await;
    pair.on_host(&PODS, &pair.name_of("quiet"), |_| true).await;
    pair.start_on_host("quiet", "node-b").await;
    pair.inside(&PODS, &inside("quiet"), |pod| pod.str_at(&["status", "phase"]) == Some("Running"))
        .await;
    eventually("the queue to be empty", || async {
        (first.engine.debug_state()["queue"] == 0).then_some(())
    })
    .await;
    drop(first);

    let (pods, maps) = (pair.host_objects(&PODS).await, pair.host_objects(&CONFIG_MAPS).await);
    let before = pair.inside.get(&PODS, &inside("quiet")).await.unwrap();
    let second = pair.run();
    open(&second).await;
    eventually("the queue to be empty", || async {
        (second.engine.debug_state()["queue"] == 0).then_some(())
    })
    .await;
    assert_eq!(
        (pair.host_objects(&PODS).await, pair.host_objects(&CONFIG_MAPS).await),
        (pods, maps)
    );
    assert_eq!(pair.inside.get(&PODS, &inside("quiet")).await.unwrap(), before);
    pair.delete_inside(&PODS, "quiet").await;
    pair.delete_inside(&CONFIG_MAPS, "quiet").await;
}

/// Engines that live for a few milliseconds, while objects come and go.
pub async fn killed(rig: &Rig) {
    let pair = rig.virtual_cluster("killed").await;
    for index in 0..30 {
        let name = format!("killed-{index}");
        let running = pair.run();
        pair.create_inside(&CONFIG_MAPS, config_map(&name, "a")).await;
        pair.create_inside(&PODS, pod(&name, &name)).await;
        if index % 3 == 0 && index > 0 {
            let before = format!("killed-{}", index - 1);
            pair.delete_inside(&PODS, &before).await;
            pair.delete_inside(&CONFIG_MAPS, &before).await;
        }
        // Not a wait for something: how long this engine lives is the point.
        tokio::time::sleep(Duration::from_millis(index * 7)).await;
        drop(running);
    }
    let _running = pair.run();
    let expected: Vec<String> = (0..30)
        .filter(|index| (index + 1) % 3 != 0 || index + 1 >= 30)
        .map(|index| pair.name_of(&format!("killed-{index}")))
        .collect();
    for kind in [&PODS, &CONFIG_MAPS] {
        eventually(&format!("exactly the wanted {kind}"), || async {
            let mut have: Vec<String> =
                pair.host_objects(kind).await.into_iter().map(|(name, _)| name).collect();
            have.retain(|name| name.starts_with("killed-"));
            let mut wanted = expected.clone();
            have.sort();
            wanted.sort();
            (have == wanted).then_some(())
        })
        .await;
    }
    for index in 0..30 {
        pair.delete_inside(&PODS, &format!("killed-{index}")).await;
        pair.delete_inside(&CONFIG_MAPS, &format!("killed-{index}")).await;
    }
    eventually("the host to be empty", || async {
        pair.host_objects(&PODS).await.is_empty().then_some(())
    })
    .await;
}

/// Absence alone proves nothing, but a fresh read does.
pub async fn deleted_unseen(rig: &Rig) {
    let pair = rig.virtual_cluster("unseen").await;
    let running = pair.run();
    pair.create_inside(&CONFIG_MAPS, config_map("unseen", "a")).await;
    pair.create_inside(&PODS, pod("unseen", "unseen")).await;
    let host = pair.name_of("unseen");
    pair.on_host(&PODS, &host, |_| true).await;
    pair.on_host(&CONFIG_MAPS, &host, |_| true).await;
    drop(running);
    pair.delete_inside(&PODS, "unseen").await;
    pair.delete_inside(&CONFIG_MAPS, "unseen").await;
    let _running = pair.run();
    pair.gone(&pair.host, &PODS, &pair.host_key(&host)).await;
    pair.gone(&pair.host, &CONFIG_MAPS, &pair.host_key(&host)).await;
}

/// A name that is taken: an event says so, and the object stays as it is.
pub async fn foreign(rig: &Rig) {
    let pair = rig.virtual_cluster("foreign").await;
    let host = pair.name_of("foreign");
    let object = json!({"metadata": {"name": &host, "namespace": &pair.settings.host_namespace}, "data": {"mine": "x"}});
    let before = pair.host.create(&CONFIG_MAPS, &pair.host_key(&host), &object).await.unwrap();
    let _running = pair.run();
    pair.create_inside(&CONFIG_MAPS, config_map("foreign", "a")).await;
    pair.create_inside(&PODS, pod("foreign", "foreign")).await;
    eventually("an event about the taken name", || async {
        let events = pair
            .inside
            .list(&EVENTS, "default", "&fieldSelector=involvedObject.name%3Dforeign")
            .await
            .unwrap();
        let said =
            events.items.iter().any(|event| String::from_utf8_lossy(event).contains("left alone"));
        said.then_some(())
    })
    .await;
    assert_eq!(pair.host.get(&CONFIG_MAPS, &pair.host_key(&host)).await.unwrap(), Some(before));
    pair.delete_inside(&PODS, "foreign").await;
    pair.delete_inside(&CONFIG_MAPS, "foreign").await;
}

/// The host's objects belong to a store that is gone: they stay until someone decides.
pub async fn other_store(rig: &Rig) {
    let pair = rig.virtual_cluster("other").await;
    keeps_its_hands_off(
        &pair,
        json!({"metadata": {"annotations": {STORE_UID: "another-store"}}}),
        "SERVICE",
    )
    .await;
}

/// A host object notes a version that the virtual store has not reached.
pub async fn older_store(rig: &Rig) {
    let pair = rig.virtual_cluster("older").await;
    let noted = json!({"metadata": {"annotations": {OBJECT_VERSION: "999999999"}}});
    keeps_its_hands_off(&pair, noted, "SECRET").await;
}

async fn keeps_its_hands_off(pair: &Pair, mark: Value, on: &str) {
    let running = pair.run();
    pair.create_inside(
        &SECRETS,
        json!({"metadata": {"name": "kept", "namespace": "default"}, "data": {"a": "YQ=="}}),
    )
    .await;
    let mut user = pod("kept", "kept");
    user["spec"]["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "kept"}}]);
    pair.create_inside(&PODS, user).await;
    let host = pair.name_of("kept");
    pair.on_host(&SECRETS, &host, |_| true).await;
    pair.on_host(&PODS, &host, |_| true).await;
    drop(running);
    // The store forgets both.
    pair.delete_inside(&PODS, "kept").await;
    pair.delete_inside(&SECRETS, "kept").await;
    match on {
        "SERVICE" => pair.merge_on_host(&SERVICES, &pair.settings.name, None, mark).await,
        _ => pair.merge_on_host(&SECRETS, &host, None, mark).await,
    }
    let running = pair.run();
    let reason = eventually("the engine to be read-only", || async {
        running.engine.debug_state()["readOnly"].as_str().map(str::to_owned)
    })
    .await;
    assert!(!running.health.ready().ok, "{reason}");
    assert!(pair.host.get(&SECRETS, &pair.host_key(&host)).await.unwrap().is_some());
    assert!(pair.host.get(&PODS, &pair.host_key(&host)).await.unwrap().is_some());
    hands_over_what_was_kept(pair, &running, &host).await;
}

/// What `vcluster adopt` writes lets the engine go on, and nothing is deleted then. An object that comes back gets the
/// host object that waits for it; a pod gets a new one.
async fn hands_over_what_was_kept(pair: &Pair, running: &Running, host: &str) {
    let keep = json!({"metadata": {"annotations": {KEPT: "now", OBJECT_VERSION: "1"}}});
    for kind in [&SECRETS, &PODS] {
        pair.merge_on_host(kind, host, None, keep.clone()).await;
    }
    let before =
        [pair.on_host(&SECRETS, host, |_| true).await, pair.on_host(&PODS, host, |_| true).await];
    let store = pair.inside(&NAMESPACES, &Key::cluster("kube-system"), |_| true).await;
    let decision = json!({STORE_UID: store.uid(), STORE_DECISION: "adopt", READ_ONLY: null});
    let decision = json!({"metadata": {"annotations": decision}});
    pair.merge_on_host(&SERVICES, &pair.settings.name, None, decision).await;
    open(running).await;
    assert_eq!(running.engine.debug_state()["readOnly"], Value::Null);
    for (kind, object) in [&SECRETS, &PODS].into_iter().zip(&before) {
        assert_eq!(pair.host.get(kind, &pair.host_key(host)).await.unwrap().as_ref(), Some(object));
    }

    let mut user = pod("kept", "kept");
    user["spec"]["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "kept"}}]);
    pair.create_inside(&PODS, user).await;
    let secret =
        json!({"metadata": {"name": "kept", "namespace": "default"}, "data": {"a": "Yg=="}});
    let secret = pair.create_inside(&SECRETS, secret).await;
    let copy = pair.on_host(&SECRETS, host, |it| it.annotation(KEPT).is_none()).await;
    assert_eq!(copy.annotation(OBJECT_UID), Some(secret.uid()));
    assert_eq!(copy.uid(), before[0].uid());
    pair.on_host(&SECRETS, host, |it| it.str_at(&["data", "a"]) == Some("Yg==")).await;
    pair.on_host(&PODS, host, |it| it.uid() != before[1].uid()).await;
    pair.delete_inside(&PODS, "kept").await;
    pair.delete_inside(&SECRETS, "kept").await;
    pair.gone(&pair.host, &SECRETS, &pair.host_key(host)).await;
}
