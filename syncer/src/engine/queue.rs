//! The work queue: one flight per key, nothing lost, nothing twice.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use vcluster_syncer_core::{Key, Virtual};

/// What is planned: one virtual key of one kind, by the kind's place in the list of kinds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlanKey {
    /// Index in the engine's list of kinds.
    pub kind: u8,
    /// The virtual key.
    pub key: Virtual<Key>,
}

/// Longest wait between two tries of a key that keeps failing.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// First wait after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// How many keys of which something is on the host go before one that is new. What was begun is better ended: in a burst
/// its objects are still parsed, and whoever waits for a pod waits for its last step. But new ones must come through.
const BEGUN_BEFORE_NEW: u32 = 4;
/// Fewer ready keys than these are not worth a look.
const FEW: usize = 1024;

/// Keys that are ready, in flight, or waiting for a time.
#[derive(Default)]
pub struct Queue {
    new: VecDeque<PlanKey>,
    begun: VecDeque<PlanKey>,
    /// How many begun ones went since the last new one.
    streak: u32,
    slots: HashMap<PlanKey, Slot>,
    timers: BTreeSet<(Instant, PlanKey)>,
    in_flight: usize,
    /// How many ready keys the last thinning left.
    thinned: usize,
}

#[derive(Default)]
struct Slot {
    queued: bool,
    in_flight: bool,
    /// It changed while in flight: plan again after landing.
    dirty: bool,
    /// Its last flight did not wait its turn: the next one does.
    hurried: bool,
    failures: u32,
    timer: Option<Instant>,
    since: Option<Instant>,
}

impl Queue {
    /// Something about this key changed.
    pub fn push(&mut self, key: PlanKey) {
        if self.becomes_ready(&key) {
            self.new.push_back(key);
        }
    }

    /// Something about this key changed, and something of it is on the host.
    pub fn push_begun(&mut self, key: PlanKey) {
        if self.becomes_ready(&key) {
            self.begun.push_back(key);
        }
    }

    fn becomes_ready(&mut self, key: &PlanKey) -> bool {
        let slot = self.slots.entry(key.clone()).or_default();
        slot.since.get_or_insert_with(Instant::now);
        if slot.in_flight {
            slot.dirty = true;
            return false;
        }
        !std::mem::replace(&mut slot.queued, true)
    }

    /// Plan this key at a time, unless something changes before. Only the earliest wish is kept.
    pub fn push_at(&mut self, key: PlanKey, at: Instant) {
        let slot = self.slots.entry(key.clone()).or_default();
        if slot.timer.is_some_and(|timer| timer <= at) {
            return;
        }
        if let Some(later) = slot.timer.replace(at) {
            self.timers.remove(&(later, key.clone()));
        }
        self.timers.insert((at, key));
    }

    /// Takes the next key, which is then in flight. Also returns when it first became due.
    pub fn pop(&mut self, now: Instant) -> Option<(PlanKey, Instant)> {
        self.wake_timers(now);
        let key = self.pop_ready()?;
        let slot = self.slots.entry(key.clone()).or_default();
        slot.queued = false;
        slot.in_flight = true;
        self.in_flight += 1;
        let since = slot.since.take().unwrap_or(now);
        if let Some(timer) = slot.timer.take() {
            self.timers.remove(&(timer, key.clone()));
        }
        Some((key, since))
    }

    fn pop_ready(&mut self) -> Option<PlanKey> {
        let turn_of_new = self.begun.is_empty() || self.streak >= BEGUN_BEFORE_NEW;
        if turn_of_new && let Some(key) = self.new.pop_front() {
            self.streak = 0;
            return Some(key);
        }
        self.streak = self.streak.saturating_add(1);
        self.begun.pop_front()
    }

