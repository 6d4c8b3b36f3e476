//! What a person may do on the host decides what they get, and that is said.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::suite::home::Home;
use crate::suite::space::{Space, text};
use crate::suite::virtual_cluster::{VirtualCluster, Wish};
use crate::suite::{Company, Fits, Promise, Setting, kind, sample, world::World};

pub const WITHOUT: Promise = Promise {
    name: "missing-rights-are-named",
    about: "who lacks a right in the namespace is told which verb on which resource",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(without(world)),
};

pub const ADMIN: Promise = Promise {
    name: "a-namespace-admin-can-install",
    about: "the built-in ClusterRole `admin` in one namespace is all it takes to create, use, pause, resume and delete",
    company: Company::Any,
    fits: Fits::AllBut(&[Setting::Isolated], "quotas are for the owner of the host to set"),
    run: |world| Box::pin(admin(world)),
};

async fn without(world: World) -> Result<()> {
    let space = world.host_namespace("viewer").await?;
    let home = user(&world, &space, "view").await?;
    let name = world.name("denied");
    let said = home.run(&["create", &name, "-n", &space.name]).await?;
    ensure!(said.code != Some(0), "a viewer could create: {said}");
    said.complains(&["error:", "create", "statefulsets", &space.name, "hint:"])?;
    let left = space.list(kind::STATEFUL_SETS, "").await?;
    ensure!(left.is_empty(), "something was made all the same");
    Ok(())
}

async fn admin(world: World) -> Result<()> {
    let space = world.host_namespace("owner").await?;
    let home = user(&world, &space, "admin").await?;
    let name = world.name("owned");
    world.will_make(world.host(), &home, &name, Some(&space.name));
    let host =
        crate::suite::cluster::Cluster::open(&world.host().kubectl, &home.kubeconfig()).await?;
    let wish = Wish { namespace: Some(space.name.clone()), ..Wish::default() };
    let cluster = VirtualCluster::create(&host, &home, &name, &wish).await?;

    let default = cluster.space("default");
    default.apply(&sample::deployment("web", 1, sample::web())).await?;
    default.apply(&sample::service("web")).await?;
    default.rolled_out("deployment/web").await?;
    let fetch = "wget -q -O - http://web/hostname";
    default.create(&sample::once("client", fetch)).await?;
    ensure!(
        default.output("client").await?.starts_with("web-"),
        "the Service does not lead to the pod"
    );

    // Nobody who may not look at all namespaces has to say -A or -n.
    let listed = home.run(&["list", "--output", "name"]).await?.succeeds()?;
    ensure!(listed.stdout.lines().any(|line| line == name), "it is not listed: {listed}");
    home.run(&["pause", &name]).await?.succeeds()?;
    home.run(&["resume", &name]).await?.succeeds()?;
    default.rolled_out("deployment/web").await?;
    home.run(&["delete", &name, "-y"]).await?.succeeds()?;
    let left = space.list(kind::STATEFUL_SETS, "").await?;
    ensure!(left.is_empty(), "delete left the control plane");
    Ok(())
}

/// A user with a ClusterRole in one namespace, and no right elsewhere.
async fn user(world: &World, space: &Space, role: &str) -> Result<Home> {
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "person" },
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "person" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
        "subjects": [{ "kind": "ServiceAccount", "name": "person", "namespace": space.name }],
    });
    space.apply(&account).await?;
    space.apply(&binding).await?;
    let token = space.kubectl(&["create", "token", "person", "--duration", "2h"]).await?;
    let view = ["config", "view", "--raw", "--minify", "--flatten", "--output", "json"];
    let mut view: Value = serde_json::from_str(&world.host().kubectl.run(&view).await?)?;
    let user = view.pointer_mut("/users/0/user").context("the kubeconfig has no user")?;
    *user = json!({ "token": token.trim() });
    let context =
        view.pointer_mut("/contexts/0/context").context("the kubeconfig has no context")?;
    ensure!(!text(context, "/cluster").is_empty(), "the context has no cluster");
    if let Some(context) = context.as_object_mut() {
        context.insert("namespace".into(), json!(space.name));
    }
    let home = world.home(world.host())?;
    std::fs::write(home.kubeconfig(), view.to_string())?;
    Ok(home)
}
