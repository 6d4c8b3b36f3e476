//! CPU time as a counter, from the rates that the host measures.
//!
//! PodMetrics tell a rate; scrapers want core-seconds that only grow, and take the rate from two of them. So the rates are
//! summed up over time here, from when the syncer first saw the container: the rate that a scraper computes is the one
//! that the host measured.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::PodUsage;

/// A container that nobody has reported for this long is forgotten.
const FORGET: SignedDuration = SignedDuration::from_mins(10);

/// Where a counter begins. Not at zero: a container that runs has used something, and metrics-server takes a zero for a
/// missing answer and leaves the whole pod out.
const BEGIN: f64 = 0.001;

/// Core-seconds by UID of the pod and name of the container.
pub(super) type CoreSeconds = HashMap<(String, String), f64>;

#[derive(Default)]
pub(super) struct Counters(Mutex<HashMap<(String, String), Counter>>);

struct Counter {
    core_seconds: f64,
    at: Timestamp,
}

impl Counters {
    /// Takes note of new samples and answers the counters of their containers.
    pub(super) fn advance(&self, usage: &[PodUsage]) -> CoreSeconds {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = CoreSeconds::new();
        for PodUsage { pod, sample } in usage {
            for container in &sample.containers {
                let key = (pod.metadata.uid.clone(), container.name.clone());
                let counter = counters.entry(key.clone()).or_insert_with(|| Counter {
                    core_seconds: BEGIN,
                    at: sample.time - sample.window,
                });
                let passed = sample.time.duration_since(counter.at).as_secs_f64();
                if passed > 0.0 {
                    counter.core_seconds += container.cpu_nanos as f64 / 1e9 * passed;
                    counter.at = sample.time;
                }
                told.insert(key, counter.core_seconds);
            }
        }
        if let Some(newest) = usage.iter().map(|usage| usage.sample.time).max() {
            counters.retain(|_, counter| newest.duration_since(counter.at) < FORGET);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{ContainerSample, PodSample};
    use super::*;

    fn usage(uid: &str, second: i64, cpu_nanos: u64) -> PodUsage {
        let pod = serde_json::from_value(serde_json::json!({"metadata": {"uid": uid}})).unwrap();
        let container =
            ContainerSample { name: "main".to_owned(), cpu_nanos, working_set_bytes: 0 };
        let sample = PodSample {
            time: Timestamp::from_second(second).unwrap(),
            window: SignedDuration::from_secs(10),
            containers: vec![container],
        };
        PodUsage { pod, sample }
    }

    #[test]
    fn the_difference_of_two_scrapes_is_the_rate_that_was_measured() {
        let counters = Counters::default();
        let key = ("u".to_owned(), "main".to_owned());
        let at = |second, nanos| {
            let counted = counters.advance(&[usage("u", second, nanos)])[&key];
            ((counted - BEGIN) * 1e6).round() / 1e6
        };
        assert_eq!(at(1000, 500_000_000), 5.0);
        assert_eq!(at(1000, 500_000_000), 5.0, "the same sample counts once");
        assert_eq!(at(1020, 250_000_000), 10.0);
        assert_eq!(at(1010, 999_000_000), 10.0, "an older one does not count");
    }

    #[test]
    fn containers_that_are_gone_are_forgotten() {
        let counters = Counters::default();
        counters.advance(&[usage("old", 1000, 1)]);
        counters.advance(&[usage("new", 1000 + FORGET.as_secs(), 1)]);
        assert_eq!(counters.0.lock().unwrap().len(), 1);
    }
}