    /// The flight of a key ended well.
    pub fn land(&mut self, key: &PlanKey) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.failures = 0;
        }
        self.end_flight(key);
    }

    /// The flight of a key failed: it is planned again after a growing wait, or after `wait` where the server said so.
    ///
    /// A change in the meantime does not shorten the wait: it would turn a refusing server into a busy loop.
    pub fn fail(&mut self, key: &PlanKey, wait: Option<Duration>, now: Instant) {
        let failures = self.slots.get_mut(key).map_or(0, |slot| {
            slot.failures = slot.failures.saturating_add(1);
            slot.dirty = false;
            slot.failures
        });
        self.end_flight(key);
        let grown =
            FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(12)).min(LONGEST_WAIT);
        self.push_at(key.clone(), now + wait.unwrap_or(grown));
    }

    /// Whether the last flight of a key failed.
    pub fn has_failed(&self, key: &PlanKey) -> bool {
        self.slots.get(key).is_some_and(|slot| slot.failures > 0)
    }

    /// When the next timer is due.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// How many keys are ready or in flight.
    pub fn under_way(&self) -> usize {
        self.ready() + self.in_flight
    }

    fn ready(&self) -> usize {
        self.new.len() + self.begun.len()
    }

    /// How many keys of each kind are ready or in flight.
    pub fn depths(&self) -> BTreeMap<u8, usize> {
        let mut depths = BTreeMap::new();
        for (key, slot) in &self.slots {
            *depths.entry(key.kind).or_default() += usize::from(slot.queued || slot.in_flight);
        }
        depths
    }

    /// When many keys are ready, and twice as many as the last time: drops those for which there is nothing to do, and
    /// answers which. For who takes no keys out.
    pub fn thin_out(&mut self, is_idle: impl Fn(&PlanKey) -> bool) -> Vec<PlanKey> {
        let ready = self.ready();
        if ready < FEW.max(2 * self.thinned) {
            return Vec::new();
        }
        let mut idle = Vec::new();
        for keys in [&mut self.new, &mut self.begun] {
            let (gone, rest): (Vec<_>, Vec<_>) = keys.drain(..).partition(&is_idle);
            *keys = rest.into();
            idle.extend(gone);
        }
        self.thinned = ready - idle.len();
        for key in &idle {
            if let Some(timer) = self.slots.remove(key).and_then(|slot| slot.timer) {
                self.timers.remove(&(timer, key.clone()));
            }
        }
        idle
    }

    fn end_flight(&mut self, key: &PlanKey) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        if std::mem::take(&mut slot.in_flight) {
            self.in_flight -= 1;
        }
        if std::mem::take(&mut slot.dirty) {
            slot.queued = true;
            // Before those that wait: its objects are still parsed, and what was begun is better ended. But whoever
            // changes all the time must not keep the others waiting.
            slot.hurried = !slot.hurried;
            match slot.hurried {
                true => self.begun.push_front(key.clone()),
                false => self.begun.push_back(key.clone()),
            }
        } else if slot.timer.is_none() && slot.failures == 0 {
            self.slots.remove(key);
        }
    }

    fn wake_timers(&mut self, now: Instant) {
        while let Some((at, key)) = self.timers.first().cloned() {
            if at > now {
                return;
            }
            self.timers.pop_first();
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.timer = None;
            }
            self.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(name: &str) -> PlanKey {
        PlanKey { kind: 0, key: Virtual(Key::cluster(name)) }
    }

    #[test]
    fn a_change_in_flight_is_planned_after_landing() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.push(key("a"));
        queue.push(key("a"));
        assert!(queue.pop(now).is_some());
        queue.push(key("a"));
        assert_eq!(queue.pop(now), None);
        assert_eq!(queue.under_way(), 1);
        queue.land(&key("a"));
        assert!(queue.pop(now).is_some());
        queue.land(&key("a"));
        assert_eq!(queue.pop(now), None);
        assert!(queue.slots.is_empty() && queue.under_way() == 0);
    }

    #[test]
    fn who_changes_all_the_time_does_not_keep_others_waiting() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        ["busy", "a", "b"].into_iter().for_each(|name| queue.push(key(name)));
        let mut order = Vec::new();
        while order.len() < 12 {
            let Some((next, _)) = queue.pop(now) else { break };
            order.push(next.key.name().to_owned());
            if order.last().is_some_and(|name| name == "busy") {
                queue.push(next.clone());
            }
            queue.land(&next);
        }
        let others: Vec<&str> =
            order.iter().map(String::as_str).filter(|name| *name != "busy").collect();
        assert_eq!(others, ["a", "b"], "of {order:?}");
    }

    #[test]
    fn failures_wait_longer_each_time_and_changes_do_not_hurry_them() {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        queue.push(key("a"));
        let mut last = Duration::ZERO;
        for _ in 0..5 {
            assert!(queue.pop(now).is_some());
            queue.push(key("a"));
            queue.fail(&key("a"), None, now);
            assert_eq!(queue.pop(now), None);
            let wait = queue.next_timer().expect("a timer") - now;
            assert!(wait > last);
            last = wait;
            now += wait;
        }
        assert!(queue.pop(now).is_some());
        queue.land(&key("a"));
        assert!(queue.slots.is_empty() && queue.timers.is_empty());
    }

    #[test]
    fn what_has_nothing_to_do_is_dropped_when_there_is_much() {
        let mut queue = Queue::default();
        let names: Vec<String> = (0..FEW).map(|number| number.to_string()).collect();
        queue.push_at(key(&names[1]), Instant::now() + LONGEST_WAIT);
        for name in &names[1..] {
            queue.push(key(name));
        }
        assert!(queue.thin_out(|_| true).is_empty(), "these are few");
        queue.push(key(&names[0]));
        let gone = queue.thin_out(|it| *it != key("7"));
        assert_eq!(gone.len(), FEW - 1);
        assert!(queue.timers.is_empty() && queue.slots.len() == 1);
        assert_eq!(queue.pop(Instant::now()).unwrap().0, key("7"));
    }

    #[test]
    fn what_was_begun_goes_first_and_new_ones_come_through() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        ["a", "b"].into_iter().for_each(|name| queue.push(key(name)));
        (0..9).for_each(|number| queue.push_begun(key(&number.to_string())));
        let order: Vec<String> = std::iter::from_fn(|| queue.pop(now))
            .map(|(key, _)| key.key.name().to_owned())
            .collect();
        assert_eq!(order, ["0", "1", "2", "3", "a", "4", "5", "6", "7", "b", "8"]);
    }

    proptest! {
        #[test]
        fn no_change_is_ever_lost(steps in prop::collection::vec((0..5u8, 0..3u8), 0..60)) {
            let (mut queue, mut now) = (Queue::default(), Instant::now());
            let mut changed = std::collections::BTreeSet::new();
            let mut flying: Vec<PlanKey> = Vec::new();
            for (step, which) in steps {
                let key = key(&which.to_string());
                match step {
                    0 => { queue.push(key.clone()); changed.insert(key); }
                    1 => if let Some((key, _)) = queue.pop(now) {
                        prop_assert!(!flying.contains(&key), "two flights of one key");
                        changed.remove(&key);
                        flying.push(key);
                    },
                    2 => if let Some(key) = flying.pop() { queue.land(&key); },
                    3 => { queue.push_begun(key.clone()); changed.insert(key); }
                    _ => if let Some(key) = flying.pop() { queue.fail(&key, None, now); changed.insert(key); },
                }
            }
            for key in flying.drain(..) { queue.land(&key); }
            now += LONGEST_WAIT * 2;
            while let Some((key, _)) = queue.pop(now) {
                changed.remove(&key);
                queue.land(&key);
            }
            prop_assert!(changed.is_empty(), "never planned: {changed:?}");
            prop_assert_eq!(queue.under_way(), 0);
        }
    }
}
