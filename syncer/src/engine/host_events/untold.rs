//! Events that were seen and are still to be told: ordinary ones until nothing more urgent is left to do, and those of
//! who follows for a while, because the leader may die before it tells.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use vcluster_syncer_core::{Key, Object, Virtual};

use crate::engine::packed::Packed;

/// For how long an ordinary event lets other work go first.
const PATIENCE: Duration = Duration::from_secs(30);
/// After so long an event is told no more. Nobody leads for no longer than a lease lasts, and nobody is so busy, unless
/// much else is wrong.
const KEPT_FOR: Duration = Duration::from_secs(120);
/// How many wait at most; then the oldest goes. One takes about 500 bytes.
const KEPT: usize = 4096;

/// In the order in which they were seen, each at most once.
#[derive(Default)]
pub struct Untold {
    warnings: BTreeMap<u64, Waiting>,
    ordinary: BTreeMap<u64, Waiting>,
    numbers: HashMap<Virtual<Key>, u64>,
    /// What the next one gets.
    number: u64,
}

struct Waiting {
    seen: Instant,
    key: Virtual<Key>,
    event: Packed,
}

impl Untold {
    /// An event was seen; it stands for an earlier one of the same name, which only had a smaller count.
    pub fn note(&mut self, event: &Virtual<Object>, now: Instant) {
        self.forget_old(now);
        let Some(packed) = Packed::new(event) else { return };
        let key = Virtual(event.key());
        self.take(&key);
        if self.len() >= KEPT {
            self.take_oldest();
        }
        let waiting = Waiting { seen: now, key: key.clone(), event: packed };
        let ordinary = event.str_at(&["type"]) == Some("Normal");
        let line = if ordinary { &mut self.ordinary } else { &mut self.warnings };
        line.insert(self.number, waiting);
        self.numbers.insert(key, self.number);
        self.number += 1;
    }

    /// The next one to tell; while there is other work, warnings and those that have waited long.
    pub fn next(&mut self, now: Instant, busy: bool) -> Option<Virtual<Object>> {
        self.forget_old(now);
        let (_, next) = self.warnings.pop_first().or_else(|| {
            let first = self.ordinary.first_entry()?;
            let due = !busy || now.duration_since(first.get().seen) >= PATIENCE;
            due.then(|| first.remove_entry())
        })?;
        self.numbers.remove(&next.key);
        next.event.object().map(Virtual)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    fn take(&mut self, key: &Virtual<Key>) {
        if let Some(number) = self.numbers.remove(key) {
            self.warnings.remove(&number);
            self.ordinary.remove(&number);
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while self.oldest().is_some_and(|(seen, _)| now.duration_since(seen) > KEPT_FOR) {
            self.take_oldest();
        }
    }

    fn take_oldest(&mut self) {
        if let Some((_, key)) = self.oldest() {
            self.take(&key);
        }
    }

    fn oldest(&self) -> Option<(Instant, Virtual<Key>)> {
        let firsts = [self.warnings.first_key_value(), self.ordinary.first_key_value()];
        let (_, oldest) = firsts.into_iter().flatten().min_by_key(|(number, _)| **number)?;
        Some((oldest.seen, oldest.key.clone()))
    }
}

#[cfg(test)]
mod tests {
    use vcluster_syncer_core::json::json;

    use super::*;

    fn event(name: &str, count: u32) -> Virtual<Object> {
        let metadata = json!({ "name": name, "namespace": "default" });
        Virtual(Object::new(json!({ "metadata": metadata, "count": count, "type": "Normal" })))
    }

    fn warning(name: &str) -> Virtual<Object> {
        let mut event = event(name, 1);
        event.0.set(&["type"], "Warning");
        event
    }

    fn all(untold: &mut Untold, now: Instant, busy: bool) -> Vec<(String, u64)> {
        std::iter::from_fn(|| untold.next(now, busy))
            .map(|it| (it.name().to_owned(), it.at(&["count"]).unwrap().as_u64().unwrap()))
            .collect()
    }

    #[test]
    fn each_is_told_once_in_order_as_it_was_last_seen() {
        let (mut untold, now) = (Untold::default(), Instant::now());
        for (name, count) in [("a", 1), ("b", 1), ("a", 2)] {
            untold.note(&event(name, count), now);
        }
        let told = [("b".to_owned(), 1), ("a".to_owned(), 2)];
        assert_eq!(all(&mut untold, now, false), told);
        assert_eq!(all(&mut untold, now, false), []);
        assert_eq!(untold.len(), 0);
    }

    #[test]
    fn ordinary_ones_let_other_work_go_first_and_warnings_do_not() {
        let (mut untold, now) = (Untold::default(), Instant::now());
        untold.note(&event("scheduled", 1), now);
        untold.note(&warning("no-image"), now);
        assert_eq!(all(&mut untold, now, true), [("no-image".to_owned(), 1)]);
        assert_eq!(all(&mut untold, now + PATIENCE, true), [("scheduled".to_owned(), 1)]);
    }

    #[test]
    fn what_a_leader_had_time_to_tell_is_forgotten() {
        let (mut untold, now) = (Untold::default(), Instant::now());
        untold.note(&event("old", 1), now);
        untold.note(&warning("old-warning"), now);
        untold.note(&event("new", 1), now + KEPT_FOR);
        let later = now + KEPT_FOR + Duration::from_millis(1);
        assert_eq!(all(&mut untold, later, false), [("new".to_owned(), 1)]);
    }

    #[test]
    fn they_are_never_too_many() {
        let (mut untold, now) = (Untold::default(), Instant::now());
        for number in 0..KEPT + 10 {
            untold.note(&event(&number.to_string(), 1), now);
        }
        assert_eq!(untold.len(), KEPT);
        assert_eq!(untold.next(now, false).unwrap().name(), "10");
    }
}
