//! Ctrl-C, and the second try.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::suite::cluster::Cluster;
use crate::suite::home::Home;
use crate::suite::{Company, Fits, Promise, kind, world::World};

pub const PROMISE: Promise = Promise {
    name: "a-second-try-mends-an-interrupted-create",
    about: "Ctrl-C or a time limit at any step of create leaves nothing that running it again does not mend",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

/// How long after Ctrl-C a program may take to end.
const END: Duration = Duration::from_secs(20);

async fn run(world: World) -> Result<()> {
    let home = world.home(world.host())?;
    let name = world.name("torn");
    world.will_make(world.host(), &home, &name, None);
    // Each try is cut off a step later than the one before; the last ones find a release that is there already.
    let mut steps = 1;
    while interrupt(&home, &name, steps).await? {
        steps += 1;
        ensure!(steps < 40, "create never comes to its end");
    }
    ensure!(steps > 3, "create was cut off at only {steps} steps");
    works(&world, &home).await?;

    home.run(&["disconnect"]).await?.succeeds()?;
    let other = world.name("late");
    world.will_make(world.host(), &home, &other, None);
    let said = home.run(&["create", &other, "--timeout", "1s"]).await?.ends_with(4)?;
    said.complains(&["error:", "hint:"])?;
    home.run(&["create", &other]).await?.succeeds()?;
    works(&world, &home).await
}

/// Runs create until it has said `steps` lines, then interrupts it. Says whether it was cut off.
async fn interrupt(home: &Home, name: &str, steps: usize) -> Result<bool> {
    let mut child = home
        .vcluster(&["create", name])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start vcluster")?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let pid = pid.context("it ended by itself")?;
    let mut lines = BufReader::new(child.stderr.take().context("no standard error")?).lines();
    let mut said = Vec::new();
    while said.len() < steps
        && let Some(line) = lines.next_line().await?
    {
        said.push(line);
    }
    let _ = kill_process(pid, Signal::INT);
    let rest = async {
        while let Some(line) = lines.next_line().await? {
            said.push(line);
        }
        child.wait().await.context("cannot wait for vcluster")
    };
    let status = tokio::time::timeout(END, rest)
        .await
        .with_context(|| format!("it did not end after Ctrl-C at step {steps}"))??;
    match status.code() {
        Some(0) => Ok(false),
        Some(130) => Ok(true),
        code => anyhow::bail!(
            "cut off at step {steps} it ended with {code:?} and said:\n{}",
            said.join("\n")
        ),
    }
}

async fn works(world: &World, home: &Home) -> Result<()> {
    let inside = Cluster::open(&world.host().kubectl, &home.kubeconfig()).await?;
    inside.get(kind::NAMESPACES, "", "kube-system").await.map(drop)
}
