//! Any story ends well: whatever tenants, hosts, faults and crashes do in whatever order, once they stop the syncer
//! comes to rest, every plan is empty, nothing is lost and nothing is orphaned. What no write may do on the way is
//! judged as it is made (`world/judge.rs`).
//!
//! `PROPTEST_CASES=100000 cargo test -p vcluster-syncer-core convergence` for a longer search.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use vcluster_syncer_core::kinds::{endpointslices, services};
use vcluster_syncer_core::resource::{
    CLAIMS, CONFIG_MAPS, ENDPOINT_SLICES, NAMESPACES, PODS, SECRETS, SERVICES,
};
use vcluster_syncer_core::{
    Host, Key, NotNow, Object, PatchForm, Resource, Settings, Side, Virtual, labels,
};

use crate::world::{Backup, Clusters, Failure, op_line};

/// What a tenant can have: one object of each kind under each of these names.
const NAMES: [(&str, &str); 3] = [("shop", "a"), ("shop", "b"), ("jobs", "a")];
static KINDS: [&Resource; 6] =
    [&CONFIG_MAPS, &SECRETS, &SERVICES, &ENDPOINT_SLICES, &CLAIMS, &PODS];
const CLAIMS_AT: usize = 4;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Deed {
    /// A tenant makes an object, or changes it into another variant.
    Apply { kind: usize, name: usize, variant: u8 },
    /// A tenant deletes an object.
    Delete { kind: usize, name: usize },
    /// Somebody edits a host object behind our back.
    EditHost { kind: usize, name: usize, variant: u8 },
    /// Somebody deletes a host object behind our back.
    DeleteHost { kind: usize, name: usize },
    /// The host's controllers get on with an object.
    HostWorks { kind: usize, name: usize },
    /// Somebody else takes a host name, or an address.
    Foreign { kind: usize, name: usize },
    /// The syncer works until it rests, or dies after some writes.
    Sync { lives: Option<usize> },
    /// A watch loses what happened since the last sync.
    Drop { side: bool },
    /// The syncer starts afresh.
    Restart,
    /// The syncer lists afresh.
    Relist,
    /// The syncer lists from a virtual API server that lags behind.
    TimeTravel,
    /// The virtual store is brought back to an older state.
    RollBack,
    /// Time passes.
    Tick { seconds: i64 },
    /// The next write of a cluster fails.
    Fail { side: bool, code: u16 },
}

