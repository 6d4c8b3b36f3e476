//! The cache of one resource on one side, in as little memory as its use allows (design D7).

use std::collections::BTreeMap;
use std::ops::Bound;

use vcluster_syncer_core::{Key, Object};

use super::echoes::Echoes;
use super::hot::Hot;
use super::packed::Packed;
use super::parse;

/// The cached objects of one resource of one cluster.
#[derive(Default)]
pub struct Store {
    entries: BTreeMap<Key, Entry>,
    hot: Hot,
    echoes: Echoes,
}

/// One cached object.
pub struct Entry {
    /// UID.
    pub uid: Box<str>,
    /// Version, compared for equality only.
    pub version: Box<str>,
    lane: Lane,
    body: Body,
}

/// Which watch an object came by. Two watches may fill one cache: of the marked objects, and of the control plane's own
/// Service; a fresh list by one says nothing about the other's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// The watch of all objects of ours.
    #[default]
    Ours,
    /// The watch of what belongs to the control plane.
    ControlPlane,
    /// The watch of what belongs to the host as a whole.
    Originals,
}

enum Body {
    /// Only the identity is kept.
    None,
    /// Just parsed, and likely to be looked at again at once. If it came from its resting form, that is kept too.
    Hot(Object, Option<Packed>),
    /// At rest, in a fraction of the parsed form's size.
    Cold(Packed),
}

/// What a list, a watch or a write tells of an object that is there.
pub enum Change {
    /// It is so.
    Is(Object),
    /// It is there; no more is kept of it.
    Exists(parse::IdentityMeta),
}

impl Change {
    /// The object's key.
    pub fn key(&self) -> Key {
        match self {
            Change::Is(object) => object.key(),
            Change::Exists(identity) => identity.key(),
        }
    }

    /// The object's version.
    fn version(&self) -> &str {
        match self {
            Change::Is(object) => object.resource_version(),
            Change::Exists(identity) => &identity.resource_version,
        }
    }
}

impl Store {
    /// Whether the watch delivers no news with this version: the cache has it, or a later one of ours. Called once for
    /// each event, for it notes what was delivered.
    pub fn is_echo(&mut self, key: &Key, version: &str) -> bool {
        if self.echoes.delivered(key, version) {
            return true;
        }
        self.entries.get(key).is_some_and(|entry| *entry.version == *version)
    }

    /// Takes in news of a watch, see [`Store::is_echo`]. Returns whether one more object is parsed now than should be.
    pub fn admit(&mut self, lane: Lane, news: Change) -> bool {
        let key = news.key();
        let full = self.hot.is_full_without(&key);
        self.put(lane, key, news);
        full
    }

    /// Parses an object that is about to be planned: it is looked at now, and again after its writes.
    pub fn warm(&mut self, key: &Key) {
        if let Some(entry) = self.entries.get_mut(key)
            && let Body::Cold(packed) = &entry.body
            && let Some(object) = packed.object()
        {
            entry.body = match std::mem::replace(&mut entry.body, Body::None) {
                Body::Cold(packed) => Body::Hot(object, Some(packed)),
                _ => Body::Hot(object, None),
            };
            self.hot.touch(key);
        }
        self.cool();
    }

    /// A write of ours to this object begins.
    pub fn begin_write(&mut self, key: &Key) {
        self.echoes.begin(key);
    }

    /// A write of ours ended; `result` is the object as the server returned it. Returns whether the cache changed.
    pub fn end_write(&mut self, key: &Key, result: Option<Object>) -> bool {
        let meanwhile = self.echoes.end(key);
        let Some(object) = result else { return false };
        let known =
            self.entries.get(key).is_some_and(|entry| *entry.version == *object.resource_version());
        if known || meanwhile.covers(&object) {
            // The watch was quicker: what the cache holds is this version or a later one, or rightly nothing.
            return false;
        }
        self.echoes.expect(key, object.resource_version());
        let lane = self.entries.get(key).map(|entry| entry.lane).unwrap_or_default();
        self.put(lane, key.clone(), Change::Is(object));
        self.cool();
        true
    }

