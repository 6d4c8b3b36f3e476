//! Which events of a watch only repeat what a write of ours has told already.

use std::collections::HashMap;

use vcluster_syncer_core::{Key, Object};

/// Writes of ours to the objects of one store, as far as the watch has not caught up with them.
#[derive(Default)]
pub struct Echoes {
    awaited: HashMap<Key, Awaited>,
}

#[derive(Default)]
struct Awaited {
    /// A write is under way.
    in_flight: Option<Meanwhile>,
    /// The version that our last write returned. Until the watch delivers it, what it delivers is older.
    version: Option<Box<str>>,
}

/// What the watch delivered while a write was under way.
#[derive(Default)]
pub struct Meanwhile {
    versions: Vec<Box<str>>,
    gone: Vec<Box<str>>,
    /// A whole list was taken in. Either it holds what the write did, or the watch that begins with it will tell.
    listed: bool,
}

impl Meanwhile {
    /// Whether the cache need not be told: it heard of this version of the object, or of its end, or will.
    pub fn covers(&self, answer: &Object) -> bool {
        let has = |list: &[Box<str>], wanted: &str| list.iter().any(|have| **have == *wanted);
        self.listed
            || has(&self.versions, answer.resource_version())
            || has(&self.gone, answer.uid())
    }
}

impl Echoes {
    /// A write begins.
    pub fn begin(&mut self, key: &Key) {
        self.awaited.entry(key.clone()).or_default().in_flight = Some(Meanwhile::default());
    }

    /// A write ended.
    pub fn end(&mut self, key: &Key) -> Meanwhile {
        let awaited = self.awaited.get_mut(key);
        let meanwhile = awaited.and_then(|awaited| awaited.in_flight.take()).unwrap_or_default();
        self.tidy(key);
        meanwhile
    }

    /// The write's answer was new: the watch will deliver this version, and until then only older ones.
    pub fn expect(&mut self, key: &Key, version: &str) {
        self.awaited.entry(key.clone()).or_default().version = Some(version.into());
    }

    /// Nothing is expected of the watch any more: a fresh one begins.
    pub fn expect_none(&mut self) {
        self.awaited.retain(|_, awaited| {
            awaited.version = None;
            awaited.in_flight.as_mut().map(|meanwhile| meanwhile.listed = true).is_some()
        });
    }

    /// The watch delivers a version. Returns whether it is ours, or older.
    pub fn delivered(&mut self, key: &Key, version: &str) -> bool {
        let Some(awaited) = self.awaited.get_mut(key) else { return false };
        if let Some(meanwhile) = &mut awaited.in_flight {
            meanwhile.versions.push(version.into());
        }
        let Some(expected) = &awaited.version else { return false };
        if **expected == *version {
            awaited.version = None;
            self.tidy(key);
        }
        true
    }

    /// The object with this UID is gone.
    pub fn gone(&mut self, key: &Key, uid: &str) {
        let awaited = self.awaited.get_mut(key);
        if let Some(meanwhile) = awaited.and_then(|awaited| awaited.in_flight.as_mut()) {
            meanwhile.gone.push(uid.into());
        }
    }

    /// The object is not cached any more: no version of it is expected.
    pub fn forget(&mut self, key: &Key) {
        if let Some(awaited) = self.awaited.get_mut(key) {
            awaited.version = None;
        }
        self.tidy(key);
    }

    fn tidy(&mut self, key: &Key) {
        let over = |awaited: &Awaited| awaited.version.is_none() && awaited.in_flight.is_none();
        if self.awaited.get(key).is_some_and(over) {
            self.awaited.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vcluster_syncer_core::json::json;

    #[test]
    fn nothing_is_kept_of_writes_that_the_watch_has_told() {
        let (mut echoes, key) = (Echoes::default(), Key::new("a", "b"));
        let object = Object::new(json!({"metadata": {"uid": "u", "resourceVersion": "5"}}));
        echoes.begin(&key);
        assert!(!echoes.delivered(&key, "4"));
        assert!(!echoes.end(&key).covers(&object));
        echoes.expect(&key, "5");
        assert!(echoes.delivered(&key, "4") && echoes.delivered(&key, "5"));
        assert!(!echoes.delivered(&key, "6") && echoes.awaited.is_empty());
        echoes.begin(&key);
        echoes.gone(&key, "u");
        assert!(echoes.end(&key).covers(&object) && echoes.awaited.is_empty());
        echoes.expect(&key, "7");
        echoes.expect_none();
        assert!(echoes.awaited.is_empty());
        echoes.begin(&key);
        echoes.expect_none();
        assert!(echoes.end(&key).covers(&object), "a list has it, or the watch after it");
    }
}
