//! Creating from within a virtual cluster's own context.

use anyhow::{Result, ensure};

use crate::suite::{Company, Fits, Promise, world::World};

pub const PROMISE: Promise = Promise {
    name: "a-virtual-context-is-noticed",
    about: "create refuses to guess when the current context is itself a virtual cluster, and list shows what its host has",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let common = world.common().await?;
    let home = world.home(world.host())?;
    home.run(&["connect", &common.name, "-n", &common.host.name]).await?.succeeds()?;
    let context = home.context().await?;
    ensure!(context.starts_with("vcluster_"), "the current context is {context}");
    let listed = home.run(&["list", "--output", "name"]).await?.succeeds()?;
    ensure!(
        listed.stdout.lines().any(|line| line == common.name),
        "the host's are not listed: {listed}"
    );
    let said = home.run(&["create", &world.name("inner")]).await?.ends_with(6)?;
    said.complains(&["error:", &common.name, "hint:", "--context testbed"])?;
    home.run(&["disconnect"]).await?.succeeds().map(drop)
}
