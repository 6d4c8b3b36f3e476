//! Several virtual clusters on one host.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::virtual_cluster::{VirtualCluster, Wish};
use crate::suite::{Company, Fits, Promise, Setting, kind, sample, world::World};

pub const BESIDE: Promise = Promise {
    name: "two-virtual-clusters-side-by-side",
    about: "two virtual clusters in one host namespace hold objects of the same names and do not notice each other",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(beside(world)),
};

pub const NESTED: Promise = Promise {
    name: "virtual-clusters-three-deep",
    about: "a virtual cluster hosts a virtual cluster that hosts another one, whose pods run on the real nodes",
    company: Company::Any,
    fits: Fits::AllBut(
        &[Setting::EtcdHa],
        "nine control planes and nine members of etcd are too many for one machine",
    ),
    run: |world| Box::pin(nested(world)),
};

async fn beside(world: World) -> Result<()> {
    let host = world.host_namespace("street").await?;
    let wish = Wish { namespace: Some(host.name.clone()), ..Wish::default() };
    let left = world.create_with("left", &wish).await?;
    let said =
        left.home.run(&["create", &world.name("third"), "-n", &host.name]).await?.ends_with(6)?;
    said.complains(&["--reuse-namespace"])?;
    let wish = Wish { args: vec!["--reuse-namespace".into()], ..wish };
    let right = world.create_with("right", &wish).await?;
    for (cluster, word) in [(&left, "left"), (&right, "right")] {
        inhabit(cluster, word).await?;
    }
    for (cluster, word) in [(&left, "left"), (&right, "right")] {
        let answer = ask(cluster).await?;
        ensure!(answer == word, "in {word} the Service answers {answer:?}");
    }
    // One goes, the other stays as it is.
    let before = right.twin(kind::PODS, "default", "web").await?;
    left.home.run(&["delete", &left.name, "-n", &host.name, "-y"]).await?.succeeds()?;
    ensure!(left.twins(kind::PODS).await?.is_empty(), "the deleted one left pods");
    let after = right.twin(kind::PODS, "default", "web").await?;
    ensure!(
        text(&after, "/metadata/uid") == text(&before, "/metadata/uid"),
        "the other one's pod was replaced"
    );
    let answer = ask(&right).await?;
    ensure!(answer == "right", "the other one answers {answer:?}");
    Ok(())
}

/// The same objects under the same names, but for one word.
async fn inhabit(cluster: &VirtualCluster, word: &str) -> Result<()> {
    let default = cluster.space("default");
    default.apply(&sample::config_map("who", json!({ "word": word }))).await?;
    let env = json!({ "env": [{ "name": "WORD", "valueFrom": { "configMapKeyRef": { "name": "who", "key": "word" } } }] });
    default.apply(&sample::pod("web", sample::with(sample::web(), "", env))).await?;
    default.apply(&sample::service("web")).await?;
    default.ready("web").await.map(drop)
}

/// What the pod behind the Service says its word is.
async fn ask(cluster: &VirtualCluster) -> Result<String> {
    let default = cluster.space("default");
    let fetch = "wget -q -O - 'http://web.default/shell?shellCommand=echo+$WORD'";
    let said = holds("the Service answers", || default.sh("web", fetch)).await?;
    let said: serde_json::Value = serde_json::from_str(&said)?;
    Ok(text(&said, "/output").trim().to_owned())
}

async fn nested(world: World) -> Result<()> {
    let mut chain: Vec<VirtualCluster> = Vec::new();
    for depth in ["one", "two", "three"] {
        let host = chain.last().map_or(world.host(), |above| &above.inside);
        chain.push(world.create_on(&host.clone(), depth, &Wish::default()).await?);
    }
    let Some(deepest) = chain.last() else { anyhow::bail!("there is none") };
    let default = deepest.space("default");
    default.apply(&sample::pod("web", sample::web())).await?;
    default.apply(&sample::service("web")).await?;
    let pod = default.ready("web").await?;
    let fetch = "wget -q -O - http://web.default.svc.cluster.local/hostname";
    let answer = holds("the Service answers", || default.sh("web", fetch)).await?;
    ensure!(answer == "web", "it answers {answer:?}");

    // Up the chain: at every level one pod stands for it, and all have its address.
    let (mut namespace, mut name) = ("default".to_owned(), "web".to_owned());
    for cluster in chain.iter().rev() {
        let twin = cluster.twin(kind::PODS, &namespace, &name).await?;
        ensure!(
            text(&twin, "/status/podIP") == text(&pod, "/status/podIP"),
            "in {} the address differs",
            cluster.host.name
        );
        namespace = text(&twin, "/metadata/namespace").to_owned();
        name = text(&twin, "/metadata/name").to_owned();
    }
    let real = world.host().get(kind::PODS, &namespace, &name).await?;
    ensure!(text(&real, "/spec/nodeName").starts_with("node"), "it does not run on a real node");
    default.delete(kind::PODS, "web").await?;
    holds("it is gone from the real host", || async {
        ensure!(world.host().find(kind::PODS, &namespace, &name).await?.is_none(), "it is there");
        Ok(())
    })
    .await
}
