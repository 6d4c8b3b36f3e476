//! What one of several replicas does when it comes to lead.

use tokio::sync::watch;
use vcluster_syncer_core::Object;
use vcluster_syncer_core::json::json;
use vcluster_syncer_core::resource::{CONFIG_MAPS, EVENTS, PODS};

use crate::checks::{config_map, inside, open, pod};
use crate::rig::{Pair, Rig, eventually};

/// What ends the name of the event, on both sides.
const HASH: &str = "1a2b";

/// A host event that comes while nobody leads is told inside by who leads next.
pub async fn events_meanwhile(rig: &Rig) {
    let pair = rig.virtual_cluster("leaders").await;
    let leader = pair.run();
    pair.create_inside(&CONFIG_MAPS, config_map("led", "a")).await;
    pair.create_inside(&PODS, pod("led", "led")).await;
    let twin = pair.on_host(&PODS, &pair.name_of("led"), |_| true).await;
    let leading = watch::Sender::new(false);
    let follower = pair.run_while(leading.subscribe());
    open(&follower).await;
    drop(leader);

    let waiting = || follower.engine.debug_state()["untoldEvents"].clone();
    say_on_host(&pair, &twin).await;
    eventually("the follower to have seen it", || async { (waiting() == 1).then_some(()) }).await;
    let told = inside(&format!("led.{HASH}"));
    assert_eq!(pair.inside.get(&EVENTS, &told).await.unwrap(), None, "a follower writes nothing");

    leading.send_replace(true);
    let event = pair.inside(&EVENTS, &told, |_| true).await;
    assert_eq!(event.str_at(&["involvedObject", "name"]), Some("led"));
    assert_eq!(waiting(), 0);
    pair.delete_inside(&PODS, "led").await;
    pair.delete_inside(&CONFIG_MAPS, "led").await;
}

/// Plays the host's kubelet.
async fn say_on_host(pair: &Pair, twin: &Object) {
    let key = pair.host_key(&format!("{}.{HASH}", twin.name()));
    let event = json!({
        "metadata": { "name": key.name(), "namespace": key.namespace() },
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "name": twin.name(), "namespace": key.namespace(), "uid": twin.uid(),
        },
        "reason": "Killing", "message": "Stopping container", "type": "Normal", "count": 1,
    });
    pair.host.create(&EVENTS, &key, &event).await.unwrap();
}
