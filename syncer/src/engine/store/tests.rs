//! Tests of the store.

use super::super::hot::MOST;
use super::*;
use vcluster_syncer_core::json::json;

fn pod(version: &str, uid: &str) -> Object {
    Object::new(
        json!({"metadata": {"namespace": "a", "name": "b", "uid": uid, "resourceVersion": version}}),
    )
}

/// What the engine does with an object that a watch delivers. Returns whether it was news.
fn delivered(store: &mut Store, object: Object) -> bool {
    let news = !store.is_echo(&object.key(), object.resource_version());
    if news {
        let key = object.key();
        if store.admit(Lane::Ours, Change::Is(object)) {
            store.rest(&key);
        }
    }
    news
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
    assert!(!delivered(&mut store, pod("5", "u")));
    assert!(delivered(&mut store, pod("6", "u")));
}

#[test]
fn events_older_than_our_write_do_not_bring_the_past_back() {
    let mut store = Store::default();
    delivered(&mut store, pod("3", "u"));
    store.begin_write(&key());
    store.end_write(&key(), Some(pod("5", "u")));
    assert!(!delivered(&mut store, pod("4", "u")));
    assert_eq!(version(&store).as_deref(), Some("5"));
    assert!(!delivered(&mut store, pod("5", "u")));
    assert!(delivered(&mut store, pod("7", "u")));
}

#[test]
fn a_watch_quicker_than_the_answer_is_not_overwritten() {
    let mut store = Store::default();
    store.begin_write(&key());
    delivered(&mut store, pod("5", "u"));
    delivered(&mut store, pod("6", "u"));
    assert!(!store.end_write(&key(), Some(pod("5", "u"))));
    assert_eq!(version(&store).as_deref(), Some("6"));
    assert!(delivered(&mut store, pod("7", "u")));
}

#[test]
fn an_answer_that_comes_after_the_end_does_not_bring_the_object_back() {
    let mut store = Store::default();
    delivered(&mut store, pod("5", "u"));
    store.begin_write(&key());
    assert!(store.remove(&key(), "u"));
    // A patch that changed nothing answers with the version that was there before.
    assert!(!store.end_write(&key(), Some(pod("5", "u"))));
    assert_eq!(version(&store), None);
    // The next object of that name is another one.
    store.begin_write(&key());
    assert!(!store.remove(&key(), "u"));
    assert!(store.end_write(&key(), Some(pod("9", "new"))));
}

#[test]
fn a_late_delete_of_the_former_object_is_ignored() {
    let mut store = Store::default();
    delivered(&mut store, pod("3", "old"));
    store.begin_write(&key());
    store.end_write(&key(), Some(pod("9", "new")));
    assert!(!store.remove(&key(), "old"));
    assert_eq!(version(&store).as_deref(), Some("9"));
}

#[test]
fn a_list_ends_all_waiting_and_tells_what_changed() {
    let mut store = Store::default();
    store.begin_write(&key());
    store.end_write(&key(), Some(pod("5", "u")));
    assert_eq!(store.replace(Lane::Ours, vec![Change::Is(pod("6", "u"))]), vec![key()]);
    assert!(delivered(&mut store, pod("7", "u")));
    assert_eq!(store.replace(Lane::Ours, vec![Change::Is(pod("7", "u"))]), vec![]);
    assert_eq!(store.replace(Lane::Ours, vec![]), vec![key()]);
}

#[test]
fn objects_without_namespaces_are_in_the_empty_one() {
    let mut nodes = Store::default();
    delivered(&mut nodes, Object::new(json!({"metadata": {"name": "x", "uid": "c"}})));
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
        matches!(store.entries[&Key::new("a", &format!("p{number}"))].body, Body::Hot(..))
    };
    for number in 0..MOST + 5 {
        delivered(&mut store, named(number, "1"));
    }
    assert!(hot(&store, 0) && hot(&store, MOST - 1) && !hot(&store, MOST));
    let last = Key::new("a", &format!("p{MOST}"));
    store.begin_write(&last);
    store.end_write(&last, Some(named(MOST, "2")));
    assert!(hot(&store, MOST) && !hot(&store, 0) && store.hot.len() == MOST);
    store.rest(&last);
    assert_eq!(store.hot.len(), MOST - 1);
    assert_eq!(store.get(&last), Some(named(MOST, "2")));
}

#[test]
fn resting_objects_are_the_same() {
    let mut store = Store::default();
    delivered(&mut store, pod("5", "u"));
    store.rest(&key());
    assert_eq!(store.get(&key()), Some(pod("5", "u")));
    assert_eq!(store.in_namespace("a").count(), 1);
    assert_eq!(store.in_namespace("").count() + store.in_namespace("a-b").count(), 0);
    store.strip(&key());
    assert_eq!(store.get(&key()), None);
}