fn deed() -> impl Strategy<Value = Deed> {
    // Claims are where mistakes cost most.
    let kind = || prop_oneof![2 => 0..KINDS.len(), 1 => Just(CLAIMS_AT)];
    let object = || (kind(), prop_oneof![1 => 0..NAMES.len(), 1 => Just(0)]);
    prop_oneof![
        6 => (object(), 0..4u8).prop_map(|((kind, name), variant)| Deed::Apply { kind, name, variant }),
        3 => object().prop_map(|(kind, name)| Deed::Delete { kind, name }),
        2 => (object(), 0..3u8).prop_map(|((kind, name), variant)| Deed::EditHost { kind, name, variant }),
        1 => object().prop_map(|(kind, name)| Deed::DeleteHost { kind, name }),
        3 => object().prop_map(|(kind, name)| Deed::HostWorks { kind, name }),
        1 => object().prop_map(|(kind, name)| Deed::Foreign { kind, name }),
        5 => prop::option::of(1..6usize).prop_map(|lives| Deed::Sync { lives }),
        2 => any::<bool>().prop_map(|side| Deed::Drop { side }),
        1 => Just(Deed::Restart),
        1 => Just(Deed::Relist),
        1 => Just(Deed::TimeTravel),
        1 => prop::bool::weighted(0.2).prop_map(|really| if really { Deed::RollBack } else { Deed::Relist }),
        2 => (1..60i64).prop_map(|seconds| Deed::Tick { seconds }),
        1 => (any::<bool>(), prop::sample::select(vec![403u16, 409, 422, 500, 503]))
            .prop_map(|(side, code)| Deed::Fail { side, code }),
    ]
}

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
                    "annotations": {labels::STORE_UID: "virtual-uid-of-kube-system"},
                },
                "spec": {"clusterIP": "10.96.9.9", "ports": port},
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

    fn happens(&mut self, deed: &Deed) {
        match deed {
            Deed::Apply { kind, name, variant } => self.apply(KINDS[*kind], NAMES[*name], *variant),
            Deed::Delete { kind, name } => {
                let key = Key::new(NAMES[*name].0, NAMES[*name].1);
                let _refused = self.clusters.virt.delete(KINDS[*kind], &key, None, None);
                self.clusters.virt.run_controllers();
            }
            Deed::EditHost { kind, name, variant } => self.edit_host(KINDS[*kind], *name, *variant),
            Deed::DeleteHost { kind, name } => {
                let key = self.host_key(KINDS[*kind], *name);
                let _refused = self.clusters.host.delete(KINDS[*kind], &key, None, None);
                self.clusters.host.run_controllers();
            }
            Deed::HostWorks { kind, name } => self.host_works(KINDS[*kind], *name),
            Deed::Foreign { kind, name } => self.foreign(KINDS[*kind], *name),
            Deed::Sync { lives } => self.sync(*lives),
            Deed::Drop { side } => {
                let side = if *side { Side::Host } else { Side::Virtual };
                let from = self.since_sync[usize::from(side == Side::Host)];
                let to = self.clusters.server(side).events.len();
                self.clusters.lost.extend((from..to).map(|place| (side, place)));
            }
            Deed::Restart => self.relisted(Clusters::restart),
            Deed::Relist => self.relisted(Clusters::relist),
            Deed::TimeTravel => {
                if let Some(older) = &self.older {
                    self.clusters.time_travel(older);
                }
            }
            Deed::RollBack => {
                if let Some(older) = self.older.clone() {
                    self.clusters.virt.restore(older);
                    self.rolled_back = true;
                }
            }
            Deed::Tick { seconds } => {
                self.clusters.advance(self.clusters.host.now + seconds.seconds());
            }
            Deed::Fail { side, code } => {
                let side = if *side { Side::Host } else { Side::Virtual };
                let failure = match code {
                    409 => Failure::new(409, "Conflict", "the object has been modified"),
                    422 => Failure::invalid("spec", "not now"),
                    code => Failure::new(*code, "", "not now"),
                };
                self.clusters.server(side).refuse.push_back(Some(failure));
            }
        }
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

    fn apply(&mut self, kind: &'static Resource, (namespace, name): (&str, &str), variant: u8) {
        let mut object = Object::new(body(kind, variant));
        object.set(&["metadata", "name"], name);
        object.set(&["metadata", "namespace"], namespace);
        object.set(&["metadata", "annotations", "variant"], variant.to_string());
        let server = &mut self.clusters.virt;
        let _refused = match server.get(kind, &object.key()) {
            Some(_) => server.patch(kind, &object.key(), PatchForm::Merge, None, object.value()),
            None => server.create(kind, object),
        };
    }

    fn edit_host(&mut self, kind: &'static Resource, name: usize, variant: u8) {
        let key = self.host_key(kind, name);
        let edit = match (variant, kind.plural) {
            (0, _) => json!({"metadata": {"labels": {"variant": "host", "app": "host"}}}),
            (1, _) => json!({"metadata": {"annotations": {"variant": "host", "foreign": "1"}}}),
            (_, "services") => {
                json!({"spec": {"selector": {"app": "host"}, "sessionAffinity": "ClientIP"}})
            }
            (_, "configmaps" | "secrets") => json!({"data": {"k": "host"}}),
            (_, "endpointslices") => json!({"ports": []}),
            _ => json!({"metadata": {"labels": {"more": "host"}}}),
        };
        let _refused = self.clusters.host.patch(kind, &key, PatchForm::Merge, None, &edit);
    }

    /// The scheduler and the kubelet run pods and end them; volumes are bound; load balancers get addresses.
    fn host_works(&mut self, kind: &'static Resource, name: usize) {
        let key = self.host_key(kind, name);
        let Some(object) = self.clusters.host.get(kind, &key).cloned() else { return };
        let host = &mut self.clusters.host;
        let mut status = |status: Value| {
            let body = json!({ "status": status });
            let _refused = host.patch(kind, &key, PatchForm::Merge, Some("status"), &body);
        };
        match kind.plural {
            "services" if object.str_at(&["spec", "type"]) == Some("LoadBalancer") => {
                status(json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}));
            }
            "persistentvolumeclaims" => {
                status(json!({"phase": "Bound", "capacity": {"storage": "1Gi"}}));
                let volume = json!({"spec": {"volumeName": format!("pv-{}", object.uid())}});
                let _named = host.patch(kind, &key, PatchForm::Merge, None, &volume);
            }
            "pods" if object.is_deleting() => drop(host.delete(kind, &key, None, Some(0))),
            "pods" if object.str_at(&["spec", "nodeName"]).is_none() => {
                drop(host.bind(&key, object.uid(), "node-a"));
            }
            "pods" if object.str_at(&["status", "phase"]) == Some("Running") => {
                status(json!({"phase": "Succeeded"}));
            }
            "pods" => status(json!({
                "phase": "Running", "podIP": "10.244.0.1",
                "startTime": "2026-01-01T00:00:00Z",
                "conditions": [{"type": "Ready", "status": "True"}],
            })),
            _ => {}
        }
    }

    fn foreign(&mut self, kind: &'static Resource, name: usize) {
        self.foreign += 1;
        let key = self.host_key(kind, name);
        let mut object = Object::new(body(kind, 0));
        object.set(&["metadata", "namespace"], key.namespace());
        if *kind == SERVICES {
            // An address and a port that a virtual Service is likely to have.
            object.set(&["metadata", "name"], format!("foreign-{}", self.foreign));
            object.set(&["spec", "clusterIP"], format!("10.96.1.{}", self.foreign));
            object.set(&["spec", "type"], "NodePort");
            object.set(
                &["spec", "ports"],
                json!([{"port": 1, "nodePort": 30000 + u16::from(self.foreign) - 1}]),
            );
        } else {
            object.set(&["metadata", "name"], key.name());
        }
        let _refused = self.clusters.host.create(kind, object);
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

/// An object of a kind, as a tenant would write it.
fn body(kind: &Resource, variant: u8) -> Value {
    let app = json!({"app": format!("v{variant}")});
    match kind.plural {
        "configmaps" | "secrets" => {
            let kept = (variant == 3).then_some(true);
            json!({"metadata": {"labels": app}, "data": {"k": format!("v{variant}")}, "immutable": kept})
        }
        "services" => {
            let port = json!([{"port": 80 + u16::from(variant % 2), "protocol": "TCP"}]);
            let spec = match variant {
                0 => {
                    json!({"type": "ClusterIP", "selector": app, "ports": port, "externalName": null})
                }
                1 => {
                    json!({"type": "NodePort", "selector": null, "ports": port, "externalName": null})
                }
                2 => {
                    json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "selector": app, "ports": port, "externalName": null})
                }
                _ => {
                    json!({"type": "ExternalName", "externalName": "x.example.com", "ports": null})
                }
            };
            json!({"metadata": {"labels": app}, "spec": spec})
        }
        "endpointslices" => json!({
            "metadata": {"labels": {"kubernetes.io/service-name": NAMES[usize::from(variant % 2)].1}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [format!("198.51.100.{variant}")]}],
            "ports": [{"name": "", "port": 5432, "protocol": "TCP"}],
        }),
        "persistentvolumeclaims" => json!({
            "metadata": {"labels": app},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }),
        _ => json!({
            "metadata": {"labels": app},
            "spec": {
                "dnsPolicy": "Default", "enableServiceLinks": false,
                "automountServiceAccountToken": false,
                "containers": [{"name": "c", "image": format!("image:{variant}")}],
            },
        }),
    }
}
