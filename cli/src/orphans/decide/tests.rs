//! Which host object meets which fate.

use super::*;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret, Service};
use kube::api::{ApiResource, GroupVersionKind};

use super::super::marks::Twin;

const STORE: &str = "new";

/// A host object `KIND-NAME` of virtual object `NAME`, whose UID was `UID`.
fn object(resource: ApiResource, of: &str, name: &str, uid: &str) -> Mirrored {
    Mirrored {
        name: format!("{}-{name}", resource.plural),
        uid: format!("host-{}-{name}", resource.plural),
        resource,
        version: Some(90),
        kept: false,
        going: false,
        dns: false,
        twin: Twin {
            kind: GroupVersionKind::gvk("", "v1", of),
            namespace: "shop".into(),
            name: name.into(),
            uid: uid.into(),
        },
    }
}

/// `a` is there as it was, `b` came back as another one, `c` is gone.
fn scene(noted: &str, version: u64) -> Scene {
    let mut twins = Twins::default();
    let mut objects = Vec::new();
    let kinds: [(ApiResource, &str); 5] = [
        (ApiResource::erase::<PersistentVolumeClaim>(&()), "PersistentVolumeClaim"),
        (ApiResource::erase::<Pod>(&()), "Pod"),
        (ApiResource::erase::<Secret>(&()), "Secret"),
        (ApiResource::erase::<Secret>(&()), "Pod"),
        (ApiResource::erase::<Service>(&()), "Service"),
    ];
    for (resource, of) in kinds {
        for name in ["a", "b", "c"] {
            let mut made = object(resource.clone(), of, name, "old");
            if !made.is_copy() {
                made.name = format!("token-{name}");
            }
            objects.push(made);
        }
        let kind = GroupVersionKind::gvk("", "v1", of);
        twins.add(&kind, "shop", "a", "old");
        twins.add(&kind, "shop", "b", "other");
    }
    let uses = |name: &str, words: &[&str]| User {
        uid: format!("host-pods-{name}"),
        name: format!("pods-{name}"),
        words: words.iter().map(|it| (*it).to_owned()).collect(),
    };
    let pods = vec![
        uses("a", &["persistentvolumeclaims-c", "secrets-c", "services-c"]),
        uses("c", &["secrets-b"]),
    ];
    let store = Store { uid: STORE.into(), version };
    let noted = Noted { service: "service".into(), store: noted.into(), read_only: false };
    Scene::new(noted, store, objects, twins, pods)
}

fn told(scene: &Scene, decision: Decision) -> Vec<String> {
    let fates = scene.fates(decision);
    fates.iter().map(|(object, fate)| format!("{}: {fate:?}", object.name)).collect()
}

#[test]
fn adopting_deletes_nothing() {
    assert_eq!(
        told(&scene("gone", 100), Decision::Adopt),
        [
            "persistentvolumeclaims-b: HandedOver",
            "persistentvolumeclaims-c: Kept",
            "pods-b: Replaced",
            "pods-c: Kept",
            "secrets-b: HandedOver",
            "secrets-c: Kept",
            "services-b: HandedOver",
            "services-c: Kept",
        ]
    );
}

#[test]
fn pruning_spares_data_and_what_is_in_use() {
    assert_eq!(
        told(&scene(STORE, 80), Decision::Prune { claims: false }),
        [
            "persistentvolumeclaims-b: Spared(\"--claims deletes it and its data\")",
            "persistentvolumeclaims-c: Spared(\"used by pod pods-a\")",
            "pods-b: Deleted",
            "pods-c: Deleted",
            "secrets-b: Deleted",
            "secrets-c: InUse(\"pods-a\")",
            "token-b: Deleted",
            "token-c: Deleted",
            "services-b: Deleted",
            "services-c: Deleted",
        ]
    );
    let with = told(&scene("gone", 100), Decision::Prune { claims: true });
    assert_eq!(with[0], "persistentvolumeclaims-b: Deleted");
    assert_eq!(with[1], "persistentvolumeclaims-c: Spared(\"used by pod pods-a\")");
}

#[test]
fn where_the_syncer_is_at_work_only_claims_wait_and_what_was_kept() {
    let mut scene = scene(STORE, 100);
    assert!(scene.settled);
    let claims = ["persistentvolumeclaims-b: HandedOver", "persistentvolumeclaims-c: Kept"];
    assert_eq!(told(&scene, Decision::Adopt), claims);
    assert!(!scene.is_decided(&scene.fates(Decision::Adopt)));
    assert!(scene.is_decided(&scene.fates(Decision::Prune { claims: false })));
    for object in &mut scene.objects {
        object.kept = object.name == "pods-c";
    }
    let prune = told(&scene, Decision::Prune { claims: true });
    assert_eq!(prune.last().map(String::as_str), Some("pods-c: Deleted"));
    assert_eq!(prune.len(), 3);
}

#[test]
fn a_store_is_told_from_another_and_an_older_one() {
    assert!(scene("", 100).settled);
    assert!(!scene(STORE, 89).settled);
    assert!(!scene("gone", 100).settled);
    assert_eq!(scene("gone", 100).paired(), 5);
}
