//! SQLite's file under a million updates.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Child;
use tokio::task::JoinSet;

use crate::checkout;
use crate::suite::etcd_api::EtcdApi;
use crate::suite::holds::holds;
use crate::suite::{Company, Fits, Promise, runner, world::World};
use crate::testbed::{command, run as output};

pub const PROMISE: Promise = Promise {
    name: "a-million-updates-do-not-swell-sqlite",
    about: "after a million updates of a constant set of objects, as fast as kine takes them, SQLite's file is at most twice its first size, its log included",
    company: Company::NobodyForLong,
    fits: Fits::Default("it tries the store by itself"),
    run: |world| Box::pin(run(world)),
};

/// How many updates, unless the variable says otherwise.
const UPDATES: u64 = 1_000_000;
const VARIABLE: &str = "VCLUSTER_SUITE_UPDATES";
/// The constant set: objects, and bytes of each.
const OBJECTS: usize = 10_000;
const BYTES: usize = 1_000;
/// At the same time.
const WRITERS: usize = 16;
/// When API servers ask for what is this old to be let go of, unless told otherwise.
const API_SERVER: Duration = Duration::from_secs(300);

async fn run(world: World) -> Result<()> {
    let updates = match std::env::var(VARIABLE) {
        Ok(text) => text.parse().with_context(|| format!("{VARIABLE} is {text}"))?,
        Err(_) => UPDATES,
    };
    let folder = tempfile::tempdir()?;
    let _kine = kine(&world, folder.path()).await?;
    let socket = folder.path().join("kine.sock");
    let store = holds("kine answers", || EtcdApi::connect(&socket)).await?;
    let mut revisions = vec![0; OBJECTS];
    // Once more than written: kine keeps the last value beside the present one.
    for _ in 0..2 {
        revisions = write(&store, revisions, OBJECTS as u64).await?.0;
    }
    let first = size(folder.path())?;

    let began = Instant::now();
    let (mut done, mut highest) = (0, first);
    let mut aside = (began, 0);
    while done < updates {
        let part = (updates - done).min(OBJECTS as u64);
        let newest;
        (revisions, newest) = write(&store, revisions, part).await?;
        done += part;
        highest = highest.max(size(folder.path())?);
        if aside.0.elapsed() > API_SERVER {
            // It may have been done already.
            let _ = store.compact(aside.1).await;
            aside = (Instant::now(), newest);
        }
    }
    let last = size(folder.path())?;
    let pace = done as f64 / began.elapsed().as_secs_f64();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let sizes = format!(
        "{:.1} MiB at first, {:.1} at most, {:.1} after {done} updates ({pace:.0} a second)",
        mib(first),
        mib(highest),
        mib(last)
    );
    runner::say(&format!("        {sizes}"));
    ensure!(last <= 2 * first, "SQLite's file grows: {sizes}");
    Ok(())
}

/// kine as the chart starts it, but for where its files lie.
async fn kine(world: &World, folder: &Path) -> Result<Child> {
    let chart: PathBuf = checkout::root()?.join("charts/vcluster");
    let mut helm = command(world.bed().bin.join("helm"));
    let chart = output(helm.args(["template", "my-vc"]).arg(chart)).await?;
    let manifests = vcluster_config::manifests("the chart", &chart)
        .map_err(|problem| anyhow::anyhow!("helm made no manifests: {problem}"))?;
    let containers = manifests
        .iter()
        .find(|object| object.pointer("/kind").is_some_and(|kind| kind == "StatefulSet"))
        .and_then(|set| set.pointer("/spec/template/spec/containers")?.as_array());
    let kine =
        containers.into_iter().flatten().find(|it| it.get("name").is_some_and(|it| it == "kine"));
    let args =
        kine.and_then(|kine| kine.get("args")?.as_array()).context("no kine with arguments")?;
    let here = folder.display().to_string();
    let args = args.iter().filter_map(|arg| arg.as_str());
    let args =
        args.map(|arg| arg.replace("///data", &format!("//{here}")).replace("/run/kine", &here));
    let log = std::fs::File::create(folder.join("kine.log"))?;
    let mut kine = command(world.bed().bin.join("kine"));
    kine.args(args).stdout(log.try_clone()?).stderr(log).spawn().context("cannot start kine")
}

/// Updates objects in turn, and answers their revisions, and the newest.
async fn write(store: &EtcdApi, revisions: Vec<u64>, updates: u64) -> Result<(Vec<u64>, u64)> {
    let newest = Arc::new(AtomicU64::new(0));
    let each = revisions.len().div_ceil(WRITERS);
    let mut writers = JoinSet::new();
    for (writer, own) in revisions.chunks(each).enumerate() {
        let (store, mut own, newest) = (store.clone(), own.to_vec(), Arc::clone(&newest));
        let share =
            updates / WRITERS as u64 + u64::from((writer as u64) < updates % WRITERS as u64);
        writers.spawn(async move {
            for (number, revision) in own.iter_mut().enumerate().take(usize::try_from(share)?) {
                let key = format!("/registry/configmaps/default/object-{writer}-{number}");
                let value = format!("{revision:0>BYTES$}");
                *revision = store.write(&key, value.as_bytes(), *revision).await?;
                newest.fetch_max(*revision, Ordering::Relaxed);
            }
            anyhow::Ok((writer, own))
        });
    }
    let mut parts = writers.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    parts.sort_by_key(|(writer, _)| *writer);
    Ok((parts.into_iter().flat_map(|(_, own)| own).collect(), newest.load(Ordering::Relaxed)))
}

/// The bytes of all files of the database.
fn size(folder: &Path) -> Result<u64> {
    let files = std::fs::read_dir(folder)?.flatten();
    let ours = files.filter(|file| file.file_name().to_string_lossy().starts_with("state.db"));
    Ok(ours.filter_map(|file| file.metadata().ok()).map(|it| it.len()).sum())
}
