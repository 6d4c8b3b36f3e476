//! The neighbours of one planning, as the caches have them; remembers what was looked at.

use std::cell::RefCell;
use std::time::Instant;

use vcluster_syncer_core::resource::ENDPOINT_SLICES;
use vcluster_syncer_core::world::NodeUse;
use vcluster_syncer_core::{Gone, Host, Key, Object, Refusal, Resource, Side, Virtual, World};

use super::lookups::Ref;
use super::queue::PlanKey;
use super::state::State;

/// One planning.
pub struct Session<'a> {
    state: &'a State,
    key: &'a PlanKey,
    looked: RefCell<Vec<Ref>>,
    now: jiff::Timestamp,
}

impl<'a> Session<'a> {
    /// Begins.
    pub fn new(state: &'a State, key: &'a PlanKey) -> Session<'a> {
        Session { state, key, looked: RefCell::default(), now: jiff::Timestamp::now() }
    }

    /// Ends; what was looked at, absent things too.
    pub fn into_looked(self) -> Vec<Ref> {
        let mut looked = self.looked.into_inner();
        looked.sort();
        looked.dedup();
        looked
    }

    fn look(&self, side: Side, kind: &'static Resource, key: Key) {
        self.looked.borrow_mut().push(Ref { side, kind, key });
    }
}

impl World for Session<'_> {
    fn virt(&self, kind: &'static Resource, key: &Virtual<Key>) -> Option<Virtual<Object>> {
        self.look(Side::Virtual, kind, key.0.clone());
        self.state.store(Side::Virtual, kind)?.get(key).map(Virtual)
    }

    fn host(&self, kind: &'static Resource, key: &Host<Key>) -> Option<Host<Object>> {
        self.look(Side::Host, kind, key.0.clone());
        self.state.store(Side::Host, kind)?.get(key).map(Host)
    }

    fn virt_in(&self, kind: &'static Resource, namespace: &str) -> Vec<Virtual<Object>> {
        self.look(Side::Virtual, kind, Key::new(namespace, ""));
        let store = self.state.store(Side::Virtual, kind);
        store.map(|store| store.in_namespace(namespace).map(Virtual).collect()).unwrap_or_default()
    }

    fn owned(&self, host_kind: &'static Resource, owner: &Virtual<Key>) -> Vec<Host<Object>> {
        // Whatever belongs to a key plans that key anyway, so this needs no remembering.
        let key = PlanKey { kind: self.key.kind, key: owner.clone() };
        self.state.owned(&key, host_kind).collect()
    }

    fn is_referenced(&self, kind: &'static Resource, key: &Virtual<Key>) -> bool {
        self.state.references.contains(kind, key)
    }

    fn all_owned(&self, host_kind: &'static Resource, of: &'static Resource) -> Vec<Host<Object>> {
        self.look(Side::Host, host_kind, Key::cluster(""));
        self.state.all_owned(host_kind, of)
    }

    fn control_plane_slices(&self) -> Vec<Host<Object>> {
        self.look(Side::Host, &ENDPOINT_SLICES, Key::cluster(""));
        self.state.control_plane_slices()
    }

    fn refusals(&self) -> Vec<Refusal> {
        self.state.refusals.get(self.key).cloned().unwrap_or_default()
    }

    fn seen_deleted(&self, uid: &str) -> bool {
        self.state.absences.was_seen(self.key, uid)
    }

    fn twin_gone(&self) -> Gone {
        self.state.absences.of_twin(self.key)
    }

    fn twin_was_ending(&self) -> bool {
        self.state.absences.twin_was_ending(self.key)
    }

    fn drops(&self, side: Side, kind: &'static Resource) -> Vec<String> {
        self.state.drops(side, kind)
    }

    fn node_use(&self, node: &str) -> NodeUse {
        if self.state.nodes.is_used(node) {
            return NodeUse::Used;
        }
        match self.state.nodes.unused_since(node) {
            Some(since) => {
                let ago = Instant::now().saturating_duration_since(since);
                let ago = jiff::SignedDuration::try_from(ago).unwrap_or_default();
                NodeUse::UnusedSince(self.now.checked_sub(ago).unwrap_or(self.now))
            }
            None => NodeUse::Unknown,
        }
    }

    fn now(&self) -> jiff::Timestamp {
        self.now
    }
}
