//! The engine between two real API servers. There is no kubelet and no controller: the checks play their part.
//!
//! Wants `VCLUSTER_TESTBED_BIN`, a folder with etcd and kube-apiserver: `cargo run -p e2e -- up` builds them, and
//! `cargo run -p e2e -- shell` sets the variable.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test says what it expects by panicking, and shares the starter of API servers with another test"
)]

mod checks;
mod leaders;
#[path = "../kubelet/virtual_cluster.rs"]
mod processes;
mod rig;
mod slow;
mod stores;

use std::process::ExitCode;
use std::sync::Arc;

use futures::future::LocalBoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};

use rig::Rig;

type Check = for<'a> fn(&'a Rig) -> LocalBoxFuture<'a, ()>;

const CHECKS: &[(&str, Check)] = &[
    ("a_pod_lives_and_dies_on_both_sides", |rig| Box::pin(checks::life(rig))),
    ("what_is_mirrored_is_not_written_again", |rig| Box::pin(checks::quiet(rig))),
    ("an_engine_that_is_killed_again_and_again_loses_nothing", |rig| Box::pin(checks::killed(rig))),
    ("what_was_deleted_while_nobody_looked_goes_from_the_host", |rig| {
        Box::pin(checks::deleted_unseen(rig))
    }),
    ("a_host_object_of_somebody_else_is_left_alone", |rig| Box::pin(checks::foreign(rig))),
    ("what_a_dead_leader_did_not_tell_is_told_by_the_next", |rig| {
        Box::pin(leaders::events_meanwhile(rig))
    }),
    ("what_hangs_does_not_hold_up_the_rest", |rig| Box::pin(slow::one_resource(rig))),
    ("another_virtual_store_makes_it_read_only", |rig| Box::pin(checks::other_store(rig))),
    ("an_older_virtual_store_makes_it_read_only", |rig| Box::pin(checks::older_store(rig))),
    // The last ones: what the others made inside is forgotten.
    ("a_virtual_store_that_goes_back_meanwhile_makes_it_read_only", |rig| {
        Box::pin(stores::goes_back(rig))
    }),
    ("a_virtual_store_with_another_past_makes_it_read_only", |rig| {
        Box::pin(stores::goes_back_and_on(rig))
    }),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The checks share one virtual cluster.
    arguments.test_threads = Some(1);
    let rig = match arguments.list {
        true => None,
        false => Some(Arc::new(Rig::start().unwrap_or_else(|error| panic!("{error:#}")))),
    };
    let trials = CHECKS.iter().map(|(name, check)| {
        let rig = rig.clone();
        Trial::test(*name, move || {
            let Some(rig) = rig else { return Ok(()) };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                runtime.block_on(check(&rig))
            }));
            // Engines of this check end with its runtime.
            runtime.shutdown_background();
            outcome.map_err(|_| Failed::from("see above"))
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
