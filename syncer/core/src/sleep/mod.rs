//! Falling asleep and waking up: when, and what on the host says so.
//!
//! The annotations of `vcluster pause` are the truth, so that everybody who knows them understands a cluster that sleeps.
//! One more tells a sleeper from a cluster that a person paused: that one nobody wakes but a person.

mod activity;
mod marks;
mod rest;

pub use activity::Activity;
pub use marks::{ASLEEP_SINCE, PAUSED, PAUSED_DATE, PAUSED_REPLICAS, State, fall_asleep, wake_up};
pub use rest::{Rest, Standing, Verdict, Why};
