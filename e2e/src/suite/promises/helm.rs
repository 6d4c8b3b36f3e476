//! The chart without our program.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::checkout;
use crate::suite::cluster::Cluster;
use crate::suite::holds::holds;
use crate::suite::home::Home;
use crate::suite::space::{Space, text};
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "helm-alone-does",
    about: "`helm install`, `test`, `upgrade`, `rollback` and `uninstall` do without our program; the last leaves the store's claim",
    company: Company::Any,
    fits: Fits::Default("it installs by hand, without what the setting tells `create`"),
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let space = world.host_namespace("helm").await?;
    let home = world.home(world.host())?;
    let name = world.name("by-hand");
    let chart = checkout::root()?.join("charts/vcluster").display().to_string();
    let helm = async |verb: &str, more: &[&str]| -> Result<()> {
        let mut helm = home.command("helm");
        helm.args([verb, &name]).args(more).args(["--namespace", &space.name, "--timeout", "5m"]);
        home.hear(&mut helm).await?.succeeds().map(drop)
    };
    let test = format!("{name}-test");

    helm("install", &[&chart, "--wait"]).await?;
    helm("test", &[]).await?;
    space.gone(kind::PODS, &test).await?;
    let inside = open(&world, &home, &space, &name).await?;
    let default = inside.space("default");
    default.apply(&sample::config_map("kept", json!({ "a": "b" }))).await?;

    let team = "controlPlane.statefulSet.pods.labels.team=a";
    helm("upgrade", &[&chart, "--reuse-values", "--set", team, "--wait"]).await?;
    labelled(&space, &name, "a").await?;
    helm("test", &[]).await?;
    default.get(kind::CONFIG_MAPS, "kept").await?;

    helm("rollback", &["1", "--wait"]).await?;
    labelled(&space, &name, "").await?;
    helm("test", &[]).await?;
    default.get(kind::CONFIG_MAPS, "kept").await?;

    helm("uninstall", &["--wait"]).await?;
    space.gone(kind::STATEFUL_SETS, &name).await?;
    space.gone(kind::SECRETS, &format!("{name}-certs")).await?;
    space.gone(kind::SECRETS, &format!("vc-{name}")).await?;
    let claims = space.list(kind::CLAIMS, "").await?;
    let claims: Vec<&str> = claims.iter().map(|claim| text(claim, "/metadata/name")).collect();
    ensure!(claims == [format!("data-{name}-0")], "the claims that are left: {claims:?}");
    Ok(())
}

/// The virtual cluster with the kubeconfig that it hands out, at its Service's address.
async fn open(world: &World, home: &Home, space: &Space, name: &str) -> Result<Cluster> {
    let secret = space.get(kind::SECRETS, &format!("vc-{name}")).await?;
    let config = BASE64_STANDARD.decode(text(&secret, "/data/config"))?;
    let config = String::from_utf8(config).context("the kubeconfig is not UTF-8")?;
    let service = space.get(kind::SERVICES, name).await?;
    let server = format!("https://{}", text(&service, "/spec/clusterIP"));
    let path = home.write("inside", &config.replace("https://localhost:8443", &server))?;
    Cluster::open(&world.host().kubectl, std::path::Path::new(&path)).await
}

/// Waits until the control plane's pod has this label `team`, and is ready.
async fn labelled(space: &Space, name: &str, team: &str) -> Result<()> {
    let pod = format!("{name}-0");
    holds(&format!("the label of pod {pod} is {team:?}"), || async {
        let have = space.ready(&pod).await?;
        ensure!(text(&have, "/metadata/labels/team") == team, "it is another: {have}");
        Ok(())
    })
    .await
}
