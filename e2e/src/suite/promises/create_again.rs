//! What `create` can be told, and what it does about a virtual cluster that is there already.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::cluster::Cluster;
use crate::suite::space::text;
use crate::suite::{Company, Fits, Promise, Setting, kind, world::World};

pub const PROMISE: Promise = Promise {
    name: "create-takes-values-and-upgrades",
    about: "create takes -n, -f, --set, --context and --kubeconfig, leaves the kubeconfig alone when told so, and changes what exists with --upgrade",
    company: Company::Any,
    fits: Fits::AllBut(&[Setting::Eks], "it chooses the distribution"),
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let home = world.home(world.host())?;
    let name = world.name("again");
    let host = world.host_namespace("again").await?;
    world.will_make(world.host(), &home, &name, Some(&host.name));
    let before = std::fs::read(home.kubeconfig())?;

    let values = json!({ "controlPlane": { "statefulSet": { "labels": { "team": "red" } } } });
    let values = home.write("values.yaml", &values.to_string())?;
    // The host is named by flags alone.
    let kubeconfig = home.write("host.kubeconfig", std::str::from_utf8(&before)?)?;
    let context = home.context().await?;
    let place = ["--kubeconfig", &kubeconfig, "--context", &context, "-n", &host.name];
    let create = [&["create", &name], &place[..]].concat();
    let mut command = home.vcluster(&create);
    command.args(["-f", &values, "--set", "controlPlane.statefulSet.annotations.color=blue"]);
    command
        .args(["--connect=false", "--distro", "k8s", "--timeout", "4m"])
        .env("KUBECONFIG", "/nowhere");
    home.hear(&mut command).await?.succeeds()?;
    ensure!(std::fs::read(home.kubeconfig())? == before, "the kubeconfig was changed");
    ensure!(std::fs::read(&kubeconfig)? == before, "--connect=false changed {kubeconfig}");
    ensure!(home.forwarders().is_empty(), "--connect=false left a forwarder");
    let set = host.get(kind::STATEFUL_SETS, &name).await?;
    ensure!(text(&set, "/metadata/labels/team") == "red", "-f was not heard");
    ensure!(text(&set, "/metadata/annotations/color") == "blue", "--set was not heard");

    // It exists: without connecting there is nothing left to do, and that is said.
    let again = ["create", &name, "-n", &host.name];
    let said = home.run(&[&again[..], &["--connect=false"]].concat()).await?;
    said.ends_with(5)?.complains(&["error:", "hint:", "--upgrade"])?;

    let upgrade = ["--upgrade", "--set", "controlPlane.statefulSet.labels.team=green"];
    let output = ["--update-current=false"];
    home.run(&[&again[..], &upgrade, &output].concat()).await?.succeeds()?;
    let set = host.get(kind::STATEFUL_SETS, &name).await?;
    ensure!(text(&set, "/metadata/labels/team") == "green", "--upgrade changed nothing");
    ensure!(
        std::fs::read(home.kubeconfig())? == before,
        "--update-current=false changed the kubeconfig"
    );
    let own = Cluster::open(&world.host().kubectl, &home.path("kubeconfig.yaml")).await?;
    own.get(kind::NAMESPACES, "", "kube-system").await?;

    // It exists, and connecting is all that is left.
    home.run(&again).await?.succeeds()?;
    let own = Cluster::open(&world.host().kubectl, &home.kubeconfig()).await?;
    own.get(kind::NAMESPACES, "", "kube-system").await.map(drop)
}
