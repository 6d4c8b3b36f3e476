//! What happens to the virtual store while the engine runs.

use std::path::Path;

use vcluster_syncer_core::json::json;
use vcluster_syncer_core::resource::{CONFIG_MAPS, NAMESPACES, PODS};
use vcluster_syncer_core::{Key, PatchForm};

use crate::checks::{config_map, inside, pod};
use crate::rig::{Pair, Rig, Running, eventually};

/// The store comes back as it was before a pod was made. An API server takes a watch from a version of the future and
/// keeps quiet, and the pod is not there: nothing that is on the host may go for that.
pub async fn goes_back(rig: &Rig) {
    let pair = rig.virtual_cluster("back").await;
    let running = pair.run();
    pair.create_inside(&CONFIG_MAPS, config_map("early", "a")).await;
    pair.create_inside(&PODS, pod("early", "early")).await;
    pair.on_host(&PODS, &pair.name_of("early"), |_| true).await;

    let copy = tempfile::tempdir().unwrap();
    rig.restart_inside(|etcd| copy_folder(etcd, &copy.path().join("etcd")));
    answers(&pair).await;
    pair.create_inside(&PODS, pod("late", "early")).await;
    pair.on_host(&PODS, &pair.name_of("late"), |_| true).await;

    rig.restart_inside(|etcd| {
        std::fs::remove_dir_all(etcd)?;
        copy_folder(&copy.path().join("etcd"), etcd)
    });
    answers(&pair).await;
    becomes_read_only(&pair, &running, &["early", "late"]).await;
}

/// The store comes back with another past, and is further already than it ever was: its version tells nothing.
pub async fn goes_back_and_on(rig: &Rig) {
    let pair = rig.virtual_cluster("on").await;
    let copies = tempfile::tempdir().unwrap();
    let [before, other] = ["before", "other"].map(|name| copies.path().join(name));
    rig.restart_inside(|etcd| copy_folder(etcd, &before));
    answers(&pair).await;
    for number in 0..200 {
        pair.create_inside(&CONFIG_MAPS, config_map(&format!("other-{number}"), "a")).await;
    }
    rig.restart_inside(|etcd| {
        copy_folder(etcd, &other)?;
        std::fs::remove_dir_all(etcd)?;
        copy_folder(&before, etcd)
    });
    answers(&pair).await;
    let running = pair.run();
    pair.create_inside(&CONFIG_MAPS, config_map("mirrored", "a")).await;
    let made = pair.create_inside(&PODS, pod("mirrored", "mirrored")).await;
    pair.on_host(&PODS, &pair.name_of("mirrored"), |_| true).await;

    rig.restart_inside(|etcd| {
        std::fs::remove_dir_all(etcd)?;
        copy_folder(&other, etcd)
    });
    answers(&pair).await;
    let version = |text: &str| text.parse::<u64>().unwrap();
    let now = pair.inside.version_of(&PODS, "").await.unwrap();
    assert!(version(&now) > version(made.resource_version()), "{now}");
    becomes_read_only(&pair, &running, &["mirrored"]).await;
}

/// Has a write of the engine answered with 404: it must not write any more, and all pods stay on the host.
async fn becomes_read_only(pair: &Pair, running: &Running, pods: &[&str]) {
    let lost = pair.name_of(pods.last().unwrap());
    assert_eq!(pair.inside.get(&PODS, &inside(pods.last().unwrap())).await.unwrap(), None);
    let status = json!({"status": {"phase": "Running", "podIP": "10.1.2.3"}});
    let key = pair.host_key(&lost);
    let patched = pair.host.patch(&PODS, &key, Some("status"), PatchForm::Merge, &status);
    patched.await.unwrap();
    eventually("the engine to be read-only", || async {
        running.engine.debug_state()["readOnly"].as_str().map(str::to_owned)
    })
    .await;
    for name in pods {
        let key = pair.host_key(&pair.name_of(name));
        let kept = pair.host.get(&PODS, &key).await.unwrap();
        assert!(kept.is_some_and(|pod| !pod.is_deleting()), "{name}");
    }
}

async fn answers(pair: &Pair) {
    eventually("the virtual API server to answer", || async {
        pair.inside.get(&NAMESPACES, &Key::cluster("kube-system")).await.ok().flatten()
    })
    .await;
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => std::fs::copy(entry.path(), target).map(drop)?,
        }
    }
    Ok(())
}
