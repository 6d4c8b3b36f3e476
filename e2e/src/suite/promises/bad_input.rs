//! Mistakes of the person at the keyboard.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::suite::home::Home;
use crate::suite::said::Said;
use crate::suite::{Company, Fits, Promise, Setting, kind, world::World};

pub const PROMISE: Promise = Promise {
    name: "bad-input-is-explained",
    about: "what cannot work is refused before anything is made, with the reason, what to do, and an exit code that scripts can tell apart",
    company: Company::Any,
    fits: Fits::AllBut(
        &[Setting::EtcdHa, Setting::Postgresql, Setting::Mysql],
        "a mistake with SQLite is none there",
    ),
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let home = world.home(world.host())?;
    let name = world.name("bad");
    names(&home).await?;
    values(&home, &name).await?;
    no_host(&home, &name).await?;
    helm(&world, &home, &name).await?;
    terminating(&world, &home, &name).await?;
    for command in ["connect", "pause", "resume"] {
        explained(home.run(&[command, &name]).await?.ends_with(3)?, &[&name])?;
    }
    let made = world.host().find(kind::NAMESPACES, "", &format!("vcluster-{name}")).await?;
    ensure!(made.is_none(), "a refused create made its namespace");
    ensure!(home.context().await? == "testbed", "a refused create changed the current context");
    Ok(())
}

async fn names(home: &Home) -> Result<()> {
    for name in ["My_Cluster", "-a", "a.b", "a-x-b", &"a".repeat(64)] {
        let said = home.run(&["create", "--connect=false", "--", name]).await?;
        explained(said.ends_with(2)?, &[name])?;
    }
    Ok(())
}

async fn values(home: &Home, name: &str) -> Result<()> {
    let mistakes = [
        // The nearest key that exists is named.
        (
            json!({ "controlPlane": { "statefulset": { "labels": {} } } }),
            ["statefulset", "statefulSet"],
        ),
        (
            json!({ "sync": { "toHost": { "pods": { "enabled": "sometimes" } } } }),
            ["sync.toHost.pods.enabled", "true or false"],
        ),
        (
            json!({ "controlPlane": { "statefulSet": { "highAvailability": { "replicas": 3 } } } }),
            ["replicas", "SQLite"],
        ),
    ];
    for (values, words) in mistakes {
        let file = home.write("wrong.yaml", &values.to_string())?;
        let said = home.run(&["create", name, "-f", &file]).await?.ends_with(2)?;
        explained(said, &words)?;
    }
    let file = home.write("broken.yaml", "controlPlane: [\n")?;
    explained(home.run(&["create", name, "-f", &file]).await?.ends_with(2)?, &["broken.yaml"])?;
    let said = home.run(&["create", name, "-f", "no-such-file.yaml"]).await?;
    ensure!(said.code != Some(0), "a missing file was no error: {said}");
    explained(said, &["no-such-file.yaml"])?;
    explained(home.run(&["create", name, "--set", "a"]).await?.ends_with(2)?, &["--set"])
}

async fn no_host(home: &Home, name: &str) -> Result<()> {
    let kubeconfig = std::fs::read_to_string(home.kubeconfig())?;
    let server = kubeconfig
        .split_whitespace()
        .find(|word| word.starts_with("https://"))
        .context("the kubeconfig has no server")?
        .trim_matches(['"', ',']);
    let nobody = kubeconfig.replace(server, "https://127.0.0.1:9");
    let file = home.write("nobody.kubeconfig", &nobody)?;
    for args in [&["create", name][..], &["list"], &["delete", name, "-y"]] {
        let said = home.run(&[args, &["--kubeconfig", &file]].concat()).await?;
        ensure!(said.code != Some(0), "without a host: {said}");
        explained(said, &["127.0.0.1:9"])?;
    }
    let said = home.run(&["create", name, "--context", "no-such-context"]).await?;
    ensure!(said.code != Some(0), "with a context that is not there: {said}");
    explained(said, &["no-such-context"])
}

async fn helm(world: &World, home: &Home, name: &str) -> Result<()> {
    let mut command = home.vcluster(&["create", name]);
    command.env("PATH", "/usr/bin:/bin");
    let said = home.hear(&mut command).await?;
    ensure!(said.code != Some(0), "without helm: {said}");
    explained(said, &["helm"])?;

    let old = home.write("old-helm", "#!/bin/sh\necho v3.9.4+gdbc6d8e\n")?;
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o755))?;
    let mut command = home.vcluster(&["create", name]);
    let said = home.hear(command.env("VCLUSTER_HELM", old)).await?;
    ensure!(said.code != Some(0), "with an old helm: {said}");
    explained(said, &["3.9.4", "3.10"])?;
    ensure!(
        world.host().find(kind::NAMESPACES, "", &format!("vcluster-{name}")).await?.is_none(),
        "the namespace was made before helm was looked for"
    );
    Ok(())
}

/// A namespace that does not get to its end, since somebody holds on to something in it.
async fn terminating(world: &World, home: &Home, name: &str) -> Result<()> {
    let space = world.host_namespace("ending").await?;
    let held = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "held", "finalizers": ["example.com/held"] },
    });
    space.create(&held).await?;
    world.host().delete(kind::NAMESPACES, "", &space.name).await?;
    let began = Instant::now();
    let said = home.run(&["create", name, "-n", &space.name, "--timeout", "3s"]).await;
    let took = began.elapsed();
    let let_go = json!({ "metadata": { "finalizers": null } });
    space.patch(kind::CONFIG_MAPS, "held", let_go).await?;
    let said = said?.ends_with(4)?;
    ensure!(took < Duration::from_secs(30), "it took {took:?} and not 3 s: {said}");
    explained(said, &[&space.name])
}

/// An error goes to standard error and says what is wrong with what.
fn explained(said: Said, words: &[&str]) -> Result<()> {
    ensure!(said.stdout.is_empty(), "complaints are not data: {said}");
    said.complains(&["error:"])?.complains(words).map(drop)
}
