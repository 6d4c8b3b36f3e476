//! `vcluster adopt`

use clap::Args;

use crate::app::App;
use crate::error::Result;
use crate::orphans::{self, Decision, OrphansArgs};

/// Keep what is on the host after the store of a virtual cluster was lost or put back
///
/// When the virtual cluster's store is another one or an older one than the one that was mirrored, its syncer changes
/// nothing more on the host. `adopt` keeps every host object. Where an object of the same kind and name is there inside
/// again, it gets the host object with its data and addresses, now or when it is made; pods are started afresh. What
/// nobody claims stays until `vcluster prune`. Then the syncer mirrors again.
#[derive(Args, Debug)]
pub struct AdoptArgs {
    #[command(flatten)]
    orphans: OrphansArgs,
}

/// Adopts.
pub async fn run(app: &App, args: &AdoptArgs) -> Result<()> {
    orphans::run(app, &args.orphans, Decision::Adopt).await
}
