//! Certificates on demand.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::stores::lose;
use crate::suite::holds::holds;
use crate::suite::said::Said;
use crate::suite::space::text;
use crate::suite::virtual_cluster::{VirtualCluster, Wish};
use crate::suite::world::{self, World};
use crate::suite::{Company, Fits, Promise, Setting, kind, sample};

pub const PROMISE: Promise = Promise {
    name: "certificates-are-made-anew-on-demand",
    about: "`certs rotate` renews certificates under the same authorities, and kubeconfigs stay good; `certs rotate-ca` replaces the authorities, and kubeconfigs are void; pods on the host run on",
    company: Company::Any,
    fits: Fits::AllBut(&[Setting::EtcdHa], "with etcd it is a promise of its own"),
    run: |world| Box::pin(run(world)),
};

pub const ETCD: Promise = Promise {
    name: "certificates-are-made-anew-beside-etcd",
    about: "`certs rotate` and `certs rotate-ca` with an etcd of the chart's own, of one member and of three with as many control planes: etcd goes on under its own authority, nothing is lost, and it can be restarted afterwards",
    company: Company::NobodyForLong,
    fits: Fits::Default("it chooses its store"),
    run: |world| Box::pin(beside_etcd(world)),
};

async fn run(world: World) -> Result<()> {
    anew(&world.create("certs").await?).await
}

async fn beside_etcd(world: World) -> Result<()> {
    for members in [1, 3] {
        let set = json!({ "highAvailability": { "replicas": members } });
        let etcd = json!({ "deploy": { "enabled": true, "statefulSet": set } });
        let plane = json!({ "statefulSet": set, "backingStore": { "etcd": etcd } });
        let values = Some(json!({ "controlPlane": plane }));
        let cluster = world.create_with("certs", &Wish { values, ..Wish::default() }).await?;
        let before = etcds(&cluster).await?;
        ensure!(before.contains_key("etcd-ca.key"), "etcd has no authority of its own");
        anew(&cluster).await?;
        let after = etcds(&cluster).await?;
        ensure!(after == before, "etcd's files are others: its members must agree at every moment");
        for number in 0..members {
            lose(&cluster, &format!("{}-etcd-{number}", cluster.name)).await?;
        }
        holds("the API answers without the members that it began with", || async {
            connected(&cluster, &["--", "kubectl", "get", "pod", "early", "-o", "name"])
                .await?
                .succeeds()
        })
        .await?;
        world::delete(&cluster).await?;
    }
    Ok(())
}

/// What etcd's members and their clients have, as Secret NAME-certs has it.
async fn etcds(cluster: &VirtualCluster) -> Result<BTreeMap<String, Value>> {
    let secret = cluster.host.get(kind::SECRETS, &format!("{}-certs", cluster.name)).await?;
    let files = secret.pointer("/data").and_then(Value::as_object).context("it is empty")?;
    let of_etcd = files.iter().filter(|(name, _)| name.contains("etcd"));
    Ok(of_etcd.map(|(name, file)| (name.clone(), file.clone())).collect())
}

async fn anew(cluster: &VirtualCluster) -> Result<()> {
    let default = cluster.space("default");
    default.apply(&sample::pod("early", sample::idle())).await?;
    default.ready("early").await?;
    let pod = cluster.twin(kind::PODS, "default", "early").await?;
    let checked = certs(cluster, &["certs", "check", &cluster.name]).await?.succeeds()?;
    for wanted in ["client-ca", "admin", "good"] {
        ensure!(checked.stdout.contains(wanted), "{wanted} is not in {checked}");
    }

    let before = kept(cluster).await?;
    certs(cluster, &["certs", "rotate", &cluster.name]).await?.succeeds()?;
    let rotated = kept(cluster).await?;
    ensure!(rotated.1 != before.1, "the administrator's certificate is the old one");
    ensure!(rotated.0 == before.0, "the authority is another one");
    // The old kubeconfig is as good as before, and the syncer works with its new one.
    cluster.well().await?;
    default.apply(&sample::pod("later", sample::idle())).await?;
    default.ready("later").await?;

    certs(cluster, &["certs", "rotate-ca", &cluster.name, "-y"]).await?.succeeds()?;
    let replaced = kept(cluster).await?;
    ensure!(replaced.0 != rotated.0 && replaced.1 != rotated.1, "it is the old authority");
    ensure!(cluster.inside.text("/readyz").await.is_err(), "the old kubeconfig is good");
    let look = ["--", "kubectl", "get", "pod", "early", "later", "-o", "name"];
    let listed = connected(cluster, &look).await?.succeeds()?;
    ensure!(listed.stdout.contains("pod/later"), "{listed}");
    holds("the syncer mirrors", || async {
        let run = ["--", "kubectl", "label", "pod", "early", "seen=yes", "--overwrite"];
        connected(cluster, &run).await?.succeeds()?;
        let twin = cluster.twin(kind::PODS, "default", "early").await?;
        ensure!(text(&twin, "/metadata/labels/seen") == "yes", "the label is not on the host");
        Ok(())
    })
    .await?;
    let twin = cluster.twin(kind::PODS, "default", "early").await?;
    ensure!(
        text(&twin, "/metadata/uid") == text(&pod, "/metadata/uid"),
        "the pod on the host is another one"
    );
    Ok(())
}

/// The authority of clients, and the administrator's certificate.
async fn kept(cluster: &VirtualCluster) -> Result<(String, String)> {
    let secret = cluster.host.get(kind::SECRETS, &format!("{}-certs", cluster.name)).await?;
    let file = |name: &str| text(&secret, &format!("/data/{name}")).to_owned();
    Ok((file("client-ca.crt"), file("admin.crt")))
}

async fn certs(cluster: &VirtualCluster, args: &[&str]) -> Result<Said> {
    let context = cluster.home.context().await?;
    let place = ["-n", cluster.host.name.as_str(), "--context", &context];
    cluster.home.run(&[args, &place].concat()).await
}

async fn connected(cluster: &VirtualCluster, command: &[&str]) -> Result<Said> {
    let context = cluster.home.context().await?;
    let host = cluster.host.name.as_str();
    let place = ["connect", &cluster.name, "-n", host, "--context", &context];
    cluster.home.run(&[&place[..], command].concat()).await
}
