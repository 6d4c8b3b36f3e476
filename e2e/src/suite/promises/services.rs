//! Services: the same addresses on both sides.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::suite::holds::{PATIENCE, holds};
use crate::suite::space::{Space, text};
use crate::suite::virtual_cluster::VirtualCluster;
use crate::suite::{Company, Fits, Promise, Setting, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "services-have-one-address",
    about: "a Service has the same ClusterIP and node port on both sides, also when the host has given the address away; selector-less ones lead where their endpoints say",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let common = world.common().await?;
    let space = world.space("wires").await?;
    space.apply(&sample::pod("web", sample::web())).await?;
    space.apply(&sample::pod("client", sample::script("sleep 100000"))).await?;
    space.apply(&sample::service("web")).await?;
    same_address(&common, &space, "web").await?;

    node_port(&world, &common, &space).await?;
    space.ready("web").await?;
    space.ready("client").await?;
    taken(&common, &space).await?;
    by_hand(&space).await?;
    special(&common).await?;
    space.delete(kind::SERVICES, "web").await?;
    common.no_twin(kind::SERVICES, &space.name, "web").await
}

/// A node port is the same on both sides; the preset's quota has none, which is said.
async fn node_port(world: &World, common: &VirtualCluster, space: &Space) -> Result<()> {
    let service = sample::with(sample::service("web"), "/metadata", json!({ "name": "outside" }));
    space.apply(&sample::with(service, "/spec", json!({ "type": "NodePort" }))).await?;
    if world.setting() == Setting::Isolated {
        let message = space.event("outside", "SyncError", PATIENCE).await?;
        ensure!(message.contains("nodeports"), "the event says {message:?}");
        return Ok(());
    }
    let twin = same_address(common, space, "outside").await?;
    let inside = space.get(kind::SERVICES, "outside").await?;
    let port = inside.pointer("/spec/ports/0/nodePort").context("no node port")?;
    ensure!(twin.pointer("/spec/ports/0/nodePort") == Some(port), "the node ports differ");
    Ok(())
}

/// Waits until a Service has one address, and returns the host's.
async fn same_address(common: &VirtualCluster, space: &Space, name: &str) -> Result<Value> {
    holds(&format!("Service {name} has the same address on both sides"), || async {
        let (inside, twin) = (
            space.get(kind::SERVICES, name).await?,
            common.twin(kind::SERVICES, &space.name, name).await?,
        );
        let (a, b) = (text(&inside, "/spec/clusterIP"), text(&twin, "/spec/clusterIP"));
        ensure!(a == b && !a.is_empty(), "it has {a} inside and {b} on the host");
        Ok(twin)
    })
    .await
}

/// An address that somebody else on the host has already: the Service moves, and stays the same object.
async fn taken(common: &VirtualCluster, space: &Space) -> Result<()> {
    let squatter = sample::with(sample::service("squatter"), "/spec", json!({ "selector": null }));
    let squatter = common.host.create(&squatter).await?;
    let address = text(&squatter, "/spec/clusterIP");
    let wish = sample::with(sample::service("web"), "/metadata", json!({ "name": "moved" }));
    let wish =
        sample::with(wish, "/spec", json!({ "clusterIP": address, "sessionAffinity": "ClientIP" }));
    let made = space.create(&wish).await?;
    same_address(common, space, "moved").await?;
    let now = space.get(kind::SERVICES, "moved").await?;
    ensure!(text(&now, "/spec/clusterIP") != address, "it has the address that is taken");
    ensure!(text(&now, "/metadata/uid") == text(&made, "/metadata/uid"), "it is another object");
    ensure!(text(&now, "/spec/sessionAffinity") == "ClientIP", "it lost its settings");
    ensure!(text(&now, "/spec/type") == "ClusterIP", "it is a {}", text(&now, "/spec/type"));
    let answer =
        holds("it answers", || space.sh("client", "wget -q -O - http://moved/hostname")).await?;
    ensure!(answer == "web", "it answers {answer:?}");
    common.host.delete(kind::SERVICES, "squatter").await
}

/// Services whose endpoints are written by hand.
async fn by_hand(space: &Space) -> Result<()> {
    let pod = space.get(kind::PODS, "web").await?;
    let ip = text(&pod, "/status/podIP");
    for name in ["old-way", "new-way"] {
        let service = sample::with(sample::service(name), "/spec", json!({ "selector": null }));
        space.apply(&service).await?;
    }
    let endpoints = json!({
        "apiVersion": "v1", "kind": "Endpoints", "metadata": { "name": "old-way" },
        "subsets": [{ "addresses": [{ "ip": ip }], "ports": [{ "name": "http", "port": sample::WEB_PORT }] }],
    });
    space.apply(&endpoints).await?;
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": { "name": "new-way-1", "labels": { "kubernetes.io/service-name": "new-way" } },
        "endpoints": [{ "addresses": [ip], "conditions": { "ready": true } }],
        "ports": [{ "name": "http", "port": sample::WEB_PORT, "protocol": "TCP" }],
    });
    space.apply(&slice).await?;
    for name in ["old-way", "new-way"] {
        let fetch = format!("timeout 3 wget -q -O - http://{name}/hostname");
        let answer =
            holds(&format!("Service {name} answers"), || space.sh("client", &fetch)).await?;
        ensure!(answer == "web", "it answers {answer:?}");
    }
    let outside = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "alias" },
        "spec": { "type": "ExternalName", "externalName": format!("new-way.{}.svc.cluster.local", space.name) },
    });
    space.apply(&outside).await?;
    let answer =
        holds("an alias answers", || space.sh("client", "wget -q -O - http://alias/hostname"))
            .await?;
    ensure!(answer == "web", "it answers {answer:?}");
    Ok(())
}

/// `default/kubernetes` leads to the virtual API server.
async fn special(common: &VirtualCluster) -> Result<()> {
    let inside = common.space("default").get(kind::SERVICES, "kubernetes").await?;
    let host = common.host.get(kind::SERVICES, &common.name).await?;
    ensure!(
        text(&inside, "/spec/clusterIP") == text(&host, "/spec/clusterIP"),
        "default/kubernetes has another address than the host's Service {}",
        common.name
    );
    let control_plane = common.control_plane().await?;
    let ip = text(&control_plane, "/status/podIP");
    let slices = common
        .space("default")
        .list(kind::ENDPOINT_SLICES, "kubernetes.io/service-name=kubernetes")
        .await?;
    ensure!(
        slices.iter().any(|slice| slice.to_string().contains(ip)),
        "its endpoints do not name {ip}"
    );
    Ok(())
}
