//! What proves that an object is gone. A cache that lacks it proves nothing (design D6).

use std::collections::{HashMap, HashSet};

use vcluster_syncer_core::Gone;

use super::queue::PlanKey;

/// What is known of objects that are absent, by the key that plans them.
#[derive(Default)]
pub struct Absences {
    /// UIDs of the virtual objects whose deletion was seen: claims need to know which one it was.
    buried: HashMap<PlanKey, Box<str>>,
    /// Virtual objects of which a fresh read said 404.
    missing: HashSet<PlanKey>,
    twins: HashMap<PlanKey, Absence>,
}

/// What is known of a host twin that is absent.
#[derive(Clone, Copy, Default)]
struct Absence {
    /// This process had it in its cache.
    had: bool,
    /// Its deletion was seen: by the watch, or as the answer to a write.
    seen: bool,
    /// A fresh read said 404.
    read: bool,
    /// It was being deleted already when this process first saw it.
    was_ending: bool,
}

impl Absences {
    /// The virtual object's deletion was seen.
    pub fn virtual_seen(&mut self, key: &PlanKey, uid: &str) {
        self.buried.insert(key.clone(), uid.into());
    }

    /// Whether the deletion of the virtual object with this UID was seen.
    pub fn was_seen(&self, key: &PlanKey, uid: &str) -> bool {
        self.buried.get(key).is_some_and(|buried| **buried == *uid)
    }

    /// A fresh read said that the virtual object does not exist.
    pub fn virtual_read(&mut self, key: &PlanKey) {
        self.missing.insert(key.clone());
    }

    /// The virtual object is there (again): what is known of a former object's end says nothing about this one.
    pub fn virtual_is_there(&mut self, key: &PlanKey) {
        self.missing.remove(key);
        self.buried.remove(key);
    }

    /// What is known of a virtual object's absence.
    pub fn of_virtual(&self, key: &PlanKey) -> Gone {
        match (self.buried.contains_key(key), self.missing.contains(key)) {
            (true, _) => Gone::Seen,
            (false, true) => Gone::Read,
            (false, false) => Gone::Unproven,
        }
    }

    /// The host twin's deletion was seen.
    pub fn twin_seen(&mut self, key: &PlanKey) {
        self.twins.entry(key.clone()).or_default().seen = true;
    }

    /// The host twin left the cache.
    pub fn twin_left(&mut self, key: &PlanKey) {
        self.twins.entry(key.clone()).or_default().had = true;
    }

    /// A fresh read said that the host twin does not exist.
    pub fn twin_read(&mut self, key: &PlanKey) {
        self.twins.entry(key.clone()).or_default().read = true;
    }

    /// The host twin is there (again), and whether it is being deleted and was not known before.
    pub fn twin_is_there(&mut self, key: &PlanKey, is_ending: bool, is_new: bool) {
        if is_ending && (is_new || self.twin_was_ending(key)) {
            self.twins.insert(key.clone(), Absence { was_ending: true, ..Absence::default() });
        } else {
            self.twins.remove(key);
        }
    }

    /// Whether the host twin was being deleted already when this process first saw it.
    pub fn twin_was_ending(&self, key: &PlanKey) -> bool {
        self.twins.get(key).is_some_and(|twin| twin.was_ending)
    }

    /// What is known of a host twin's absence; see [`vcluster_syncer_core::World::twin_gone`].
    pub fn of_twin(&self, key: &PlanKey) -> Gone {
        match self.twins.get(key) {
            Some(Absence { was_ending: true, seen, read, .. }) if *seen || *read => Gone::Read,
            Some(Absence { seen: true, .. } | Absence { had: true, read: true, .. }) => Gone::Seen,
            Some(Absence { read: true, .. }) => Gone::Read,
            _ => Gone::Unproven,
        }
    }

    /// Nothing is left of the key on either side.
    pub fn forget(&mut self, key: &PlanKey) {
        self.missing.remove(key);
        self.buried.remove(key);
        self.twins.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vcluster_syncer_core::{Key, Virtual};

    #[test]
    fn leaving_the_cache_is_no_proof() {
        let (mut absences, key) =
            (Absences::default(), PlanKey { kind: 0, key: Virtual(Key::cluster("a")) });
        absences.twin_left(&key);
        assert_eq!(absences.of_twin(&key), Gone::Unproven);
        absences.twin_read(&key);
        assert_eq!(absences.of_twin(&key), Gone::Seen);
        absences.twin_is_there(&key, true, false);
        absences.twin_read(&key);
        assert_eq!(absences.of_twin(&key), Gone::Read);
        assert_eq!(absences.of_virtual(&key), Gone::Unproven);
        absences.virtual_read(&key);
        assert_eq!(absences.of_virtual(&key), Gone::Read);
        absences.virtual_seen(&key, "u1");
        assert_eq!(absences.of_virtual(&key), Gone::Seen);
        assert!(absences.was_seen(&key, "u1") && !absences.was_seen(&key, "u2"));
        absences.virtual_is_there(&key);
        assert_eq!(absences.of_virtual(&key), Gone::Unproven);
        assert!(!absences.was_seen(&key, "u1"));
    }

    #[test]
    fn who_was_about_to_end_from_the_start_did_not_end_before_our_eyes() {
        let (mut absences, key) =
            (Absences::default(), PlanKey { kind: 0, key: Virtual(Key::cluster("a")) });
        absences.twin_is_there(&key, true, true);
        absences.twin_is_there(&key, true, false);
        assert!(absences.twin_was_ending(&key));
        assert_eq!(absences.of_twin(&key), Gone::Unproven);
        absences.twin_seen(&key);
        assert_eq!(absences.of_twin(&key), Gone::Read);
        // Its successor is known from the beginning.
        absences.twin_is_there(&key, false, true);
        absences.twin_is_there(&key, true, false);
        assert!(!absences.twin_was_ending(&key));
        absences.twin_seen(&key);
        assert_eq!(absences.of_twin(&key), Gone::Seen);
    }
}
