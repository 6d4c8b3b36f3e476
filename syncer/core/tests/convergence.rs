//! Any story ends well: whatever tenants, hosts, faults and crashes do in whatever order, once they stop the syncer
//! comes to rest, every plan is empty, nothing is lost and nothing is orphaned. What no write may do on the way is
//! judged as it is made (`world/judge.rs`).
//!
//! `PROPTEST_CASES=100000 cargo test -p vcluster-syncer-core convergence` for a longer search.

mod deed;

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use proptest::prelude::*;
use vcluster_syncer_core::json::json;
use vcluster_syncer_core::kinds::{endpointslices, services};
use vcluster_syncer_core::resource::{CLAIMS, ENDPOINT_SLICES, NAMESPACES, PODS, SERVICES};
use vcluster_syncer_core::{Host, Key, NotNow, Object, Resource, Settings, Virtual, labels};

use crate::world::{Backup, Clusters, op_line};
use deed::{KINDS, NAMES, deed};

proptest! {
    #[test]
    fn convergence(deeds in prop::collection::vec(deed(), 1..40)) {
        let mut story = Story::begin();
        for deed in &deeds {
            story.happens(deed);
        }
        story.ends();
    }
}

struct Story {
    clusters: Clusters,
    since_sync: [usize; 2],
    foreign: u8,
    /// The virtual store as it was at some earlier sync.
    older: Option<Backup>,
    rolled_back: bool,
}

impl Story {
    fn begin() -> Story {
        let now = "2026-01-01T00:00:00Z".parse().expect("a time");
        let settings = Settings { all_config_maps: true, all_secrets: true, ..Settings::example() };
        let mut clusters = Clusters::new(settings, now);
        for namespace in ["default", "shop", "jobs"] {
            clusters.virt.seed(&NAMESPACES, Object::new(json!({"metadata": {"name": namespace}})));
        }
        let port = json!([{"name": "https", "port": 443, "targetPort": 8443}]);
        clusters.host.seed(
            &SERVICES,
            Object::new(json!({
                "metadata": {
                    "name": "my-vc", "namespace": "team-x",
                    "annotations": {(labels::STORE_UID): "virtual-uid-of-kube-system"},
                },
                "spec": {"clusterIP": "10.96.9.9", "ports": &port},
            })),
        );
        clusters.host.seed(
            &ENDPOINT_SLICES,
            Object::new(json!({
                "metadata": {
                    "name": "my-vc-1", "namespace": "team-x",
                    "labels": {"kubernetes.io/service-name": "my-vc"},
                },
                "addressType": "IPv4",
                "endpoints": [{"addresses": ["10.244.0.9"], "conditions": {"ready": true}}],
                "ports": [{"name": "https", "port": 8443, "protocol": "TCP"}],
            })),
        );
        clusters.virt.seed(
            &SERVICES,
            Object::new(json!({
                "metadata": {"name": "kubernetes", "namespace": "default"},
                "spec": {"clusterIP": "10.96.0.1", "ports": port},
            })),
        );
        Story { clusters, since_sync: [0, 0], foreign: 0, older: None, rolled_back: false }
    }

    fn sync(&mut self, lives: Option<usize>) {
        // Some syncs back: not every one is kept.
        if self.clusters.written.len().is_multiple_of(3) {
            self.older = Some(self.clusters.virt.backup());
        }
        self.clusters.lives = lives;
        self.clusters.sync();
        if self.clusters.lives == Some(0) {
            self.clusters.restart();
        }
        self.clusters.lives = None;
        self.since_sync = [self.clusters.virt.events.len(), self.clusters.host.events.len()];
    }

    fn relisted(&mut self, how: fn(&mut Clusters)) {
        how(&mut self.clusters);
        self.since_sync = [self.clusters.virt.events.len(), self.clusters.host.events.len()];
    }

    fn host_key(&self, kind: &'static Resource, name: usize) -> Key {
        let virt = Virtual(Key::new(NAMES[name].0, NAMES[name].1));
        let mirror = &self.clusters.kinds[self.clusters.kind_of(kind)];
        mirror.host_key(&virt, &self.clusters.settings).expect("a mirrored kind").0
    }

    /// Faults end, hosts finish what they have to do, time passes. Then all must be well.
    fn ends(mut self) {
        self.clusters.virt.refuse.clear();
        self.clusters.host.refuse.clear();
        self.clusters.restart();
        for _ in 0..6 {
            self.sync(None);
            for name in 0..NAMES.len() {
                let key = self.host_key(&PODS, name);
                if self.clusters.host.get(&PODS, &key).is_some_and(Object::is_deleting) {
                    self.host_works(&PODS, name);
                }
            }
            self.clusters.advance(self.clusters.host.now + 120.seconds());
        }
        self.sync(None);
        let versions = (self.clusters.virt.version(), self.clusters.host.version());
        let written = self.clusters.written.len();
        self.clusters.restart();
        self.sync(None);
        let idle: Vec<_> = self.clusters.written.iter().skip(written).map(op_line).collect();
        let after = (self.clusters.virt.version(), self.clusters.host.version());
        assert!(after == versions, "writes at rest: {idle:#?}");
        // What an older store does not know is not lost either, but someone has to decide about it.
        if !self.rolled_back {
            self.nothing_is_lost();
            self.nothing_is_orphaned();
        }
    }

