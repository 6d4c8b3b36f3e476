//! A StatefulSet with claims.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "a-stateful-set-keeps-names-and-data",
    about: "the pods of a StatefulSet have stable names and claims of their own, and find their data again after being deleted",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let space = world.space("state").await?;
    let service = sample::with(sample::service("db"), "/spec", json!({ "clusterIP": "None" }));
    space.apply(&service).await?;
    space.apply(&sample::database(2)).await?;
    space.rolled_out("statefulset/db").await?;

    for pod in ["db-0", "db-1"] {
        space.sh(pod, &format!("echo data of {pod} > /data/file")).await?;
        ensure!(
            space.sh(pod, "hostname").await? == format!("{pod}\n"),
            "the hostname is not {pod}"
        );
        let full = space.sh(pod, "hostname -f").await?;
        let expected = format!("{pod}.db.{}.svc.cluster.local\n", space.name);
        ensure!(full == expected, "the full name is {full:?}, not {expected:?}");
    }
    let other = format!("wget -q -O - http://db-1.db.{}:{}/hostname", space.name, sample::WEB_PORT);
    let answer =
        holds("one pod reaches the other by its name", || space.sh("db-0", &other)).await?;
    ensure!(answer == "db-1", "db-1 answered {answer:?}");

    let pod = space.get(kind::PODS, "db-0").await?;
    let claim = space.get(kind::CLAIMS, "data-db-0").await?;
    let volume = world
        .common()
        .await?
        .inside
        .get(kind::VOLUMES, "", text(&claim, "/spec/volumeName"))
        .await?;
    ensure!(text(&volume, "/status/phase") == "Bound", "the volume shown inside is not bound");
    space.delete(kind::PODS, "db-0").await?;
    holds("db-0 is made again", || async {
        let now = space.get(kind::PODS, "db-0").await?;
        ensure!(text(&now, "/metadata/uid") != text(&pod, "/metadata/uid"), "the old one is there");
        Ok(())
    })
    .await?;
    space.ready("db-0").await?;
    ensure!(space.sh("db-0", "cat /data/file").await? == "data of db-0\n", "the data is lost");
    let now = space.get(kind::CLAIMS, "data-db-0").await?;
    ensure!(text(&now, "/metadata/uid") == text(&claim, "/metadata/uid"), "the claim was replaced");
    Ok(())
}
