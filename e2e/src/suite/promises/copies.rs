//! Config maps and secrets.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "only-what-is-used-is-copied",
    about: "config maps and secrets are on the host as long as a pod refers to them and no longer, and follow their originals",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let common = world.common().await?;
    let space = world.space("copies").await?;
    for name in ["used", "unused"] {
        space.apply(&sample::config_map(name, json!({ "a": "1" }))).await?;
        space.apply(&sample::secret(name, json!({ "a": "1" }))).await?;
    }
    let volumes = json!({ "volumes": [
        { "name": "a", "configMap": { "name": "used" } }, { "name": "b", "secret": { "secretName": "used" } },
    ]});
    space.apply(&sample::with(sample::pod("user", sample::idle()), "/spec", volumes)).await?;
    space.ready("user").await?;
    for kind in [kind::CONFIG_MAPS, kind::SECRETS] {
        common.twin(kind, &space.name, "used").await?;
        ensure!(
            common.find_twin(kind, &space.name, "unused").await?.is_none(),
            "an unused {} is copied",
            kind.name
        );
    }
    space.apply(&sample::config_map("used", json!({ "a": "2" }))).await?;
    holds("the copy follows", || async {
        let twin = common.twin(kind::CONFIG_MAPS, &space.name, "used").await?;
        ensure!(text(&twin, "/data/a") == "2", "it says {}", text(&twin, "/data/a"));
        Ok(())
    })
    .await?;
    // Somebody on the host meddles.
    let twin = common.twin(kind::CONFIG_MAPS, &space.name, "used").await?;
    common
        .host
        .patch(kind::CONFIG_MAPS, text(&twin, "/metadata/name"), json!({ "data": { "a": "3" } }))
        .await?;
    holds("the copy is mended", || async {
        let twin = common.twin(kind::CONFIG_MAPS, &space.name, "used").await?;
        ensure!(text(&twin, "/data/a") == "2", "it says {}", text(&twin, "/data/a"));
        Ok(())
    })
    .await?;
    space.delete(kind::PODS, "user").await?;
    for kind in [kind::CONFIG_MAPS, kind::SECRETS] {
        common.no_twin(kind, &space.name, "used").await?;
        space.get(kind, "used").await?;
    }
    Ok(())
}
