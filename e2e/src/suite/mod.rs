//! The end-to-end suite: every promise to users, kept on a real host cluster.
//!
//! A promise is one file under `promises/`. It gets a [`World`](world::World) to make virtual clusters, users and
//! namespaces with, waits for conditions ([`holds`](holds::holds)) and never for time to pass, and is cleaned up after.

pub mod agreement;
mod another_host;
mod buckets;
mod certificates;
pub mod cluster;
mod databases;
mod etcd_api;
mod evidence;
mod fail_over;
pub mod holds;
pub mod home;
pub mod kind;
pub mod ledger;
pub mod load;
pub mod processes;
pub mod promise;
mod promises;
mod runner;
pub mod said;
pub mod sample;
pub mod setting;
pub mod space;
mod trouble;
mod upstream;
pub mod virtual_cluster;
pub mod world;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};

pub use promise::{Company, Fits, Promise};
pub use promises::all;
pub use runner::Tally;
pub use setting::Setting;

use crate::testbed::{Options, TestBed};
use home::Tools;
use setting::Scenery;
use world::Stage;

/// What to run.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Parts of names; none means all.
    pub words: Vec<String>,
    /// Whether those that take long are tried too, which they are when they are named in full.
    pub long: bool,
    /// What virtual clusters are made with.
    pub setting: Setting,
    /// Whether only the smoke set is tried.
    pub smoke: bool,
    /// How many at a time.
    pub jobs: usize,
}

impl Selection {
    /// The promises that it names.
    pub fn promises(&self) -> Vec<Promise> {
        all()
            .into_iter()
            .filter(|promise| promise.matches(&self.words) && promise.fits(self.setting))
            .filter(|promise| !self.smoke || promise.fits == Fits::Smoke)
            .filter(|promise| {
                self.long
                    || !promise.company.takes_long()
                    || self.words.iter().any(|word| word == promise.name)
            })
            .collect()
    }

    /// The host that they take: enough real nodes, and addresses for load balancers.
    pub fn host(&self, bed: u8) -> Options {
        let long = self.promises().iter().any(|it| it.company == Company::NobodyForLong);
        let nodes = if long { 3 } else { 2 };
        Options { bed, nodes, load_balancer: true, families: None, syncer: None }
    }
}

/// Runs promises against the bed, with the program `vcluster`; what is known about those that fail goes to `evidence`.
///
/// # Errors
/// When no promise is named, or the bed cannot be used.
pub async fn run(
    bed: TestBed,
    vcluster: PathBuf,
    selection: &Selection,
    evidence: PathBuf,
) -> Result<Tally> {
    let promises = selection.promises();
    ensure!(
        !promises.is_empty(),
        "no promise that fits in the setting {} is called like {:?}\nhint: cargo run -p e2e -- suite --list",
        selection.setting,
        selection.words
    );
    let homes = tempfile::Builder::new().prefix("vcluster-suite-").tempdir()?;
    let scenery = Arc::new(Scenery::put_up(selection.setting, bed.layout.root_ip()).await?);
    let tools = Tools { vcluster, bin: bed.bin.clone(), scenery };
    let stage = Arc::new(Stage::new(bed, tools, homes.path().to_owned()).await?);
    let evidence = evidence.join(selection.setting.to_string());
    Ok(runner::run(&stage, &promises, selection.jobs, &evidence).await)
}
