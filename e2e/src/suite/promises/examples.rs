//! What `examples/` shows, as its README says it is run.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::checkout;
use crate::suite::cluster::Cluster;
use crate::suite::holds::{PATIENCE, holds, stays};
use crate::suite::space::text;
use crate::suite::virtual_cluster::{VirtualCluster, Wish};
use crate::suite::{Company, Fits, Promise, kind, world::World};

pub const DEMO: Promise = Promise {
    name: "example-demo",
    about: "examples/demo: the app runs, its visitor reaches the Service, its notebook keeps what it wrote",
    company: Company::Any,
    fits: Fits::Default("an example is what its values say"),
    run: |world| Box::pin(demo(world)),
};

pub const NESTED: Promise = Promise {
    name: "example-nested",
    about: "examples/nested: a virtual cluster inside a virtual cluster",
    company: Company::Any,
    fits: Fits::Default("an example is what its values say"),
    run: |world| Box::pin(nested(world)),
};

pub const TEAMS: Promise = Promise {
    name: "example-teams",
    about: "examples/teams: two teams run the same app on one host, each within its own quota",
    company: Company::Any,
    fits: Fits::Default("an example is what its values say"),
    run: |world| Box::pin(teams(world)),
};

async fn demo(world: World) -> Result<()> {
    let cluster = world.create_with("demo", &wish("demo/vcluster.yaml")?).await?;
    apply(&cluster, "demo/app.yaml").await?;
    let shop = cluster.space("shop");
    for workload in ["deployment/web", "deployment/visitor", "statefulset/notebook"] {
        shop.rolled_out(workload).await?;
    }
    holds("the visitor is welcome", || async {
        let log = shop.kubectl(&["logs", "deployment/visitor"]).await?;
        ensure!(log.contains("welcome by web-"), "it says {log:?}");
        Ok(())
    })
    .await?;
    let pod = shop.get(kind::PODS, "notebook-0").await?;
    shop.delete(kind::PODS, "notebook-0").await?;
    holds("the notebook is opened again", || async {
        let now = shop.get(kind::PODS, "notebook-0").await?;
        ensure!(text(&now, "/metadata/uid") != text(&pod, "/metadata/uid"), "not yet");
        let log = shop.kubectl(&["logs", "notebook-0"]).await?;
        ensure!(log.lines().count() == 2, "it says {log:?}");
        Ok(())
    })
    .await
}

async fn nested(world: World) -> Result<()> {
    let outer = world.create_with("outer", &wish("nested/outer.yaml")?).await?;
    // As the README says: within the context that `connect` made current.
    outer.home.run(&["connect", &outer.name]).await?.succeeds()?;
    let context = outer.home.context().await?;
    let name = world.name("inner");
    let values = path("nested/inner.yaml")?;
    let args = ["create", &name, "-f", &values, "--context", &context];
    outer.home.run(&args).await?.succeeds()?;
    let inner = Cluster::open(&world.host().kubectl, &outer.home.kubeconfig()).await?;
    let default = inner.space("default");
    default.create(&crate::suite::sample::once("hello", "echo hello from the inside")).await?;
    let said = default.output("hello").await?;
    ensure!(said == "hello from the inside\n", "it said {said:?}");
    let listed = outer.home.run(&["list", "-o", "json"]).await?.succeeds()?;
    ensure!(
        listed.stdout.contains(&name) && listed.stdout.contains(&outer.name),
        "list shows {listed}"
    );
    outer.home.run(&["delete", &name, "-y", "--context", &context]).await?.succeeds().map(drop)
}

async fn teams(world: World) -> Result<()> {
    let (red, blue) = tokio::try_join!(team(&world, "red"), team(&world, "blue"))?;
    red.space("default").rolled_out("deployment/web").await?;
    let default = blue.space("default");
    let available = || async {
        let web = default.get(kind::DEPLOYMENTS, "web").await?;
        let count = web.pointer("/status/availableReplicas").cloned().unwrap_or_default();
        ensure!(count == json!(3), "{count} pods of blue run");
        Ok(())
    };
    holds("blue runs what its quota has room for", available).await?;
    stays(std::time::Duration::from_secs(3), "blue keeps to its quota", available).await?;
    let pods = default.list(kind::PODS, "app=web").await?;
    let waiting = pods.iter().find(|pod| text(pod, "/status/phase") == "Pending");
    let waiting = text(waiting.context("no pod waits")?, "/metadata/name");
    let message = default.event(waiting, "SyncError", PATIENCE).await?;
    ensure!(message.contains("quota"), "the event says {message:?}");
    Ok(())
}

async fn team(world: &World, color: &str) -> Result<VirtualCluster> {
    let cluster = world.create_with(color, &wish(&format!("teams/{color}.yaml"))?).await?;
    apply(&cluster, "teams/app.yaml").await?;
    Ok(cluster)
}

fn wish(values: &str) -> Result<Wish> {
    Ok(Wish { args: vec!["--values".into(), path(values)?], ..Wish::default() })
}

async fn apply(cluster: &VirtualCluster, manifest: &str) -> Result<()> {
    cluster.inside.kubectl.run(&["apply", "--filename", &path(manifest)?]).await.map(drop)
}

fn path(example: &str) -> Result<String> {
    Ok(checkout::root()?.join("examples").join(example).display().to_string())
}
