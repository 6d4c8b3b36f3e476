//! Storage.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "claims-are-bound-and-go-when-deleted",
    about: "a claim is bound by the host's storage and shows its volume inside; deleting it deletes the host's",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let common = world.common().await?;
    let space = world.space("storage").await?;
    space.apply(&sample::claim("data")).await?;
    let container = json!({ "volumeMounts": [{ "name": "data", "mountPath": "/data" }] });
    let container =
        sample::with(sample::script("echo kept > /data/file; sleep 100000"), "", container);
    let volume = json!({ "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }] });
    space.apply(&sample::with(sample::pod("user", container), "/spec", volume)).await?;
    space.ready("user").await?;
    let claim = holds("the claim is bound inside", || async {
        let claim = space.get(kind::CLAIMS, "data").await?;
        ensure!(
            text(&claim, "/status/phase") == "Bound",
            "it is {}",
            text(&claim, "/status/phase")
        );
        Ok(claim)
    })
    .await?;
    let name = text(&claim, "/spec/volumeName").to_owned();
    let volume = common.inside.get(kind::VOLUMES, "", &name).await?;
    ensure!(
        text(&volume, "/spec/claimRef/uid") == text(&claim, "/metadata/uid"),
        "the volume is another claim's"
    );
    let twin = common.twin(kind::CLAIMS, &space.name, "data").await?;
    ensure!(text(&twin, "/status/phase") == "Bound", "the host's claim is not bound");

    // A deletion is seen, and waits for the pod as it does everywhere.
    space.delete(kind::CLAIMS, "data").await?;
    let claim = space.get(kind::CLAIMS, "data").await?;
    ensure!(claim.pointer("/metadata/deletionTimestamp").is_some(), "it is not being deleted");
    ensure!(
        space.sh("user", "cat /data/file").await? == "kept\n",
        "the data is gone under the pod's feet"
    );
    space.delete(kind::PODS, "user").await?;
    space.gone(kind::CLAIMS, "data").await?;
    common.no_twin(kind::CLAIMS, &space.name, "data").await?;
    holds("the volume is gone inside", || async {
        ensure!(common.inside.find(kind::VOLUMES, "", &name).await?.is_none(), "it is there");
        Ok(())
    })
    .await
}
