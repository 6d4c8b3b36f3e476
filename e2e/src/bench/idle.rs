//! What a virtual cluster costs while nobody uses it.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::processes::{Memory, program_size};
use super::requests::Counts;
use super::sheet::{Sheet, Subject};
use super::stage::Stage;

/// Watches the virtual cluster do nothing for as long as `watch`.
///
/// # Errors
/// When its processes or the host's metrics cannot be read.
pub async fn measure(stage: &Stage, watch: Duration, sheet: &mut Sheet) -> Result<()> {
    let cluster = stage.cluster.as_ref().context("there is no virtual cluster")?;
    let mut add = |figure: String, value: f64| sheet.add(figure, Subject::Vcluster, value);
    let census = cluster.census().await?;
    let (usage, writes) = (census.usage()?, writes(stage).await?);
    tokio::time::sleep(watch).await;
    let (used, written) = (census.usage()?.since(&usage), self::writes(stage).await? - writes);
    let mut sum = Memory::default();
    for name in census.0.keys() {
        let Memory { resident, anonymous, .. } = census.memory(name);
        sum = Memory {
            resident: sum.resident + resident,
            anonymous: sum.anonymous + anonymous,
            ..sum
        };
        add(format!("idle/memory/{name}/resident"), resident);
        add(format!("idle/memory/{name}/anonymous"), anonymous);
    }
    add("idle/resident".into(), sum.resident);
    add("idle/anonymous".into(), sum.anonymous);
    // Both goals are for a stretch of their own.
    let minutes = watch.as_secs_f64() / 60.0;
    add("idle/writes a minute".into(), written / minutes);
    for (name, seconds) in used {
        add(format!("idle/cpu/{name}"), seconds * 2.0 / minutes);
    }
    let syncer = census.0.get("syncer").and_then(|pids| pids.first());
    add("idle/binary".into(), program_size(*syncer.context("the syncer does not run")?)?);
    Ok(())
}

/// What the syncer has written to the host so far.
async fn writes(stage: &Stage) -> Result<f64> {
    let counts = Counts::on_host(&stage.host).await?;
    Ok(counts.0.iter().filter(|(what, _)| *what != "reads").map(|(_, count)| count).sum())
}