    fn nothing_is_lost(&self) {
        for kind in KINDS {
            let index = self.clusters.kind_of(kind);
            for virt in self.clusters.virt.of(kind).filter(|virt| !virt.is_deleting()) {
                let key = Virtual(virt.key());
                let mirror = &self.clusters.kinds[index];
                let Some(host_key) = mirror.host_key(&key, &self.clusters.settings) else {
                    continue;
                };
                let twin = self.clusters.host.get(kind, &host_key);
                let ours =
                    twin.filter(|twin| twin.annotation(labels::OBJECT_UID) == Some(virt.uid()));
                match (ours, twin) {
                    (Some(twin), _) => self.is_the_same(kind, virt, twin),
                    // Somebody else has the name: its owner is told, by the engine.
                    (None, Some(foreign)) if foreign.annotation(labels::OBJECT_NAME).is_none() => {}
                    (None, _) => self.is_told_why_not(&(index, key), virt),
                }
            }
        }
    }

    fn is_told_why_not(&self, key: &(usize, Virtual<Key>), virt: &Object) {
        let kind = self.clusters.kinds[key.0].kind();
        let lost = *kind == CLAIMS && virt.str_at(&["status", "phase"]) == Some("Lost");
        let ended = matches!(virt.str_at(&["status", "phase"]), Some("Succeeded" | "Failed"));
        let unwanted = *kind == ENDPOINT_SLICES && self.service_of(virt).is_none();
        let decided = self.clusters.decide(key);
        let told = matches!(decided, Err(NotNow::Refused(_) | NotNow::Waiting { .. }));
        assert!(lost || ended || unwanted || told, "{kind} {}: {decided:?}\n{virt:?}", virt.key());
    }

    fn service_of(&self, slice: &Object) -> Option<Object> {
        let name = slice.label("kubernetes.io/service-name")?;
        let service = self.clusters.virt.get(&SERVICES, &Key::new(slice.namespace(), name))?;
        let wish = services::wish(&Virtual(service.clone()));
        (wish.str_at(&["spec", "type"]) != Some("ExternalName")).then(|| service.clone())
    }

    fn is_the_same(&self, kind: &'static Resource, virt: &Object, twin: &Object) {
        let at = virt.key();
        assert_eq!(twin.annotation("variant"), virt.annotation("variant"), "{kind} {at}");
        match kind.plural {
            "configmaps" | "secrets" => {
                assert_eq!(twin.at(&["data"]), virt.at(&["data"]), "{kind} {at}")
            }
            "services" => {
                for field in ["clusterIPs", "type", "ports", "sessionAffinity", "externalName"] {
                    assert_eq!(
                        twin.at(&["spec", field]),
                        virt.at(&["spec", field]),
                        "{kind} {at} {field}"
                    );
                }
            }
            "endpointslices" => {
                for field in ["addressType", "endpoints", "ports"] {
                    assert_eq!(twin.at(&[field]), virt.at(&[field]), "{kind} {at} {field}");
                }
            }
            "persistentvolumeclaims" => {
                let volume = ["spec", "volumeName"];
                assert_eq!(twin.at(&volume), virt.at(&volume), "{kind} {at}");
                assert_eq!(
                    twin.at(&["status", "phase"]),
                    virt.at(&["status", "phase"]),
                    "{kind} {at}"
                );
            }
            _ => {}
        }
    }

    fn nothing_is_orphaned(&self) {
        let alive: BTreeMap<&str, ()> =
            self.clusters.virt.all().map(|(_, object)| (object.uid(), ())).collect();
        for (kind, host) in self.clusters.host.all() {
            let Some((index, key)) = self.clusters.owner(kind, &Host(host.clone())) else {
                continue;
            };
            let of = self.clusters.kinds[index].kind();
            let uid = host.annotation(labels::OBJECT_UID);
            let there = match uid {
                Some(uid) => alive.contains_key(uid),
                // A node's Service is there before the node.
                None => self.clusters.virt.get(of, &key).is_some(),
            };
            assert!(there || host.is_deleting(), "{kind} {} has no {of} {}", host.key(), *key);
        }
        let fixed = endpointslices::api_server_key();
        for kind in [&SERVICES, &ENDPOINT_SLICES] {
            assert!(self.clusters.virt.get(kind, &fixed).is_some(), "{kind} {}", *fixed);
        }
    }
}
