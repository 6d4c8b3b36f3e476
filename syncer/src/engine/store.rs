//! The cache of one resource on one side, in as little memory as its use allows (design D7).

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use vcluster_syncer_core::{Key, Object};

use super::echoes::Echoes;
use super::packed::Packed;
use super::parse;

/// How many objects of one store may be parsed at a time: those whose writes are under way. A parsed pod takes ten times
/// the memory of its JSON, and in a burst thousands wait for their turn.
const HOT: usize = 32;

/// The cached objects of one resource of one cluster.
#[derive(Default)]
pub struct Store {
    entries: BTreeMap<Key, Entry>,
    /// Those that are parsed; the first has been longest.
    hot: VecDeque<Key>,
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
}

enum Body {
    /// Only the identity is kept.
    None,
    /// Just parsed, and likely to be looked at again at once.
    Hot(Object),
    /// At rest, in a fraction of the parsed form's size.
    Cold(Packed),
}

/// What the watch or a write tells of an object.
pub enum Change {
    /// It is so.
    Is(Object),
    /// It is there; no more is kept of it.
    Exists(parse::IdentityMeta),
    /// It is gone; its last state's UID.
    Gone {
        /// Key of the object.
        key: Key,
        /// UID of the object.
        uid: Box<str>,
    },
}

impl Change {
    /// The object's key.
    pub fn key(&self) -> Key {
        match self {
            Change::Is(object) => object.key(),
            Change::Exists(identity) => Key::new(&identity.namespace, &identity.name),
            Change::Gone { key, .. } => key.clone(),
        }
    }
}

impl Store {
    /// Takes in what a watch delivers. Returns whether it changed anything: an echo of our own write does not.
    pub fn observe(&mut self, lane: Lane, change: Change) -> bool {
        let key = change.key();
        if let Change::Gone { uid, .. } = &change {
            return self.remove(&key, uid);
        }
        let version = match &change {
            Change::Is(object) => object.resource_version(),
            Change::Exists(identity) => &identity.resource_version,
            Change::Gone { .. } => "",
        };
        if self.is_echo(&key, version) {
            return false;
        }
        // News wait for their turn, which comes last when many do.
        let busy = self.hot.len() >= HOT && !self.hot.contains(&key);
        self.put(lane, key.clone(), change);
        if busy {
            self.rest(&key);
        }
        true
    }

