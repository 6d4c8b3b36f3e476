//! The caches as a decision sees them.

use vcluster_syncer_core::resource::ENDPOINT_SLICES;
use vcluster_syncer_core::{
    Gone, Host, Key, NodeUse, Object, Refusal, Resource, Side, Virtual, World,
};

use super::memory::{Memory, PlanKey, Surroundings};

pub struct Neighbours<'a> {
    pub memory: &'a Memory,
    pub lab: &'a Surroundings<'a>,
    pub planned: &'a PlanKey,
}

impl World for Neighbours<'_> {
    fn virt(&self, kind: &'static Resource, key: &Virtual<Key>) -> Option<Virtual<Object>> {
        self.memory.get(Side::Virtual, kind, key).cloned().map(Virtual)
    }

    fn host(&self, kind: &'static Resource, key: &Host<Key>) -> Option<Host<Object>> {
        self.memory.get(Side::Host, kind, key).cloned().map(Host)
    }

    fn virt_in(&self, kind: &'static Resource, namespace: &str) -> Vec<Virtual<Object>> {
        let all = self.memory.all(Side::Virtual, kind);
        all.filter(|object| object.namespace() == namespace).cloned().map(Virtual).collect()
    }

    fn owned(&self, host_kind: &'static Resource, owner: &Virtual<Key>) -> Vec<Host<Object>> {
        let mut owned = self.all_of(host_kind, self.planned.0);
        owned.retain(|(key, _)| key == owner);
        owned.into_iter().map(|(_, host)| host).collect()
    }

    fn is_referenced(&self, kind: &'static Resource, key: &Virtual<Key>) -> bool {
        self.memory.is_referenced(kind, key, self.lab.kinds)
    }

    fn all_owned(&self, host_kind: &'static Resource, of: &'static Resource) -> Vec<Host<Object>> {
        let index = self.lab.kinds.iter().position(|mirror| mirror.kind() == of);
        let owned = index.map(|index| self.all_of(host_kind, index)).unwrap_or_default();
        owned.into_iter().map(|(_, host)| host).collect()
    }

    fn control_plane_slices(&self) -> Vec<Host<Object>> {
        let name = Some(self.lab.settings.name.as_str());
        let slices = self.memory.all(Side::Host, &ENDPOINT_SLICES);
        slices
            .filter(|slice| slice.label("kubernetes.io/service-name") == name)
            .cloned()
            .map(Host)
            .collect()
    }

    fn node_use(&self, node: &str) -> NodeUse {
        match self.memory.unused_since.get(node) {
            _ if self.memory.used.contains(node) => NodeUse::Used,
            Some(since) => NodeUse::UnusedSince(*since),
            None => NodeUse::Unknown,
        }
    }

    fn refusals(&self) -> Vec<Refusal> {
        self.memory.refusals.get(self.planned).cloned().unwrap_or_default()
    }

    fn seen_deleted(&self, uid: &str) -> bool {
        self.memory.tombstones.get(self.planned).is_some_and(|seen| seen == uid)
    }

    fn twin_gone(&self) -> Gone {
        match self.memory.twins_seen.contains(self.planned) {
            _ if !self.memory.twins_read_gone.contains(self.planned) => Gone::Unproven,
            true if !self.twin_was_ending() => Gone::Seen,
            _ => Gone::Read,
        }
    }

    fn twin_was_ending(&self) -> bool {
        self.memory.twins_ending.contains(self.planned)
    }

    fn drops(&self, side: Side, kind: &'static Resource) -> Vec<String> {
        self.memory.drops.get(&(side, kind)).into_iter().flatten().cloned().collect()
    }

    fn now(&self) -> jiff::Timestamp {
        self.lab.now
    }
}

impl Neighbours<'_> {
    fn all_of(
        &self,
        host_kind: &'static Resource,
        kind: usize,
    ) -> Vec<(Virtual<Key>, Host<Object>)> {
        let all = self.memory.all(Side::Host, host_kind).cloned().map(Host);
        all.filter_map(|host| {
            let (index, key) = self.lab.owner(host_kind, &host)?;
            (index == kind).then_some((key, host))
        })
        .collect()
    }
}
