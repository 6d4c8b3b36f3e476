//! Whose each host object is.

use std::collections::{BTreeSet, HashMap};

use vcluster_syncer_core::{Key, Resource};

use super::queue::PlanKey;

/// A host object.
pub type HostId = (&'static Resource, Key);

/// The plan keys that marks and names of host objects give, and the inverse.
#[derive(Default)]
pub struct Owners {
    owners: HashMap<HostId, PlanKey>,
    owned: HashMap<PlanKey, BTreeSet<HostId>>,
}

impl Owners {
    /// A host object belongs to this key now, or to none. Returns the key that it belonged to before, if another.
    pub fn set(&mut self, id: HostId, owner: Option<PlanKey>) -> Option<PlanKey> {
        let before = match &owner {
            Some(owner) => {
                self.owned.entry(owner.clone()).or_default().insert(id.clone());
                self.owners.insert(id.clone(), owner.clone())
            }
            None => self.owners.remove(&id),
        };
        let before = before.filter(|before| Some(before) != owner.as_ref())?;
        if let Some(owned) = self.owned.get_mut(&before) {
            owned.remove(&id);
            if owned.is_empty() {
                self.owned.remove(&before);
            }
        }
        Some(before)
    }

    /// The key that a host object belongs to.
    pub fn of(&self, id: &HostId) -> Option<&PlanKey> {
        self.owners.get(id)
    }

    /// Whether anything belongs to a key.
    pub fn has_any(&self, key: &PlanKey) -> bool {
        self.owned.contains_key(key)
    }

    /// What belongs to a key.
    pub fn owned(&self, key: &PlanKey) -> impl Iterator<Item = &HostId> {
        self.owned.get(key).into_iter().flatten()
    }

    /// All host objects, and whose they are.
    pub fn all(&self) -> impl Iterator<Item = (&HostId, &PlanKey)> {
        self.owners.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vcluster_syncer_core::Virtual;
    use vcluster_syncer_core::resource::PODS;

    #[test]
    fn an_object_belongs_to_one_key_at_a_time() {
        let mut owners = Owners::default();
        let key = |name| PlanKey { kind: 0, key: Virtual(Key::cluster(name)) };
        let id = || (&PODS, Key::new("h", "p"));
        assert_eq!(owners.set(id(), Some(key("a"))), None);
        assert_eq!(owners.set(id(), Some(key("a"))), None);
        assert_eq!(owners.set(id(), Some(key("b"))), Some(key("a")));
        assert!(!owners.has_any(&key("a")) && owners.owned(&key("b")).count() == 1);
        assert_eq!(owners.set(id(), None), Some(key("b")));
        assert!(owners.owners.is_empty() && owners.owned.is_empty());
    }
}
