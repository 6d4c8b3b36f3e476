//! `convert` as a user sees it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod support;

use support::Sandbox;

#[test]
fn old_values_become_new_ones() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "old.yaml",
        "syncer: {extraArgs: [--tls-san=a.example, --odd]}\nsync: {secrets: {all: true}}\nplugin: {x: {image: z}}\n",
    );
    let text = sandbox.transcript(&[
        &["convert", "config", "--distro", "k8s", "-f", "old.yaml"],
        &["convert", "config", "--distro", "k8s", "-f", "none.yaml"],
    ]);
    insta::assert_snapshot!("converted", text);
}
