//! The syncer is not on the way to the API server.

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpStream;

use crate::suite::holds::holds;
use crate::suite::{Company, Fits, Promise, Setting, agreement, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "kubectl-works-without-the-syncer",
    about: "while the syncer is stopped kubectl inside goes on working, what runs goes on running, and all is caught up with afterwards",
    company: Company::Any,
    fits: Fits::AllBut(&[Setting::EtcdHa], "another syncer takes over"),
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let cluster = world.create("alone").await?;
    let default = cluster.space("default");
    default.apply(&sample::deployment("web", 2, sample::web())).await?;
    default.apply(&sample::service("web")).await?;
    default.rolled_out("deployment/web").await?;
    let address = default.get(kind::SERVICES, "web").await?;
    let address = crate::suite::space::text(&address, "/spec/clusterIP").to_owned();
    let reached = || async { Ok(TcpStream::connect((address.as_str(), 80)).await.map(drop)?) };
    // The nodes' proxies are a moment behind.
    holds("the Service answers", reached).await?;

    cluster.signal("syncer", Signal::STOP).await?;
    let frozen = async {
        default.kubectl(&["create", "configmap", "meanwhile", "--from-literal=a=b"]).await?;
        default.kubectl(&["get", "configmap", "meanwhile"]).await?;
        default
            .kubectl(&[
                "create",
                "deployment",
                "later",
                "--image",
                sample::AGNHOST,
                "--replicas=2",
                "--",
                "/agnhost",
                "pause",
            ])
            .await?;
        default.kubectl(&["delete", "configmap", "meanwhile"]).await?;
        default.kubectl(&["scale", "deployment", "web", "--replicas=1"]).await?;
        reached().await?;
        let later =
            cluster.twins(kind::PODS).await?.iter().any(|pod| pod.to_string().contains("later-"));
        ensure!(!later, "the syncer is not stopped");
        anyhow::Ok(())
    }
    .await;
    // The kubelet may have noticed that it does not answer, and started another one.
    let _ = cluster.signal("syncer", Signal::CONT).await;
    frozen?;
    default.rolled_out("deployment/later").await?;
    default.patch(kind::DEPLOYMENTS, "web/scale", json!({ "spec": { "replicas": 2 } })).await?;
    default.rolled_out("deployment/web").await?;
    agreement::reached(&cluster).await
}
