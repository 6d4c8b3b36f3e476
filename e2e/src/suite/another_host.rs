//! A host beside the suite's own, for promises about hosts of another kind.

use anyhow::{Context as _, Result};

use super::cluster::Cluster;
use super::world::{Made, World};
use crate::testbed::{Families, LAST_BED, Options, Progress, TestBed};

/// Its number, unless the suite itself runs there.
const NUMBER: u8 = LAST_BED - 1;

impl World {
    /// A host with these families of addresses and the same syncer: the suite's own if it has them, another otherwise,
    /// which goes with the promise unless it was there before.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn host_with(&self, families: Families) -> Result<Cluster> {
        let own = self.bed();
        if own.layout.families() == families {
            return Ok(self.host().clone());
        }
        let number = if own.layout.bed() == NUMBER { NUMBER - 1 } else { NUMBER };
        if TestBed::open(number).is_err() {
            self.note(Made::Host(number));
        }
        let wanted = Options {
            bed: number,
            nodes: 1,
            load_balancer: false,
            families: Some(families),
            syncer: None,
        };
        let (bed, _) = TestBed::up(&wanted, &Progress::new())
            .await
            .with_context(|| format!("another host, test bed {number}, does not come up"))?;
        bed.load_syncer_of(own).await?;
        Cluster::open(&bed.kubectl, &bed.kubeconfig).await
    }
}
