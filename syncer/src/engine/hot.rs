//! Which objects of a store are parsed.

use std::collections::VecDeque;

use vcluster_syncer_core::Key;

/// How many objects of one store may be parsed at a time: those whose writes are under way. A parsed pod takes three
/// times the memory of its JSON, and in a burst thousands wait for their turn.
pub const MOST: usize = 96;

/// The keys of those that are; the first has been longest.
#[derive(Default)]
pub struct Hot(VecDeque<Key>);

impl Hot {
    /// An object was just parsed or changed.
    pub fn touch(&mut self, key: &Key) {
        self.forget(key);
        self.0.push_back(key.clone());
    }

    /// An object is not parsed any more.
    pub fn forget(&mut self, key: &Key) {
        self.0.retain(|hot| hot != key);
    }

    /// Whether one more would be too many.
    pub fn is_full_without(&self, key: &Key) -> bool {
        self.0.len() >= MOST && !self.0.contains(key)
    }

    /// Takes out the one that has been longest, if there are too many.
    pub fn too_many(&mut self) -> Option<Key> {
        if self.0.len() > MOST { self.0.pop_front() } else { None }
    }

    /// The one that has been longest.
    pub fn longest(&self) -> Option<Key> {
        self.0.front().cloned()
    }

    /// How many.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
