//! What plans get to see of the state, and what is left of it when they had nothing to do.

use vcluster_syncer_core::resource::{ENDPOINT_SLICES, NODES, PODS};
use vcluster_syncer_core::{Host, Keep, Object, Resource, Side, View, Virtual};

use super::lookups::Ref;
use super::queue::PlanKey;
use super::state::State;
use super::store::Store;

/// Label on endpoint slices: the Service they are of.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl State {
    /// The state of one key, to plan it.
    pub fn view(&self, key: &PlanKey) -> Option<View> {
        let mirror = self.mirror(key)?;
        let virt = self
            .store(Side::Virtual, mirror.kind())
            .and_then(|store| store.get(&key.key))
            .map(Virtual);
        let host = mirror.host_key(&key.key, &self.settings).and_then(|host_key| {
            let ours = self.owners.of(&(mirror.host_kind(), host_key.0.clone())) == Some(key);
            ours.then(|| self.store(Side::Host, mirror.host_kind())?.get(&host_key))
                .flatten()
                .map(Host)
        });
        let gone = self.absences.of_virtual(key);
        Some(match (virt, host) {
            (Some(virt), Some(host)) => View::Both { virt, host },
            (Some(virt), None) => View::VirtualOnly { virt },
            (None, Some(host)) => View::HostOnly { key: key.key.clone(), host, gone },
            (None, None) => View::Neither { key: key.key.clone(), gone },
        })
    }

    /// Parses what the plan of a key looks at first.
    pub fn warm(&mut self, key: &PlanKey) {
        let Some(mirror) = self.mirror(key) else { return };
        let (virtual_kind, host_kind) = (mirror.kind(), mirror.host_kind());
        let host_key = mirror.host_key(&key.key, &self.settings);
        if let Some(store) = self.stores.get_mut(&(Side::Virtual, virtual_kind)) {
            store.warm(&key.key);
        }
        if let (Some(host_key), Some(store)) =
            (host_key, self.stores.get_mut(&(Side::Host, host_kind)))
        {
            store.warm(&host_key);
        }
    }

    /// Keeps parsed what a plan looked at beside its own objects: its namespace, its node, the Service of the API. The next
    /// plan of its kind will look at the same. Pods are many, and each looks at others.
    pub fn keep_warm(&mut self, looked: &[Ref]) {
        let single = looked.iter().filter(|seen| *seen.kind != PODS && !seen.key.name().is_empty());
        for Ref { side, kind, key } in single {
            if let Some(store) = self.stores.get_mut(&(*side, *kind)) {
                store.warm(key);
            }
        }
    }

    /// Whether the virtual object is there but only its identity is cached, and a plan needs the whole of it.
    pub fn lacks_body(&self, key: &PlanKey) -> bool {
        let Some(mirror) = self.mirror(key) else { return false };
        let bare = self
            .store(Side::Virtual, mirror.kind())
            .and_then(|store| store.entry(&key.key))
            .is_some_and(|entry| !entry.has_body());
        bare && (self.is_wanted(mirror.kind(), &key.key) || self.owners.has_any(key))
    }

    /// Nothing is to be done about this key: forget what is no longer needed. What was looked at stays parsed for as long
    /// as nobody else needs the place: the next step of a pod that starts comes soon.
    pub fn settle(&mut self, key: &PlanKey) {
        let Some(mirror) = self.mirror(key) else { return };
        let kind = mirror.kind();
        let lean = mirror.keep() == Keep::WhenReferenced;
        let wanted = self.is_wanted(kind, &key.key);
        let owns = self.owners.has_any(key);
        if let Some(store) = self.stores.get_mut(&(Side::Virtual, kind)) {
            if lean && !wanted && !owns {
                store.strip(&key.key);
            }
            if store.entry(&key.key).is_none() && !owns {
                self.absences.forget(key);
            }
        }
    }

    /// Folds all objects to their resting form, when nothing is left to do.
    pub fn rest(&mut self) {
        self.stores.values_mut().for_each(Store::rest_all);
    }

    /// Whether any object is parsed.
    pub fn is_warm(&self) -> bool {
        self.stores.values().any(Store::is_warm)
    }

    /// Forgets keys in the queue of which nothing is left. Who does not lead plans nothing, and would remember the name
    /// of all that ever was.
    pub fn forget_what_is_gone(&mut self) {
        let mut queue = std::mem::take(&mut self.queue);
        let gone = queue.thin_out(|key| {
            let Some(mirror) = self.mirror(key) else { return true };
            let inside = self.store(Side::Virtual, mirror.kind());
            let there = inside.is_some_and(|store| store.entry(&key.key).is_some());
            // What a leader would make of its own accord is on neither side yet.
            let due = mirror.standing().contains(&key.key)
                || mirror.original(&self.settings.scheduling).is_some()
                || (*mirror.kind() == NODES && self.nodes.is_used(key.key.name()));
            !there && !due && !self.owners.has_any(key)
        });
        self.queue = queue;
        gone.iter().for_each(|key| self.absences.forget(key));
    }

    /// The host objects of a resource that belong to a plan key.
    pub fn owned(
        &self,
        key: &PlanKey,
        host_kind: &'static Resource,
    ) -> impl Iterator<Item = Host<Object>> {
        let ids = self.owners.owned(key).filter(move |(kind, _)| *kind == host_kind);
        ids.filter_map(|(kind, key)| self.store(Side::Host, kind)?.get(key)).map(Host)
    }

    /// All host objects of a resource that belong to objects of one kind.
    pub fn all_owned(
        &self,
        host_kind: &'static Resource,
        of: &'static Resource,
    ) -> Vec<Host<Object>> {
        let Some(index) = self.kind_of(of) else { return Vec::new() };
        let ids = self
            .owners
            .all()
            .filter(|((kind, _), owner)| *kind == host_kind && owner.kind == index);
        let mut found: Vec<_> =
            ids.filter_map(|((kind, key), _)| self.store(Side::Host, kind)?.get(key)).collect();
        found.sort_by_key(Object::key);
        found.into_iter().map(Host).collect()
    }

    /// The host's endpoint slices of the control plane's own Service.
    pub fn control_plane_slices(&self) -> Vec<Host<Object>> {
        let Some(store) = self.store(Side::Host, &ENDPOINT_SLICES) else { return Vec::new() };
        let ours = store.in_namespace(&self.settings.host_namespace);
        ours.filter(|slice| slice.label(SERVICE_NAME) == Some(&self.settings.name))
            .map(Host)
            .collect()
    }
}
