//! A virtual cluster that is at work while something befalls it.

use anyhow::Result;
use tokio::sync::watch;

use super::holds::holds;
use super::load::{Steady, Waves};
use super::virtual_cluster::VirtualCluster;
use super::{agreement, kind};

/// Has `trouble` befall a virtual cluster under load. When it is over, no write that was acknowledged is lost and both
/// sides agree. Answers what was there before, to be looked at, and the load.
///
/// # Errors
/// When it is not so, or the trouble cannot be made.
pub async fn befalls(
    cluster: &VirtualCluster,
    trouble: impl Future<Output = Result<()>>,
) -> Result<(Steady, Waves)> {
    let steady = Steady::settle(cluster).await?;
    let mut waves = Waves::new(cluster).await?;
    let (stop, stopped) = watch::channel(false);
    let trouble = async {
        // Not before there is something to lose.
        holds("the load is on the host", || cluster.twin(kind::PODS, "waves", "pod-1")).await?;
        trouble.await?;
        stop.send_replace(true);
        anyhow::Ok(())
    };
    tokio::try_join!(waves.roll(stopped), trouble)?;
    cluster.well().await?;
    waves.as_acknowledged().await?;
    agreement::reached(cluster).await?;
    Ok((steady, waves))
}
