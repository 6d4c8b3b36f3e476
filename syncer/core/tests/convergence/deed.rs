//! What can happen in a story, and how.

use jiff::ToSpan as _;
use proptest::prelude::*;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::resource::{
    CLAIMS, CONFIG_MAPS, ENDPOINT_SLICES, PODS, SECRETS, SERVICES,
};
use vcluster_syncer_core::{Key, Object, PatchForm, Resource, Side};

use super::Story;
use crate::world::{Clusters, Failure};

/// What a tenant can have: one object of each kind under each of these names.
pub const NAMES: [(&str, &str); 3] = [("shop", "a"), ("shop", "b"), ("jobs", "a")];
pub static KINDS: [&Resource; 6] =
    [&CONFIG_MAPS, &SECRETS, &SERVICES, &ENDPOINT_SLICES, &CLAIMS, &PODS];
const CLAIMS_AT: usize = 4;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Deed {
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

pub fn deed() -> impl Strategy<Value = Deed> {
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

impl Story {
    pub fn happens(&mut self, deed: &Deed) {
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
    pub fn host_works(&mut self, kind: &'static Resource, name: usize) {
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
                    json!({"type": "ClusterIP", "selector": &app, "ports": port, "externalName": null})
                }
                1 => {
                    json!({"type": "NodePort", "selector": null, "ports": port, "externalName": null})
                }
                2 => {
                    json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "selector": &app, "ports": port, "externalName": null})
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