    /// Takes in a whole list. Returns the keys that changed, came or went.
    pub fn replace(&mut self, lane: Lane, changes: Vec<Change>) -> Vec<Key> {
        self.echoes.expect_none();
        self.rest_all();
        let mut changed = Vec::new();
        let (mut before, others): (BTreeMap<_, _>, _) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|(_, entry)| entry.lane == lane);
        self.entries = others;
        for change in changes {
            let key = change.key();
            let old = before.remove(&key);
            match old {
                Some(old) if *old.version == *change.version() => {
                    self.entries.insert(key, old);
                }
                _ => {
                    changed.push(key.clone());
                    self.put(lane, key, change);
                    self.cool();
                }
            }
        }
        changed.extend(before.into_keys());
        changed
    }

    /// Removes an object if it still is the one with this UID.
    pub fn remove(&mut self, key: &Key, uid: &str) -> bool {
        self.echoes.gone(key, uid);
        if self.entries.get(key).is_none_or(|entry| *entry.uid != *uid) {
            return false;
        }
        self.entries.remove(key);
        self.hot.forget(key);
        self.echoes.forget(key);
        true
    }

    /// Puts in what a fresh read returned.
    pub fn refresh(&mut self, object: Object) {
        self.put(Lane::Ours, object.key(), Change::Is(object));
        self.cool();
    }

    /// Changes one field of an object in place; its version stays, so that the watch's own word replaces ours.
    pub fn amend(&mut self, key: &Key, path: &[&str], value: &str) {
        if let Some(entry) = self.entries.get_mut(key)
            // Taken out, not copied: nobody else holds it now.
            && let Some(mut object) = std::mem::replace(&mut entry.body, Body::None).into_object()
        {
            object.set(path, value);
            entry.body = Body::Hot(object, None);
            self.hot.touch(key);
        }
        self.cool();
    }

    /// Identity of an object.
    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// An object; nothing if it is absent or only its identity is kept.
    pub fn get(&self, key: &Key) -> Option<Object> {
        self.entries.get(key)?.object()
    }

    /// The objects of a namespace, in order of names; with `""` those of a resource without namespaces.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = Object> {
        let namespace = namespace.to_owned();
        let from = if namespace.is_empty() { Key::cluster("") } else { Key::new(&namespace, "") };
        let range = self.entries.range((Bound::Included(from), Bound::Unbounded));
        range
            .take_while(move |(key, _)| key.namespace() == namespace)
            .filter_map(|(_, entry)| entry.object())
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.entries.keys()
    }

    /// How many objects.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Folds an object to its resting form, after it has been looked at.
    pub fn rest(&mut self, key: &Key) {
        if let Some(entry) = self.entries.get_mut(key)
            && let Body::Hot(object, packed) = &mut entry.body
            && let Some(packed) = packed.take().or_else(|| Packed::new(object))
        {
            entry.body = Body::Cold(packed);
        }
        self.hot.forget(key);
    }

    /// Folds all.
    pub fn rest_all(&mut self) {
        while let Some(longest) = self.hot.longest() {
            self.rest(&longest);
        }
    }

    /// Whether any object is parsed.
    pub fn is_warm(&self) -> bool {
        self.hot.longest().is_some()
    }

    /// Keeps no more than the identity of an object.
    pub fn strip(&mut self, key: &Key) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.body = Body::None;
        }
        self.hot.forget(key);
    }

    fn put(&mut self, lane: Lane, key: Key, change: Change) {
        let entry = match change {
            Change::Is(object) => {
                self.hot.touch(&key);
                Entry {
                    uid: object.uid().into(),
                    version: object.resource_version().into(),
                    lane,
                    body: Body::Hot(object, None),
                }
            }
            Change::Exists(identity) => Entry {
                uid: identity.uid.into(),
                version: identity.resource_version.into(),
                lane,
                body: Body::None,
            },
        };
        self.entries.insert(key, entry);
    }

    /// Folds those that have been parsed for longest, when there are too many.
    pub fn cool(&mut self) {
        while let Some(longest) = self.hot.too_many() {
            self.rest(&longest);
        }
    }
}

impl Entry {
    /// Whether more than the identity is kept.
    pub fn has_body(&self) -> bool {
        !matches!(self.body, Body::None)
    }

    /// The object.
    pub fn object(&self) -> Option<Object> {
        match &self.body {
            Body::None => None,
            Body::Hot(object, _) => Some(object.clone()),
            Body::Cold(packed) => packed.object(),
        }
    }
}

impl Body {
    fn into_object(self) -> Option<Object> {
        match self {
            Body::None => None,
            Body::Hot(object, _) => Some(object),
            Body::Cold(packed) => packed.object(),
        }
    }
}

#[cfg(test)]
mod tests;
