//! What a running syncer remembers: its caches and what it learnt. A crash loses all of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use vcluster_syncer_core::kinds::nodes;
use vcluster_syncer_core::resource::{ENDPOINT_SLICES, PODS, SERVICES};
use vcluster_syncer_core::{
    Gone, Host, Key, Mirror, Object, Refusal, Resource, Settings, Side, View, Virtual, labels,
    metadata,
};

use super::server::Event;

/// One virtual key of one kind: the kind's place in the list, and the key.
pub type PlanKey = (usize, Virtual<Key>);

#[derive(Default)]
pub struct Memory {
    caches: BTreeMap<(Side, &'static Resource), BTreeMap<Key, Object>>,
    /// Virtual objects whose deletion was seen, and their UIDs.
    pub tombstones: BTreeMap<PlanKey, String>,
    /// Virtual objects that a fresh read said are gone.
    pub read_gone: BTreeSet<PlanKey>,
    /// Whose host twin was in the cache at some time, and whose a fresh read did not find.
    pub twins_seen: BTreeSet<PlanKey>,
    pub twins_read_gone: BTreeSet<PlanKey>,
    /// Whose host twin was being deleted already when it was first seen.
    pub twins_ending: BTreeSet<PlanKey>,
    pub refusals: BTreeMap<PlanKey, Vec<Refusal>>,
    /// What API servers dropped from patches.
    pub drops: BTreeMap<(Side, &'static Resource), BTreeSet<String>>,
    pub used: BTreeSet<String>,
    pub unused_since: BTreeMap<String, Timestamp>,
    /// Why nothing may be written (design D6).
    pub read_only: Option<String>,
}

impl Memory {
    pub fn get(&self, side: Side, kind: &'static Resource, key: &Key) -> Option<&Object> {
        self.caches.get(&(side, kind))?.get(key)
    }

    pub fn all(&self, side: Side, kind: &'static Resource) -> impl Iterator<Item = &Object> {
        self.caches.get(&(side, kind)).into_iter().flat_map(BTreeMap::values)
    }

    pub fn every(&self, side: Side) -> impl Iterator<Item = (&'static Resource, &Object)> {
        let caches = self.caches.iter().filter(move |((of, _), _)| *of == side);
        caches.flat_map(|((_, kind), cache)| cache.values().map(move |object| (*kind, object)))
    }

    /// Takes in an object as a watch, a write or a read delivers it. Host watches see only what is marked, the control
    /// plane's own Service and its slices.
    pub fn observe(&mut self, side: Side, event: &Event, lab: &Surroundings<'_>) {
        let (kind, object, gone) = match event {
            Event::Is(kind, object) => (*kind, object, false),
            Event::Gone(kind, object) => (*kind, object, true),
        };
        let key = object.key();
        let cache = self.caches.entry((side, kind)).or_default();
        let before = if gone || !lab.is_watched(side, kind, object) {
            cache.remove(&key)
        } else {
            cache.insert(key.clone(), object.clone())
        };
        if side == Side::Virtual {
            for (index, _) in lab.kinds.iter().enumerate().filter(|(_, of)| of.kind() == kind) {
                let plan_key = (index, Virtual(key.clone()));
                if before.as_ref() != Some(object) || gone {
                    self.refusals.remove(&plan_key);
                }
                if gone {
                    self.tombstones.insert(plan_key, object.uid().to_owned());
                } else {
                    self.tombstones.remove(&plan_key);
                    self.read_gone.remove(&plan_key);
                }
            }
            return;
        }
        let twin = lab.owner(kind, &Host(object.clone())).filter(|(index, key)| {
            let mirror = &lab.kinds[*index];
            let host_key = mirror.host_key(key, lab.settings);
            mirror.host_kind() == kind && host_key.is_some_and(|key| *key == object.key())
        });
        if let Some(owner) = twin.filter(|_| !gone) {
            self.twins_read_gone.remove(&owner);
            let is_new = self.twins_seen.insert(owner.clone());
            match object.is_deleting() {
                true if is_new => drop(self.twins_ending.insert(owner)),
                true => {}
                false => drop(self.twins_ending.remove(&owner)),
            }
        }
        if *kind == PODS {
            self.count_nodes(lab);
        }
    }

    /// Takes in whole lists. What is missing was not seen being deleted, which proves nothing.
    pub fn relist<'a>(
        &mut self,
        side: Side,
        objects: impl Iterator<Item = (&'static Resource, &'a Object)>,
        lab: &Surroundings<'_>,
    ) {
        self.caches.retain(|(of, _), _| *of != side);
        for (kind, object) in objects {
            self.observe(side, &Event::Is(kind, object.clone()), lab);
        }
        self.count_nodes(lab);
    }

    /// A read or a write said that the object is not there.
    pub fn forget(&mut self, side: Side, kind: &'static Resource, key: &Key) {
        if let Some(cache) = self.caches.get_mut(&(side, kind)) {
            cache.remove(key);
        }
    }

    fn count_nodes(&mut self, lab: &Surroundings<'_>) {
        let (now, scheduling) = (lab.now, &lab.settings.scheduling);
        let pods: Vec<Host<Object>> = self.all(Side::Host, &PODS).cloned().map(Host).collect();
        let used: BTreeSet<String> = pods
            .iter()
            .filter_map(|pod| nodes::node_of(pod, scheduling))
            .map(str::to_owned)
            .collect();
        for node in self.used.difference(&used) {
            self.unused_since.insert(node.clone(), now);
        }
        self.unused_since.retain(|node, _| !used.contains(node));
        self.used = used;
    }

    pub fn is_referenced(
        &self,
        kind: &'static Resource,
        key: &Virtual<Key>,
        kinds: &[Box<dyn Mirror>],
    ) -> bool {
        kinds.iter().any(|mirror| {
            self.all(Side::Virtual, mirror.kind()).any(|object| {
                mirror.references(&Virtual(object.clone())).contains(&(kind, key.clone()))
            })
        })
    }

    pub fn view(&self, (index, key): &PlanKey, lab: &Surroundings<'_>) -> View {
        let mirror = &lab.kinds[*index];
        let virt = self.get(Side::Virtual, mirror.kind(), key).cloned().map(Virtual);
        let host = mirror.host_key(key, lab.settings).and_then(|host_key| {
            let host = self.get(Side::Host, mirror.host_kind(), &host_key).cloned().map(Host)?;
            (lab.owner(mirror.host_kind(), &host) == Some((*index, key.clone()))).then_some(host)
        });
        let gone = if self.tombstones.contains_key(&(*index, key.clone())) {
            Gone::Seen
        } else if self.read_gone.contains(&(*index, key.clone())) {
            Gone::Read
        } else {
            Gone::Unproven
        };
        match (virt, host) {
            (Some(virt), Some(host)) => View::Both { virt, host },
            (Some(virt), None) => View::VirtualOnly { virt },
            (None, Some(host)) => View::HostOnly { key: key.clone(), host, gone },
            (None, None) => View::Neither { key: key.clone(), gone },
        }
    }

    /// All keys that there is something to say about.
    pub fn keys(&self, lab: &Surroundings<'_>) -> BTreeSet<PlanKey> {
        let mut keys: BTreeSet<PlanKey> = self.tombstones.keys().cloned().collect();
        for (index, mirror) in lab.kinds.iter().enumerate() {
            keys.extend(mirror.standing().into_iter().map(|key| (index, key)));
            let virt = self.all(Side::Virtual, mirror.kind());
            keys.extend(virt.map(|object| (index, Virtual(object.key()))));
            if let Some(original) = mirror.original(&lab.settings.scheduling) {
                let shown = self.all(Side::Host, original);
                keys.extend(shown.map(|of| (index, mirror.shown_as(&Host(of.key())))));
            }
            if mirror.kind().plural == "nodes" {
                let nodes = self.used.iter().chain(self.unused_since.keys());
                keys.extend(nodes.map(|node| (index, Virtual(Key::cluster(node)))));
            }
        }
        let owners = self
            .every(Side::Host)
            .filter_map(|(kind, object)| lab.owner(kind, &Host(object.clone())));
        keys.extend(owners);
        keys
    }
}

/// What does not change while a syncer runs, and the time.
pub struct Surroundings<'a> {
    pub kinds: &'a [Box<dyn Mirror>],
    pub settings: &'a Settings,
    pub now: Timestamp,
}

