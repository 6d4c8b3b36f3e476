//! What each key's last plan looked at, so that it is planned again when that changes.

use std::collections::{HashMap, HashSet};

use vcluster_syncer_core::{Key, Resource, Side};

use super::queue::PlanKey;

/// One object, or all of a namespace (key `NAMESPACE/`), or all of a resource (empty key) of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ref {
    /// Which cluster.
    pub side: Side,
    /// The resource.
    pub kind: &'static Resource,
    /// The object's key.
    pub key: Key,
}

/// Who looked at what.
#[derive(Default)]
pub struct Lookups {
    lookers: HashMap<Ref, HashSet<PlanKey>>,
    looked: HashMap<PlanKey, Vec<Ref>>,
}

impl Lookups {
    /// Remembers what a plan looked at, in place of what the key's last one did. `now` is sorted and without doubles.
    pub fn remember(&mut self, key: &PlanKey, now: Vec<Ref>) {
        let before = self.looked.get(key).map(Vec::as_slice).unwrap_or_default();
        if before == now.as_slice() {
            return;
        }
        for gone in before.iter().filter(|seen| now.binary_search(seen).is_err()) {
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

    /// Whose last plan looked at this object, or at all of its namespace or resource.
    pub fn of(
        &self,
        side: Side,
        kind: &'static Resource,
        key: &Key,
    ) -> impl Iterator<Item = &PlanKey> {
        let wholes = [key.clone(), Key::new(key.namespace(), ""), Key::cluster("")];
        wholes
            .into_iter()
            .filter_map(move |key| self.lookers.get(&Ref { side, kind, key }))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vcluster_syncer_core::Virtual;
    use vcluster_syncer_core::resource::{PODS, SERVICES};

    fn plan_key(name: &str) -> PlanKey {
        PlanKey { kind: 0, key: Virtual(Key::new("a", name)) }
    }

    fn look(kind: &'static Resource, key: Key) -> Ref {
        Ref { side: Side::Host, kind, key }
    }

    #[test]
    fn objects_namespaces_and_whole_resources_are_looked_at() {
        let mut lookups = Lookups::default();
        lookups.remember(&plan_key("one"), vec![look(&SERVICES, Key::new("a", "x"))]);
        lookups.remember(&plan_key("two"), vec![look(&SERVICES, Key::new("a", ""))]);
        lookups.remember(&plan_key("three"), vec![look(&SERVICES, Key::cluster(""))]);
        let who = |key: Key| lookups.of(Side::Host, &SERVICES, &key).count();
        assert_eq!(
            (who(Key::new("a", "x")), who(Key::new("a", "y")), who(Key::new("b", "x"))),
            (3, 2, 1)
        );
        assert_eq!(lookups.of(Side::Host, &PODS, &Key::new("a", "x")).count(), 0);
    }

    #[test]
    fn only_the_last_plan_counts() {
        let mut lookups = Lookups::default();
        lookups.remember(&plan_key("one"), vec![look(&SERVICES, Key::new("a", "x"))]);
        lookups.remember(&plan_key("one"), vec![look(&SERVICES, Key::new("a", "y"))]);
        assert_eq!(lookups.of(Side::Host, &SERVICES, &Key::new("a", "x")).count(), 0);
        lookups.remember(&plan_key("one"), Vec::new());
        assert!(lookups.lookers.is_empty() && lookups.looked.is_empty());
    }
}
