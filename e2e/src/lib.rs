//! What proves that `vcluster` works: a real host cluster on this machine, and what runs on it.
//!
//! [`testbed`] starts and stops that host cluster. Everything else in this crate (the demo, the
//! benchmark, the end-to-end [`suite`]) stands on it.

pub mod bench;
pub mod checkout;
pub mod suite;
pub mod testbed;
