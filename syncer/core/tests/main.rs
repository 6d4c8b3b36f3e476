//! Tests of decisions: cases (one plan each), scripts (stories over two clusters in memory) and a property (any story
//! ends well). See each module for its format.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod cases;
mod convergence;
mod odd_pods;
mod scripts;
mod world;
mod yaml;
