//! Finds whom a change concerns: the key of the object itself, of its twin, of those who looked at it, refer to it, or
//! run on it.

use std::time::Instant;

use vcluster_syncer_core::kinds::nodes;
use vcluster_syncer_core::metadata::{self, Owner};
use vcluster_syncer_core::resource::{NODES, PODS, SERVICES};
use vcluster_syncer_core::{Host, Key, Object, Resource, Side, Virtual, labels};

use super::queue::PlanKey;
use super::state::State;

impl State {
    /// Finds whom a change concerns, and queues them, apart from whom a write of ours `settled`.
    pub(super) fn changed(
        &mut self,
        side: Side,
        kind: &'static Resource,
        key: &Key,
        settled: Option<&PlanKey>,
    ) {
        if *kind == NODES || *kind == SERVICES {
            self.node_changes = self.node_changes.wrapping_add(1);
        }
        match side {
            Side::Virtual => self.virtual_changed(kind, key, settled),
            Side::Host => self.host_changed(kind, key, settled),
        }
        let lookers: Vec<PlanKey> = self.lookups.of(side, kind, key).cloned().collect();
        lookers.into_iter().for_each(|looker| self.due(looker, settled));
    }

    /// This key is to be planned, unless it is settled.
    fn due(&mut self, key: PlanKey, settled: Option<&PlanKey>) {
        if settled == Some(&key) {
            return;
        }
        match self.owners.has_any(&key) {
            true => self.queue.push_begun(key),
            false => self.queue.push(key),
        }
    }

    fn virtual_changed(&mut self, kind: &'static Resource, key: &Key, settled: Option<&PlanKey>) {
        let Some(index) = self.kind_of(kind) else { return };
        let plan_key = PlanKey { kind: index, key: Virtual(key.clone()) };
        let object = self.store(Side::Virtual, kind).and_then(|store| store.get(key)).map(Virtual);
        let there = self.store(Side::Virtual, kind).is_some_and(|store| store.entry(key).is_some());
        if there {
            self.absences.virtual_is_there(&plan_key);
        }
        self.refusals.remove(&plan_key);
        let references = match (&object, self.mirror(&plan_key)) {
            (Some(object), Some(mirror)) => mirror.references(object),
            _ => Vec::new(),
        };
        for (kind, key) in self.references.set(&plan_key, references) {
            if let Some(index) = self.kind_of(kind) {
                self.due(PlanKey { kind: index, key }, settled);
            }
        }
        self.due(plan_key, settled);
    }

    fn host_changed(&mut self, kind: &'static Resource, key: &Key, settled: Option<&PlanKey>) {
        let object = self.store(Side::Host, kind).and_then(|store| store.get(key)).map(Host);
        if *kind == PODS {
            let scheduling = &self.settings.scheduling;
            let used = object.as_ref().and_then(|pod| nodes::node_of(pod, scheduling));
            let used = used.map(str::to_owned);
            for node in self.nodes.set(key, used, Instant::now()) {
                if let Some(index) = self.kind_of(&NODES) {
                    self.due(PlanKey { kind: index, key: Virtual(Key::cluster(&node)) }, settled);
                }
            }
        }
        let shown = (0u8..).zip(&self.kinds).filter(|(_, mirror)| {
            mirror.original(&self.settings.scheduling).is_some_and(|original| original == kind)
        });
        let shown: Vec<PlanKey> = shown
            .map(|(index, mirror)| PlanKey {
                kind: index,
                key: mirror.shown_as(&Host(key.clone())),
            })
            .collect();
        shown.into_iter().for_each(|key| self.queue.push(key));
        let noted = object
            .as_ref()
            .and_then(|object| object.annotation(labels::OBJECT_VERSION)?.parse().ok());
        self.highest_noted = self.highest_noted.max(noted.unwrap_or_default());
        let owner = object.as_ref().and_then(|object| self.owner_of(kind, object));
        let is_ending = object.as_ref().is_some_and(|object| object.is_deleting());
        let is_new = self.owners.of(&(kind, key.clone())).is_none();
        if let Some(before) = self.owners.set((kind, key.clone()), owner.clone()) {
            if self.is_twin(&before, kind, key) {
                self.absences.twin_left(&before);
            }
            self.due(before, settled);
        }
        if let Some(owner) = owner {
            if self.is_twin(&owner, kind, key) {
                self.absences.twin_is_there(&owner, is_ending, is_new);
            }
            self.due(owner, settled);
        }
    }

    /// The deletion of an object was seen.
    pub(super) fn bury(&mut self, side: Side, kind: &'static Resource, key: &Key, uid: &str) {
        match side {
            Side::Virtual => {
                if let Some(index) = self.kind_of(kind) {
                    let key = PlanKey { kind: index, key: Virtual(key.clone()) };
                    self.absences.virtual_seen(&key, uid);
                }
            }
            Side::Host => {
                let owner = self.owners.of(&(kind, key.clone())).cloned();
                if let Some(owner) = owner.filter(|owner| self.is_twin(owner, kind, key)) {
                    self.absences.twin_seen(&owner);
                }
            }
        }
    }

    /// Whether a host key is the one of a plan key's twin, not of something beside it.
    fn is_twin(&self, owner: &PlanKey, kind: &'static Resource, key: &Key) -> bool {
        self.mirror(owner).is_some_and(|mirror| {
            mirror.host_kind() == kind
                && mirror.host_key(&owner.key, &self.settings).is_some_and(|twin| twin.0 == *key)
        })
    }

    /// Which plan key a host object belongs to: by its marks, if its name is the one that the kind gives (design D4).
    fn owner_of(&self, kind: &'static Resource, host: &Host<Object>) -> Option<PlanKey> {
        let owner: Owner = metadata::owner(host, &self.settings)?;
        let index = self.kinds.iter().position(|mirror| {
            let twin = || {
                mirror.host_kind() == kind
                    && mirror
                        .host_key(&owner.key, &self.settings)
                        .is_some_and(|key| *key == host.key())
            };
            let beside = || {
                mirror.side_kinds().contains(&kind)
                    && mirror.owns_beside(host, &owner, &self.settings)
            };
            mirror.kind().is_gvk(&owner.gvk) && (twin() || beside())
        })?;
        Some(PlanKey { kind: u8::try_from(index).ok()?, key: owner.key })
    }

    /// Whether a host object belongs to a plan key, by marks and name.
    pub fn is_owned_by(&self, kind: &'static Resource, host: &Object, key: &PlanKey) -> bool {
        self.owner_of(kind, &Host(host.clone())).as_ref() == Some(key)
    }
}
