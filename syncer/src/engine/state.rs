//! What the engine knows: both caches, who owns what, who depends on what, and what is to be planned.
//!
//! Here is what comes in; `concerns.rs` finds whom it concerns, `view.rs` shows it to plans.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use vcluster_syncer_core::{
    Keep, Key, Mirror, Object, Refusal, Resource, Settings, Side, Unread, Virtual,
};

use super::absences::Absences;
use super::lookups::Lookups;
use super::node_use::NodeUse;
use super::owners::Owners;
use super::parse::{self, IdentityMeta};
use super::queue::{PlanKey, Queue};
use super::references::References;
use super::store::{Change, Lane, Store};

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
    /// What each key's last plan looked at.
    pub lookups: Lookups,
    /// Which virtual objects refer to which.
    pub references: References,
    /// What proves that absent objects are gone.
    pub absences: Absences,
    /// What API servers refused of a key's writes, until its virtual object changes.
    pub refusals: HashMap<PlanKey, Vec<Refusal>>,
    /// The highest virtual version noted on a host object (design D6).
    pub highest_noted: u64,
    pub(super) stores: BTreeMap<(Side, &'static Resource), Store>,
    pub(super) owners: Owners,
    /// Fields that an API server was seen to drop from patches.
    drops: BTreeMap<(Side, &'static Resource), BTreeSet<String>>,
}

impl State {
    /// A state that knows nothing yet. What kinds make of their own accord is to be planned.
    pub fn new(settings: Settings, kinds: Vec<Box<dyn Mirror>>) -> State {
        let standing: Vec<PlanKey> = (0u8..)
            .zip(&kinds)
            .flat_map(|(index, kind)| {
                kind.standing().into_iter().map(move |key| PlanKey { kind: index, key })
            })
            .collect();
        let mut state = State {
            settings,
            kinds,
            queue: Queue::default(),
            nodes: NodeUse::default(),
            node_changes: 0,
            lookups: Lookups::default(),
            references: References::default(),
            absences: Absences::default(),
            refusals: HashMap::new(),
            highest_noted: 0,
            stores: BTreeMap::new(),
            owners: Owners::default(),
            drops: BTreeMap::new(),
        };
        standing.into_iter().for_each(|key| state.queue.push(key));
        state
    }

    /// Knows nothing any more.
    pub fn forget(&mut self) {
        let changes = self.node_changes;
        *self = State::new(self.settings.clone(), std::mem::take(&mut self.kinds));
        self.node_changes = changes.wrapping_add(1);
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

    /// Whether more than the identity of an object is worth keeping.
    fn keeps_whole(&self, side: Side, kind: &'static Resource, key: Key) -> bool {
        let lean = side == Side::Virtual
            && self
                .kinds
                .iter()
                .any(|mirror| mirror.kind() == kind && mirror.keep() == Keep::WhenReferenced);
        !lean || self.is_wanted(kind, &Virtual(key))
    }

    /// Whether the virtual object is to be on the host, as far as that depends on being referred to.
    pub fn is_wanted(&self, kind: &'static Resource, key: &Virtual<Key>) -> bool {
        let all = match kind.plural {
            "configmaps" => self.settings.all_config_maps,
            "secrets" => self.settings.all_secrets,
            _ => false,
        };
        all || self.references.contains(kind, key)
    }

    /// Takes in an object that a watch delivers, and reads it as far as it is worth. Returns whether it was news: most
    /// of what a watch tells of an object of ours is the echo of a write, which is not read.
    ///
    /// # Errors
    /// What is wrong with its JSON.
    pub fn delivered(
        &mut self,
        side: Side,
        kind: &'static Resource,
        lane: Lane,
        identity: IdentityMeta,
        json: &[u8],
    ) -> Result<bool, serde_json::Error> {
        let key = identity.key();
        let store = self.stores.entry((side, kind)).or_default();
        if store.is_echo(&key, &identity.resource_version) {
            return Ok(false);
        }
        let news = self.read(side, kind, Some(identity), json)?;
        let full = self.stores.entry((side, kind)).or_default().admit(lane, news);
        self.changed(side, kind, &key, None);
        let store = self.stores.entry((side, kind)).or_default();
        match side {
            // News from inside wait for their turn, which comes last when many do.
            Side::Virtual if full => store.rest(&key),
            // Who is on the host is worked on.
            _ => store.cool(),
        }
        Ok(true)
    }

    /// A watch tells that an object is gone.
    pub fn deleted(&mut self, side: Side, kind: &'static Resource, key: &Key, uid: &str) {
        let store = self.stores.entry((side, kind)).or_default();
        // An object that loses our marker leaves the host's watch as if it were deleted. One that was on its way out
        // before is; any other must be read afresh before it counts as gone.
        let gone =
            side == Side::Virtual || store.get(key).is_some_and(|object| object.is_deleting());
        if store.remove(key, uid) {
            if gone {
                self.bury(side, kind, key, uid);
            }
            self.changed(side, kind, key, None);
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
            self.changed(side, kind, &key, None);
        }
    }

    /// A write of ours begins.
    pub fn begin_write(&mut self, side: Side, kind: &'static Resource, key: &Key) {
        self.stores.entry((side, kind)).or_default().begin_write(key);
    }

    /// A write of ours ended, with the object as the server returned it. The key that is `settled` by it is not planned
    /// because of it.
    pub fn end_write(
        &mut self,
        side: Side,
        kind: &'static Resource,
        key: &Key,
        result: Option<Object>,
        settled: Option<&PlanKey>,
    ) {
        let result = result.map(|object| self.slimmed(side, kind, object));
        if self.stores.entry((side, kind)).or_default().end_write(key, result) {
            self.changed(side, kind, key, settled);
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

    /// An object is known to be gone at once: the server said so. The key that is `settled` by it is not planned because of
    /// it.
    pub fn removed(
        &mut self,
        side: Side,
        kind: &'static Resource,
        key: &Key,
        uid: &str,
        settled: Option<&PlanKey>,
    ) {
        if self.stores.entry((side, kind)).or_default().remove(key, uid) {
            self.bury(side, kind, key, uid);
            self.changed(side, kind, key, settled);
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
        let found = found.map(|object| self.slimmed(side, kind, object));
        let store = self.stores.entry((side, kind)).or_default();
        match found {
            Some(object) => store.refresh(object),
            None => {
                let uid = store.entry(key).map(|entry| entry.uid.clone());
                if let Some(uid) = uid {
                    store.remove(key, &uid);
                }
                if let (Side::Virtual, Some(index)) = (side, self.kind_of(kind)) {
                    self.absences.virtual_read(&PlanKey { kind: index, key: Virtual(key.clone()) });
                }
            }
        }
        self.changed(side, kind, key, None);
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

    /// Reads an object of a list as far as it is worth.
    ///
    /// # Errors
    /// What is wrong with its JSON.
    pub fn parse(
        &self,
        side: Side,
        kind: &'static Resource,
        json: &[u8],
    ) -> Result<Change, serde_json::Error> {
        self.read(side, kind, parse::identity(json).ok(), json)
    }

    fn read(
        &self,
        side: Side,
        kind: &'static Resource,
        identity: Option<IdentityMeta>,
        json: &[u8],
    ) -> Result<Change, serde_json::Error> {
        match identity {
            Some(identity) if !self.keeps_whole(side, kind, identity.key()) => {
                Ok(Change::Exists(identity))
            }
            _ => parse::object_but(json, self.unread(side, kind))
                .map(|object| Change::Is(self.slimmed(side, kind, object))),
        }
    }

    /// What of an object is not to be parsed.
    pub fn unread(&self, side: Side, kind: &'static Resource) -> &'static [Unread] {
        if side == Side::Virtual {
            return &[];
        }
        let mut readers = self.kinds.iter().filter(|mirror| mirror.host_kind() == kind);
        match (readers.next(), readers.next()) {
            (Some(only), None) => only.unread(),
            // What one does not look at, another may.
            _ => &[],
        }
    }

    /// An object without what no plan looks at.
    fn slimmed(&self, side: Side, kind: &'static Resource, mut object: Object) -> Object {
        if side == Side::Host {
            let slims = self.kinds.iter().filter(|mirror| {
                let original = mirror.original(&self.settings.scheduling);
                mirror.side_kinds().contains(&kind) || original.is_some_and(|of| of == kind)
            });
            slims.for_each(|mirror| mirror.slim(&mut object));
        }
        object
    }
}
