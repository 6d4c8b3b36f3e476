//! kubectl against a real virtual API server, whose nodes are served by the syncer's kubelet API, whose pods run on a real
//! host.
//!
//! Wants `VCLUSTER_TESTBED_BIN` (a folder with etcd, kube-apiserver and kubectl) and `VCLUSTER_TESTBED_KUBECONFIG` (an
//! administrator of a running host cluster that this machine can reach). Runs by itself with the test bed:
//! `cargo run -p e2e -- up`, then within `cargo run -p e2e -- shell`: `cargo test -p vcluster-syncer --test kubelet`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test says what it expects by panicking, and shares the starter of API servers with another test"
)]

mod access;
mod host;
mod kubectl;
mod logs;
mod metrics_api;
mod nodes;
mod ports;
mod raw;
mod rig;
mod streams;
mod virtual_cluster;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use rig::Rig;

type Check = fn(&Rig);

const CHECKS: &[(&str, Check)] = &[
    ("logs_of_every_container_can_be_read", logs::read),
    ("a_followed_log_arrives_line_by_line", logs::followed),
    ("log_errors_read_as_on_a_real_node", logs::errors),
    ("containers_that_the_host_added_are_not_there", logs::added_container),
    ("exec_passes_output_errors_and_exit_code", streams::exec),
    ("exec_passes_a_lot_of_input", streams::input),
    ("exec_gives_a_terminal_of_the_right_size", streams::terminal),
    ("exec_errors_read_as_on_a_real_node", streams::errors),
    ("attach_talks_to_the_running_program", streams::attach),
    ("cp_copies_both_ways", streams::copy),
    ("raw_websockets_reach_the_container", streams::raw_websocket),
    ("long_commands_pass", streams::long_command),
    ("port_forward_carries_several_ports_at_a_time", ports::several),
    ("port_forward_survives_a_closed_port", ports::closed_port),
    ("node_pages_show_virtual_pods_only", nodes::pages),
    ("usage_is_the_hosts_with_virtual_names", nodes::usage),
    ("the_metrics_api_answers_the_virtual_api_server_only", metrics_api::callers),
    ("strangers_are_turned_away", access::strangers),
    ("tokens_need_the_right_to_the_node", access::tokens),
    ("hostile_paths_are_refused", access::hostile_paths),
    ("no_client_header_reaches_the_host", access::headers),
    ("a_pod_made_again_is_not_mistaken", access::made_again),
    ("streams_are_limited_and_end_with_the_syncer", access::limits),
    ("two_replicas_share_one_lease", nodes::lease),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if arguments.list {
        let trials = CHECKS.iter().map(|(name, _)| Trial::test(*name, || Ok(()))).collect();
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    let rig = match Rig::start() {
        Ok(rig) => Arc::new(rig),
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let trials = CHECKS
        .iter()
        .map(|(name, check)| {
            let rig = Arc::clone(&rig);
            Trial::test(*name, move || {
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&rig)))
                    .map_err(|_| Failed::without_message())
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    rig.stop(conclusion.has_failed());
    conclusion.exit_code()
}