    /// Whether the watch delivers no news with this version: the cache has it, or a later one of ours. Called once for
    /// each event, for it notes what was delivered.
    pub fn is_echo(&mut self, key: &Key, version: &str) -> bool {
        if self.echoes.delivered(key, version) {
            return true;
        }
        self.entries.get(key).is_some_and(|entry| *entry.version == *version)
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
        let mut changed = Vec::new();
        let (mut before, others): (BTreeMap<_, _>, _) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|(_, entry)| entry.lane == lane);
        self.entries = others;
        for change in changes {
            let key = change.key();
            let old = before.remove(&key);
            let version = match &change {
                Change::Is(object) => object.resource_version().to_owned(),
                Change::Exists(identity) => identity.resource_version.clone(),
                Change::Gone { .. } => continue,
            };
            match old {
                Some(old) if *old.version == *version => {
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
        self.hot.retain(|hot| hot != key);
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
            && let Some(mut object) = entry.object()
        {
            object.set(path, value);
            entry.body = Body::Hot(object);
            self.hot.retain(|hot| hot != key);
            self.hot.push_back(key.clone());
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
            && let Body::Hot(object) = &entry.body
            && let Some(packed) = Packed::new(object)
        {
            entry.body = Body::Cold(packed);
        }
        self.hot.retain(|hot| hot != key);
    }

    /// Keeps no more than the identity of an object.
    pub fn strip(&mut self, key: &Key) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.body = Body::None;
        }
        self.hot.retain(|hot| hot != key);
    }

    fn put(&mut self, lane: Lane, key: Key, change: Change) {
        let entry = match change {
            Change::Is(object) => {
                self.hot.retain(|hot| *hot != key);
                self.hot.push_back(key.clone());
                Entry {
                    uid: object.uid().into(),
                    version: object.resource_version().into(),
                    lane,
                    body: Body::Hot(object),
                }
            }
            Change::Exists(identity) => Entry {
                uid: identity.uid.into(),
                version: identity.resource_version.into(),
                lane,
                body: Body::None,
            },
            Change::Gone { .. } => return,
        };
        self.entries.insert(key, entry);
    }

    /// Folds those that have been parsed for longest, when there are too many.
    fn cool(&mut self) {
        while self.hot.len() > HOT
            && let Some(longest) = self.hot.pop_front()
        {
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
            Body::Hot(object) => Some(object.clone()),
            Body::Cold(packed) => packed.object(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(version: &str, uid: &str) -> Object {
        Object::new(
            json!({"metadata": {"namespace": "a", "name": "b", "uid": uid, "resourceVersion": version}}),
        )
    }

    fn key() -> Key {
        Key::new("a", "b")
    }

    fn version(store: &Store) -> Option<String> {
        store.get(&key()).map(|object| object.resource_version().to_owned())
    }

    #[test]
    fn the_echo_of_our_own_write_changes_nothing() {
        let mut store = Store::default();
        store.begin_write(&key());
        assert!(store.end_write(&key(), Some(pod("5", "u"))));
        assert!(!store.observe(Lane::Ours, Change::Is(pod("5", "u"))));
        assert!(store.observe(Lane::Ours, Change::Is(pod("6", "u"))));
    }

    #[test]
    fn events_older_than_our_write_do_not_bring_the_past_back() {
        let mut store = Store::default();
        store.observe(Lane::Ours, Change::Is(pod("3", "u")));
        store.begin_write(&key());
        store.end_write(&key(), Some(pod("5", "u")));
        assert!(!store.observe(Lane::Ours, Change::Is(pod("4", "u"))));
        assert_eq!(version(&store).as_deref(), Some("5"));
        assert!(!store.observe(Lane::Ours, Change::Is(pod("5", "u"))));
        assert!(store.observe(Lane::Ours, Change::Is(pod("7", "u"))));
    }

    #[test]
    fn a_watch_quicker_than_the_answer_is_not_overwritten() {
        let mut store = Store::default();
        store.begin_write(&key());
        store.observe(Lane::Ours, Change::Is(pod("5", "u")));
        store.observe(Lane::Ours, Change::Is(pod("6", "u")));
        assert!(!store.end_write(&key(), Some(pod("5", "u"))));
        assert_eq!(version(&store).as_deref(), Some("6"));
        assert!(store.observe(Lane::Ours, Change::Is(pod("7", "u"))));
    }

    #[test]
    fn an_answer_that_comes_after_the_end_does_not_bring_the_object_back() {
        let mut store = Store::default();
        store.observe(Lane::Ours, Change::Is(pod("5", "u")));
        store.begin_write(&key());
        assert!(store.observe(Lane::Ours, Change::Gone { key: key(), uid: "u".into() }));
        // A patch that changed nothing answers with the version that was there before.
        assert!(!store.end_write(&key(), Some(pod("5", "u"))));
        assert_eq!(version(&store), None);
        // The next object of that name is another one.
        store.begin_write(&key());
        assert!(!store.observe(Lane::Ours, Change::Gone { key: key(), uid: "u".into() }));
        assert!(store.end_write(&key(), Some(pod("9", "new"))));
    }

    #[test]
    fn a_late_delete_of_the_former_object_is_ignored() {
        let mut store = Store::default();
        store.observe(Lane::Ours, Change::Is(pod("3", "old")));
        store.begin_write(&key());
        store.end_write(&key(), Some(pod("9", "new")));
        assert!(!store.observe(Lane::Ours, Change::Gone { key: key(), uid: "old".into() }));
        assert_eq!(version(&store).as_deref(), Some("9"));
    }

    #[test]
    fn a_list_ends_all_waiting_and_tells_what_changed() {
        let mut store = Store::default();
        store.begin_write(&key());
        store.end_write(&key(), Some(pod("5", "u")));
        assert_eq!(store.replace(Lane::Ours, vec![Change::Is(pod("6", "u"))]), vec![key()]);
        assert!(store.observe(Lane::Ours, Change::Is(pod("7", "u"))));
        assert_eq!(store.replace(Lane::Ours, vec![Change::Is(pod("7", "u"))]), vec![]);
        assert_eq!(store.replace(Lane::Ours, vec![]), vec![key()]);
    }

    #[test]
    fn objects_without_namespaces_are_in_the_empty_one() {
        let mut nodes = Store::default();
        nodes.observe(
            Lane::Ours,
            Change::Is(Object::new(json!({"metadata": {"name": "x", "uid": "c"}}))),
        );
        assert_eq!((nodes.in_namespace("").count(), nodes.in_namespace("x").count()), (1, 0));
    }

    #[test]
    fn few_are_parsed_at_a_time_and_those_that_are_worked_on_stay() {
        let mut store = Store::default();
        let named = |number: usize, version: &str| {
            let meta = json!({"namespace": "a", "name": format!("p{number}"), "uid": "u", "resourceVersion": version});
            Object::new(json!({ "metadata": meta }))
        };
        let hot = |store: &Store, number: usize| {
            matches!(store.entries[&Key::new("a", &format!("p{number}"))].body, Body::Hot(_))
        };
        for number in 0..HOT + 5 {
            store.observe(Lane::Ours, Change::Is(named(number, "1")));
        }
        assert!(hot(&store, 0) && hot(&store, HOT - 1) && !hot(&store, HOT));
        let last = Key::new("a", &format!("p{HOT}"));
        store.begin_write(&last);
        store.end_write(&last, Some(named(HOT, "2")));
        assert!(hot(&store, HOT) && !hot(&store, 0) && store.hot.len() == HOT);
        store.rest(&last);
        assert_eq!(store.hot.len(), HOT - 1);
        assert_eq!(store.get(&last), Some(named(HOT, "2")));
    }

    #[test]
    fn resting_objects_are_the_same() {
        let mut store = Store::default();
        store.observe(Lane::Ours, Change::Is(pod("5", "u")));
        store.rest(&key());
        assert_eq!(store.get(&key()), Some(pod("5", "u")));
        assert_eq!(store.in_namespace("a").count(), 1);
        assert_eq!(store.in_namespace("").count() + store.in_namespace("a-b").count(), 0);
        store.strip(&key());
        assert_eq!(store.get(&key()), None);
    }
}
