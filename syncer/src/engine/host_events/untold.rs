//! Events that were seen and are still to be told. Who follows keeps them for a while: the leader may die before it tells.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use vcluster_syncer_core::{Object, Virtual};

/// For how long an event waits for a leader. Nobody leads for no longer than a lease lasts, unless much else is wrong.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// How many wait at most; then the oldest goes.
const KEPT: usize = 500;

/// In the order in which they were seen, each at most once.
#[derive(Default)]
pub struct Untold(VecDeque<(Instant, Virtual<Object>)>);

impl Untold {
    /// An event was seen; it stands for an earlier one of the same name, which only had a smaller count.
    pub fn note(&mut self, event: Virtual<Object>, now: Instant) {
        self.forget_old(now);
        let key = event.key();
        self.0.retain(|(_, other)| other.key() != key);
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back((now, event));
    }

    /// The next one to tell.
    pub fn next(&mut self, now: Instant) -> Option<Virtual<Object>> {
        self.forget_old(now);
        self.0.pop_front().map(|(_, event)| event)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn forget_old(&mut self, now: Instant) {
        while self.0.front().is_some_and(|(seen, _)| now.duration_since(*seen) > KEPT_FOR) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(name: &str, count: u32) -> Virtual<Object> {
        let metadata = json!({ "name": name, "namespace": "default" });
        Virtual(Object::new(json!({ "metadata": metadata, "count": count })))
    }

    fn all(untold: &mut Untold, now: Instant) -> Vec<(String, u64)> {
        std::iter::from_fn(|| untold.next(now))
            .map(|it| (it.name().to_owned(), it.at(&["count"]).unwrap().as_u64().unwrap()))
            .collect()
    }

    #[test]
    fn each_is_told_once_in_order_as_it_was_last_seen() {
        let (mut untold, now) = (Untold::default(), Instant::now());
        for (name, count) in [("a", 1), ("b", 1), ("a", 2)] {
            untold.note(event(name, count), now);
        }
        assert_eq!(all(&mut untold, now), [("b".to_owned(), 1), ("a".to_owned(), 2)]);
        assert_eq!(all(&mut untold, now), []);
    }

    #[test]
    fn what_a_leader_had_time_to_tell_is_forgotten() {
        let (mut untold, now) = (Untold::default(), Instant::now());
        untold.note(event("old", 1), now);
        untold.note(event("new", 1), now + KEPT_FOR);
        let later = now + KEPT_FOR + Duration::from_millis(1);
        assert_eq!(all(&mut untold, later), [("new".to_owned(), 1)]);
    }

    #[test]
    fn they_are_never_too_many() {
        let (mut untold, now) = (Untold::default(), Instant::now());
        for number in 0..KEPT + 10 {
            untold.note(event(&number.to_string(), 1), now);
        }
        assert_eq!(untold.len(), KEPT);
        assert_eq!(untold.next(now).unwrap().name(), "10");
    }
}
