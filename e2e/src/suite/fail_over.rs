//! How long it takes until another syncer leads.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};

use super::runner::say;
use super::space::text;
use super::virtual_cluster::VirtualCluster;
use super::{kind, sample};

/// Until another syncer leads.
const LIMIT: Duration = Duration::from_secs(5);
/// A fault is not measured for longer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks: no more than this is added to what is measured.
const LOOK: Duration = Duration::from_millis(50);

/// Who holds the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// The name of its pod.
    pub pod: String,
    holder: String,
}

impl Leader {
    /// Who leads now.
    ///
    /// # Errors
    /// When nobody does.
    pub async fn of(cluster: &VirtualCluster) -> Result<Self> {
        let lease = format!("vcluster-{}-controller", cluster.name);
        let lease = cluster.host.get(kind::LEASES, &lease).await?;
        let holder = text(&lease, "/spec/holderIdentity").to_owned();
        let (pod, _) = holder.split_once('_').with_context(|| format!("{holder:?} leads"))?;
        Ok(Self { pod: pod.to_owned(), holder })
    }
}

/// Measures, from now on, how long it takes until another than `before` leads, until a write inside is acknowledged, and
/// until that is on the host; meanwhile `rest` of the fault goes on. Says all three.
///
/// The first is the syncer's own. The others also take what a client needs to see that its connection leads nowhere, and
/// an API server that its member of etcd is lost, which with Kubernetes' settings may be half a minute.
///
/// # Errors
/// When another leads only after 5 s, or `rest` fails.
pub async fn fails_over(
    cluster: &VirtualCluster,
    before: &Leader,
    what: &str,
    rest: impl Future<Output = Result<()>>,
) -> Result<()> {
    let began = Instant::now();
    let leads = async {
        soon("another syncer leads", || async {
            let now = Leader::of(cluster).await?;
            ensure!(now != *before, "{} still does", before.pod);
            Ok(())
        })
        .await?;
        anyhow::Ok(began.elapsed())
    };
    let mirrors = async {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("pulse-{}", now.as_millis());
        let space = cluster.space("default");
        let service = sample::service(&name);
        // The client, too, has to find out that a connection leads nowhere.
        soon("a write is acknowledged", || space.apply(&service)).await?;
        let acknowledged = began.elapsed();
        soon("it is on the host", || cluster.twin(kind::SERVICES, "default", &name)).await?;
        anyhow::Ok((acknowledged, began.elapsed()))
    };
    let (leads, (acknowledged, mirrored), ()) = tokio::try_join!(leads, mirrors, rest)?;
    say(&format!(
        "        {what}: another syncer leads after {:.1} s, a write is acknowledged after {:.1} s and on the host after {:.1} s",
        leads.as_secs_f64(),
        acknowledged.as_secs_f64(),
        mirrored.as_secs_f64()
    ));
    ensure!(leads <= LIMIT, "{what}: another syncer leads only after {:.1} s", leads.as_secs_f64());
    Ok(())
}

/// As [`holds`](super::holds::holds), but to the point.
async fn soon<T, F: Future<Output = Result<T>>>(
    what: &str,
    mut check: impl FnMut() -> F,
) -> Result<T> {
    let began = Instant::now();
    loop {
        match check().await {
            Ok(found) => return Ok(found),
            Err(error) if began.elapsed() > PATIENCE => {
                return Err(error).with_context(|| format!("it did not come true that {what}"));
            }
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}
