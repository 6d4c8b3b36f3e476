//! What the engine knows: both caches, who owns what, who depends on what, and what is to be planned.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Instant;

use vcluster_syncer_core::kinds::nodes;
use vcluster_syncer_core::labels;
use vcluster_syncer_core::metadata::{self, Owner};
use vcluster_syncer_core::resource::{ENDPOINT_SLICES, NODES, PODS, SERVICES};
use vcluster_syncer_core::{
    Gone, Host, Keep, Key, Mirror, Object, Refusal, Resource, Settings, Side, View, Virtual,
};

use super::node_use::NodeUse;
use super::parse;
use super::queue::{PlanKey, Queue};
use super::store::{Change, Lane, Store};

/// Label on endpoint slices: the Service they are of.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// One object, or all of a namespace (key `NAMESPACE/`), or all of a resource (empty key) of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ref {
    /// Which cluster.
    pub side: Side,
    /// Plural name of the resource, with its group.
    pub kind: &'static Resource,
    /// The object's key.
    pub key: Key,
}

/// Everything the engine knows. Guarded by one lock, which is never held across a request.
pub struct State {
    /// Settings of the virtual cluster.
    pub settings: Settings,
    /// The kinds; [`PlanKey::kind`] is an index into this.
    pub kinds: Vec<Box<dyn Mirror>>,
    /// What is to be planned.
    pub queue: Queue,
    /// Which host nodes run pods of ours.
    pub nodes: NodeUse,
    /// Counts changes of virtual nodes and host Services, for those who follow them.
    pub node_changes: u64,
    stores: BTreeMap<(Side, &'static Resource), Store>,
    /// The plan key that a host object's marks and name give.
    owners: HashMap<(&'static Resource, Key), PlanKey>,
    /// The inverse of `owners`.
    owned: HashMap<PlanKey, BTreeSet<(&'static Resource, Key)>>,
    /// Who looked at what in its last plan, and the inverse.
    lookers: HashMap<Ref, HashSet<PlanKey>>,
    looked: HashMap<PlanKey, Vec<Ref>>,
    /// Which virtual objects refer to which, and how many refer to each.
    references: HashMap<PlanKey, Vec<(&'static Resource, Virtual<Key>)>>,
    referenced: HashMap<(&'static Resource, Virtual<Key>), u32>,
    /// Virtual objects whose deletion was seen, until nothing of theirs is left on the host.
    tombstones: HashSet<PlanKey>,
    /// Virtual objects that a fresh read said are gone, since their last change.
    read_gone: HashSet<PlanKey>,
    /// What the host refused to create, until the virtual object changes.
    pub refusals: HashMap<PlanKey, Vec<Refusal>>,
    highest_noted: u64,
    /// What is known of host twins that are absent.
    lost_twins: HashMap<PlanKey, LostTwin>,
    /// Fields that an API server was seen to drop from patches.
    drops: BTreeMap<(Side, &'static Resource), BTreeSet<String>>,
}

/// What is known of a host twin that is absent from the cache.
#[derive(Clone, Copy, Default)]
struct LostTwin {
    /// This process had it in its cache.
    had: bool,
    /// The watch delivered its deletion, or a write of ours was answered with it.
    seen: bool,
    /// A fresh read said 404.
    read: bool,
}

impl State {
    /// An empty state.
    pub fn new(settings: Settings, kinds: Vec<Box<dyn Mirror>>) -> State {
        State {
            settings,
            kinds,
            queue: Queue::default(),
            nodes: NodeUse::default(),
            node_changes: 0,
            stores: BTreeMap::new(),
            owners: HashMap::new(),
            owned: HashMap::new(),
            lookers: HashMap::new(),
            looked: HashMap::new(),
            references: HashMap::new(),
            referenced: HashMap::new(),
            tombstones: HashSet::new(),
            read_gone: HashSet::new(),
            refusals: HashMap::new(),
            highest_noted: 0,
            lost_twins: HashMap::new(),
            drops: BTreeMap::new(),
        }
    }

    /// One cache.
    pub fn store(&self, side: Side, kind: &'static Resource) -> Option<&Store> {
        self.stores.get(&(side, kind))
    }

    /// All caches.
    pub fn stores(&self) -> impl Iterator<Item = (&(Side, &'static Resource), &Store)> {
        self.stores.iter()
    }

    /// The kind whose virtual resource this is.
    pub fn kind_of(&self, resource: &'static Resource) -> Option<u8> {
        self.kinds
            .iter()
            .position(|kind| kind.kind() == resource)
            .and_then(|index| u8::try_from(index).ok())
    }

    /// The kind of a plan key.
    pub fn mirror(&self, key: &PlanKey) -> Option<&dyn Mirror> {
        self.kinds.get(usize::from(key.kind)).map(Box::as_ref)
    }

    /// How much of an object is worth parsing.
    pub fn keeps_whole(
        &self,
        side: Side,
        kind: &'static Resource,
        identity: impl FnOnce() -> Option<Key>,
    ) -> bool {
        let lean = side == Side::Virtual
            && self
                .kinds
                .iter()
                .any(|mirror| mirror.kind() == kind && mirror.keep() == Keep::WhenReferenced);
        !lean || identity().is_none_or(|key| self.is_wanted(kind, &Virtual(key)))
    }

    fn is_wanted(&self, kind: &'static Resource, key: &Virtual<Key>) -> bool {
        let all = match kind.plural {
            "configmaps" => self.settings.all_config_maps,
            "secrets" => self.settings.all_secrets,
            _ => false,
        };
        all || self.referenced.contains_key(&(kind, key.clone()))
    }

    /// Takes in one event of a watch.
    pub fn observe(&mut self, side: Side, kind: &'static Resource, lane: Lane, change: Change) {
        let key = change.key();
        let store = self.stores.entry((side, kind)).or_default();
        // An object that loses our marker leaves the host's watch as if it were deleted. One that was on its way out
        // before is; any other must be read afresh before it counts as gone.
        let gone = matches!(change, Change::Gone { .. })
            && (side == Side::Virtual
                || store.get(&key).is_some_and(|object| object.is_deleting()));
        if store.observe(lane, change) {
            if gone {
                self.bury(side, kind, &key);
            }
            self.changed(side, kind, &key);
        }
    }

    /// Takes in a whole list. What vanished since the last one was not seen being deleted: that proves nothing.
    pub fn replace(
        &mut self,
        side: Side,
        kind: &'static Resource,
        lane: Lane,
        changes: Vec<Change>,
    ) {
        for key in self.stores.entry((side, kind)).or_default().replace(lane, changes) {
            self.changed(side, kind, &key);
        }
    }

    /// A write of ours begins.
    pub fn begin_write(&mut self, side: Side, kind: &'static Resource, key: &Key) {
        self.stores.entry((side, kind)).or_default().begin_write(key);
    }

    /// A write of ours ended, with the object as the server returned it.
    pub fn end_write(
        &mut self,
        side: Side,
        kind: &'static Resource,
        key: &Key,
        result: Option<Object>,
    ) {
        if self.stores.entry((side, kind)).or_default().end_write(key, result) {
            self.changed(side, kind, key);
        }
    }

    /// The server did what it does not show in its answer: until the watch brings the object, plans must know of it.
    pub fn amend(
        &mut self,
        side: Side,
        kind: &'static Resource,
        key: &Key,
        path: &[&str],
        value: &str,
    ) {
        if let Some(store) = self.stores.get_mut(&(side, kind)) {
            store.amend(key, path, value);
        }
    }

    /// An object is known to be gone at once: the server said so.
    pub fn removed(&mut self, side: Side, kind: &'static Resource, key: &Key, uid: &str) {
        if self.stores.entry((side, kind)).or_default().remove(key, uid) {
            self.bury(side, kind, key);
            self.changed(side, kind, key);
        }
    }

    /// A fresh read of an object returned this.
    pub fn refresh(
        &mut self,
        side: Side,
        kind: &'static Resource,
        key: &Key,
        found: Option<Object>,
    ) {
        let store = self.stores.entry((side, kind)).or_default();
        match found {
            Some(object) => store.refresh(object),
            None => {
                let uid = store.entry(key).map(|entry| entry.uid.clone());
                if let Some(uid) = uid {
                    store.remove(key, &uid);
                }
                if let (Side::Virtual, Some(index)) = (side, self.kind_of(kind)) {
                    self.read_gone.insert(PlanKey { kind: index, key: Virtual(key.clone()) });
                }
            }
        }
        self.changed(side, kind, key);
    }

    /// The deletion of an object was seen.
    fn bury(&mut self, side: Side, kind: &'static Resource, key: &Key) {
        match side {
            Side::Virtual => {
                if let Some(index) = self.kind_of(kind) {
                    self.tombstones.insert(PlanKey { kind: index, key: Virtual(key.clone()) });
                }
            }
            Side::Host => {
                if let Some(owner) = self
                    .owners
                    .get(&(kind, key.clone()))
                    .filter(|owner| self.is_twin(owner, kind, key))
                {
                    self.lost_twins.entry(owner.clone()).or_default().seen = true;
                }
            }
        }
    }

    /// A fresh read said that the host twin of this key does not exist.
    pub fn twin_read_gone(&mut self, key: &PlanKey) {
        self.lost_twins.entry(key.clone()).or_default().read = true;
    }

    /// What is known of the absence of the host twin of a key.
    pub fn twin_gone(&self, key: &PlanKey) -> Gone {
        match self.lost_twins.get(key) {
            Some(LostTwin { seen: true, .. } | LostTwin { had: true, read: true, .. }) => {
                Gone::Seen
            }
            Some(LostTwin { read: true, .. }) => Gone::Read,
            _ => Gone::Unproven,
        }
    }

    /// Remembers what an API server left out of its answer to a patch.
    pub fn learn_drops(&mut self, side: Side, kind: &'static Resource, dropped: Vec<String>) {
        if !dropped.is_empty() {
            self.drops.entry((side, kind)).or_default().extend(dropped);
        }
    }

    /// Fields that an API server was seen to drop from patches.
    pub fn drops(&self, side: Side, kind: &'static Resource) -> Vec<String> {
        self.drops.get(&(side, kind)).into_iter().flatten().cloned().collect()
    }

    /// Whether a host key is the one of a plan key's twin, not of something beside it.
    fn is_twin(&self, owner: &PlanKey, kind: &'static Resource, key: &Key) -> bool {
        self.mirror(owner).is_some_and(|mirror| {
            mirror.host_kind() == kind
                && mirror.host_key(&owner.key, &self.settings).is_some_and(|twin| twin.0 == *key)
        })
    }

    /// Finds whom a change concerns, and queues them.
    fn changed(&mut self, side: Side, kind: &'static Resource, key: &Key) {
        if *kind == NODES || *kind == SERVICES {
            self.node_changes = self.node_changes.wrapping_add(1);
        }
        match side {
            Side::Virtual => self.virtual_changed(kind, key),
            Side::Host => self.host_changed(kind, key),
        }
        for of in [key.clone(), Key::new(key.namespace(), ""), Key::cluster("")] {
            let seen = self.lookers.get(&Ref { side, kind, key: of });
            for looker in seen.into_iter().flatten() {
                self.queue.push(looker.clone());
            }
        }
    }

    fn virtual_changed(&mut self, kind: &'static Resource, key: &Key) {
        let Some(index) = self.kind_of(kind) else { return };
        let plan_key = PlanKey { kind: index, key: Virtual(key.clone()) };
        let object =
            self.stores.get(&(Side::Virtual, kind)).and_then(|store| store.get(key)).map(Virtual);
        if self.stores.get(&(Side::Virtual, kind)).is_some_and(|store| store.entry(key).is_some()) {
            // It is there (again): what is known of a former object's end says nothing about this one.
            self.read_gone.remove(&plan_key);
            self.tombstones.remove(&plan_key);
        }
        self.refusals.remove(&plan_key);
        let references = match (&object, self.mirror(&plan_key)) {
            (Some(object), Some(mirror)) => mirror.references(object),
            _ => Vec::new(),
        };
        self.set_references(&plan_key, references);
        self.queue.push(plan_key);
    }

    fn set_references(&mut self, from: &PlanKey, to: Vec<(&'static Resource, Virtual<Key>)>) {
        let before = self.references.get(from).cloned().unwrap_or_default();
        if before == to {
            return;
        }
        for target in &to {
            *self.referenced.entry(target.clone()).or_default() += 1;
        }
        for target in &before {
            if let Some(count) = self.referenced.get_mut(target) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.referenced.remove(target);
                }
            }
        }
        for (kind, key) in before.into_iter().chain(to.iter().cloned()) {
            if let Some(index) = self.kind_of(kind) {
                self.queue.push(PlanKey { kind: index, key });
            }
        }
        if to.is_empty() {
            self.references.remove(from);
        } else {
            self.references.insert(from.clone(), to);
        }
    }

    fn host_changed(&mut self, kind: &'static Resource, key: &Key) {
        let object =
            self.stores.get(&(Side::Host, kind)).and_then(|store| store.get(key)).map(Host);
        if *kind == PODS {
            let used = object.as_ref().and_then(nodes::node_of).map(str::to_owned);
            for node in self.nodes.set(key, used, Instant::now()) {
                if let Some(index) = self.kind_of(&NODES) {
                    self.queue.push(PlanKey { kind: index, key: Virtual(Key::cluster(&node)) });
                }
            }
        }
        let noted = object
            .as_ref()
            .and_then(|object| object.annotation(labels::OBJECT_VERSION)?.parse().ok());
        self.highest_noted = self.highest_noted.max(noted.unwrap_or_default());
        let owner = object.as_ref().and_then(|object| self.owner_of(kind, object));
        let id = (kind, key.clone());
        let before = match &owner {
            Some(owner) => self.owners.insert(id.clone(), owner.clone()),
            None => self.owners.remove(&id),
        };
        if let Some(before) = before.filter(|before| Some(before) != owner.as_ref()) {
            if let Some(owned) = self.owned.get_mut(&before) {
                owned.remove(&id);
                if owned.is_empty() {
                    self.owned.remove(&before);
                }
            }
            if self.is_twin(&before, kind, key) {
                self.lost_twins.entry(before.clone()).or_default().had = true;
            }
            self.queue.push(before);
        }
        if let Some(owner) = owner {
            if self.is_twin(&owner, kind, key) {
                self.lost_twins.remove(&owner);
            }
            self.owned.entry(owner.clone()).or_default().insert(id);
            self.queue.push(owner);
        }
    }

    /// Which plan key a host object belongs to: by its marks, if its name is the one that the kind gives (design D4).
    fn owner_of(&self, kind: &'static Resource, host: &Host<Object>) -> Option<PlanKey> {
        let owner: Owner = metadata::owner(host, &self.settings)?;
        let index = self.kinds.iter().position(|mirror| {
            let of_kind = mirror.kind().gvk() == owner.gvk;
            let twin = mirror.host_kind() == kind
                && mirror
                    .host_key(&owner.key, &self.settings)
                    .is_some_and(|key| *key == host.key());
            let beside = mirror.side_kinds().contains(&kind)
                && mirror.owns_beside(host, &owner, &self.settings);
            of_kind && (twin || beside)
        })?;
        Some(PlanKey { kind: u8::try_from(index).ok()?, key: owner.key })
    }

    /// Whether a host object belongs to a plan key, by marks and name.
    pub fn is_owned_by(&self, kind: &'static Resource, host: &Object, key: &PlanKey) -> bool {
        self.owner_of(kind, &Host(host.clone())).as_ref() == Some(key)
    }

    /// The highest virtual version noted on a host object (design D6).
    pub fn highest_noted(&self) -> u64 {
        self.highest_noted
    }

    /// The state of one key, to plan it.
    pub fn view(&self, key: &PlanKey) -> Option<View> {
        let mirror = self.mirror(key)?;
        let virt = self
            .store(Side::Virtual, mirror.kind())
            .and_then(|store| store.get(&key.key))
            .map(Virtual);
        let host = mirror.host_key(&key.key, &self.settings).and_then(|host_key| {
            let ours = self.owners.get(&(mirror.host_kind(), host_key.0.clone())) == Some(key);
            ours.then(|| self.store(Side::Host, mirror.host_kind())?.get(&host_key))
                .flatten()
                .map(Host)
        });
        let gone = if self.tombstones.contains(key) {
            Gone::Seen
        } else if self.read_gone.contains(key) {
            Gone::Read
        } else {
            Gone::Unproven
        };
        Some(match (virt, host) {
            (Some(virt), Some(host)) => View::Both { virt, host },
            (Some(virt), None) => View::VirtualOnly { virt },
            (None, Some(host)) => View::HostOnly { key: key.key.clone(), host, gone },
            (None, None) => View::Neither { key: key.key.clone(), gone },
        })
    }

    /// Whether the virtual object is there but only its identity is cached, and a plan needs the whole of it.
    pub fn lacks_body(&self, key: &PlanKey) -> bool {
        let Some(mirror) = self.mirror(key) else { return false };
        let bare = self
            .store(Side::Virtual, mirror.kind())
            .and_then(|store| store.entry(&key.key))
            .is_some_and(|entry| !entry.has_body());
        bare && (self.is_wanted(mirror.kind(), &key.key) || self.owned.contains_key(key))
    }

    /// Remembers what a plan looked at, in place of what its last one did.
    pub fn looked(&mut self, key: &PlanKey, now: Vec<Ref>) {
        let before = self.looked.get(key).map(Vec::as_slice).unwrap_or_default();
        if before == now.as_slice() {
            return;
        }
        for gone in before.iter().filter(|seen| !now.contains(seen)) {
            if let Some(lookers) = self.lookers.get_mut(gone) {
                lookers.remove(key);
                if lookers.is_empty() {
                    self.lookers.remove(gone);
                }
            }
        }
        for seen in &now {
            self.lookers.entry(seen.clone()).or_default().insert(key.clone());
        }
        if now.is_empty() {
            self.looked.remove(key);
        } else {
            self.looked.insert(key.clone(), now);
        }
    }

    /// A plan for this key had nothing to do: fold its objects, forget what is no longer needed.
    pub fn settle(&mut self, key: &PlanKey) {
        let Some(mirror) = self.mirror(key) else { return };
        let (virtual_kind, host_kind) = (mirror.kind(), mirror.host_kind());
        let lean = mirror.keep() == Keep::WhenReferenced;
        let host_key = mirror.host_key(&key.key, &self.settings);
        let wanted = self.is_wanted(virtual_kind, &key.key);
        let owns = self.owned.contains_key(key);
        if let Some(store) = self.stores.get_mut(&(Side::Virtual, virtual_kind)) {
            match lean && !wanted && !owns {
                true => store.strip(&key.key),
                false => store.rest(&key.key),
            }
            if store.entry(&key.key).is_none() && !owns {
                self.tombstones.remove(key);
                self.read_gone.remove(key);
                self.lost_twins.remove(key);
            }
        }
        if let (Some(host_key), Some(store)) =
            (host_key, self.stores.get_mut(&(Side::Host, host_kind)))
        {
            store.rest(&host_key);
        }
    }

    /// The host objects of a resource that belong to a plan key.
    pub fn owned(
        &self,
        key: &PlanKey,
        host_kind: &'static Resource,
    ) -> impl Iterator<Item = Host<Object>> {
        let ids =
            self.owned.get(key).into_iter().flatten().filter(move |(kind, _)| *kind == host_kind);
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
            .iter()
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

    /// Whether some live virtual object refers to this one.
    pub fn is_referenced(&self, kind: &'static Resource, key: &Virtual<Key>) -> bool {
        self.referenced.contains_key(&(kind, key.clone()))
    }

    /// Reads an event's object as far as it is worth.
    ///
    /// # Errors
    /// What is wrong with its JSON.
    pub fn parse(
        &self,
        side: Side,
        kind: &'static Resource,
        json: &[u8],
    ) -> Result<Change, serde_json::Error> {
        let mut identity = None;
        let whole = self.keeps_whole(side, kind, || {
            identity = parse::identity(json).ok();
            identity.as_ref().map(|identity| Key::new(&identity.namespace, &identity.name))
        });
        match identity {
            Some(identity) if !whole => Ok(Change::Exists(identity)),
            _ => parse::object(json).map(Change::Is),
        }
    }
}
