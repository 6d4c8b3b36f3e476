//! `vcluster prune`

use clap::Args;

use crate::app::App;
use crate::error::Result;
use crate::orphans::{self, Decision, OrphansArgs};

/// Delete what is on the host without its virtual object, after the store was lost or put back
///
/// When the virtual cluster's store is another one or an older one than the one that was mirrored, its syncer changes
/// nothing more on the host. `prune` deletes the host objects whose virtual objects are not there any more, also those
/// that `vcluster adopt` kept. Claims stay, unless `--claims` is given, and so does what a pod uses that stays. Then the
/// syncer mirrors again.
#[derive(Args, Debug)]
pub struct PruneArgs {
    #[command(flatten)]
    orphans: OrphansArgs,

    /// Delete claims too, and with them their data
    #[arg(long)]
    claims: bool,
}

/// Prunes.
pub async fn run(app: &App, args: &PruneArgs) -> Result<()> {
    orphans::run(app, &args.orphans, Decision::Prune { claims: args.claims }).await
}