impl Surroundings<'_> {
    /// Whose a host object is: by marks, if its name is the one that the kind gives (design D4).
    pub fn owner(&self, kind: &'static Resource, host: &Host<Object>) -> Option<PlanKey> {
        let owner = metadata::owner(host, self.settings)?;
        let index = self.kinds.iter().position(|mirror| {
            let twin_key = mirror.host_key(&owner.key, self.settings);
            let twin = mirror.host_kind() == kind && twin_key.is_some_and(|key| *key == host.key());
            let beside = mirror.side_kinds().contains(&kind)
                && mirror.owns_beside(host, &owner, self.settings);
            mirror.kind().is_gvk(&owner.gvk) && (twin || beside)
        })?;
        Some((index, owner.key))
    }

    fn is_watched(&self, side: Side, kind: &'static Resource, object: &Object) -> bool {
        let name = Some(self.settings.name.as_str());
        let mut originals =
            self.kinds.iter().filter_map(|mirror| mirror.original(&self.settings.scheduling));
        side == Side::Virtual
            || originals.any(|original| original == kind)
            || object.label(labels::MANAGED_BY) == name
            || *kind == SERVICES && Some(object.name()) == name
            || *kind == ENDPOINT_SLICES && object.label("kubernetes.io/service-name") == name
    }
}
