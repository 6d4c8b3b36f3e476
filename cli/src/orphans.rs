//! Host objects that have lost their virtual objects: what `adopt` and `prune` look at and change.
//!
//! The syncer stands still when the virtual store is another one or an older one (design D6). Someone then says what is
//! to become of what is on the host. It is this program that carries it out, with the rights of whoever runs it and on
//! exactly the objects that were shown to them; the syncer only learns that the store that is there now is the right one.

mod act;
mod decide;
mod inside;
mod marks;
mod outside;
mod show;

use std::time::Duration;

use clap::{ArgAction, Args};
use kube::Client;
use tokio::time::Instant;

use crate::app::App;
use crate::commands::completion;
use crate::connect;
use crate::consent;
use crate::discover::{self, Found};
use crate::duration;
use crate::error::{CliError, Kind, Result};
use crate::progress::{self, Need, Progress};
use crate::ui::listing::Output;

pub use decide::Decision;
use decide::{Fate, Scene};

/// What `adopt` and `prune` have in common on the command line.
#[derive(Args, Debug)]
pub struct OrphansArgs {
    /// Name of the virtual cluster; on a terminal it can be picked
    #[arg(add = completion::names())]
    pub name: Option<String>,

    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,

    /// Output format
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,

    /// Wait until the syncer mirrors again
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    wait: bool,

    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,
}

/// Shows what a decision leads to, asks, and carries it out.
///
/// # Errors
/// When the virtual cluster does not run, a cluster refuses, or nobody says yes.
pub async fn run(app: &App, args: &OrphansArgs, decision: Decision) -> Result<()> {
    let found = discover::find(app, args.name.as_deref()).await?;
    let (name, namespace) = (&found.cluster.name, &found.cluster.namespace);
    must_run(&found)?;
    let mut step = app.ui.step(format!("Comparing the host with virtual cluster {name}"));
    let inside = connect::inside(&found, &mut step, args.timeout).await?;
    let scene = look(&found, &inside).await?;
    step.done_as(format!("Host and virtual cluster {name} compared"));

    let fates = scene.fates(decision);
    let command = decision.command();
    app.ui.data(&show::text(&fates, args.output)?)?;
    if scene.is_decided(&fates) {
        app.ui.info(format!("nothing to {command}: the syncer of {name} is at work"));
        return Ok(());
    }
    let summary = show::summary(&scene, &fates);
    if args.dry_run {
        app.ui.info(format!("nothing was changed; {command} would do this: {summary}"));
        return Ok(());
    }
    let context = &found.host.context;
    let yes = format!(
        "vcluster {command} {name} -n {namespace} --context {context}{} -y",
        decision.flags()
    );
    app.consent(&consent::Change {
        question: &format!("{summary}, in namespace {namespace} of {context}?"),
        unasked: &format!("{command} does nothing without a yes"),
        declined: "nothing was changed",
        yes: &yes,
    })?;
    app.interrupt.advise(yes);

    let step = app.ui.step(format!("Host objects of {name}"));
    act::carry_out(&found, &scene, &fates).await?;
    step.done_as(format!("Host objects of {name}: {summary}"));
    if !scene.settled {
        let step = app.ui.step("The store that is there now is noted");
        must_be_the_same(&inside, &scene).await?;
        act::note_store(&found, &scene, decision).await?;
        step.done();
        if args.wait {
            wait(app, &found, args.timeout).await?;
        }
    }
    if fates.iter().any(|(_, fate)| *fate == Fate::Kept) {
        app.ui.info("what waits is handed over when an object of its name is made inside again");
        app.ui.hint(format!("vcluster prune {name} -n {namespace} --dry-run"));
    }
    Ok(())
}

fn must_run(found: &Found) -> Result<()> {
    let cluster = &found.cluster;
    connect::must_have_replicas(found)?;
    if !cluster.paused() {
        return Ok(());
    }
    Err(CliError::failed(format!("virtual cluster {} is paused", cluster.name))
        .because("its API server is needed to know what there is inside")
        .hint(format!("vcluster resume {} -n {} --wait=false", cluster.name, cluster.namespace)))
}

/// The host first: a virtual object is always older than its host object, so what is then missing inside is gone.
async fn look(found: &Found, inside: &Client) -> Result<Scene> {
    let (name, namespace) = (&found.cluster.name, &found.cluster.namespace);
    let noted = outside::noted_store(&found.host, name, namespace).await?;
    let objects = outside::objects(&found.host, name, namespace).await?;
    let pods = outside::pods(&found.host, namespace).await?;
    let store = inside::store(inside).await?;
    let twins = inside::twins(inside, &objects).await?;
    Ok(Scene::new(noted, store, objects, twins, pods))
}

async fn must_be_the_same(inside: &Client, scene: &Scene) -> Result<()> {
    let now = inside::store(inside).await?;
    if now.uid == scene.store.uid {
        return Ok(());
    }
    Err(CliError::new(Kind::Conflict, "the virtual cluster's store was replaced meanwhile")
        .because(format!("kube-system was {} and is {}", scene.store.uid, now.uid)))
}

async fn wait(app: &App, found: &Found, patience: Duration) -> Result<()> {
    let cluster = &found.cluster;
    let mut step = app.ui.step("The syncer looks at everything again");
    let mut progress = Progress::start(&found.host, &cluster.name, &cluster.namespace);
    let ready = progress.wait(Need::Ready, &mut step, Instant::now() + patience).await;
    ready.map_err(|error| progress::after(error, patience))?;
    step.done_as("The syncer mirrors again");
    Ok(())
}
