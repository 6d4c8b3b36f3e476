//! The main job: one command, and there is a whole cluster.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::cluster::Cluster;
use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::{Company, Fits, Promise, Setting, kind, sample, world::World};

pub const PROMISE: Promise = Promise {
    name: "create-connects",
    about: "`vcluster create NAME` ends connected to a usable cluster, behind a forwarder that reconnects by itself",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(run(world)),
};

async fn run(world: World) -> Result<()> {
    let home = world.home(world.host())?;
    let host_context = home.context().await?;
    let name = world.name("my-vc");
    let namespace = format!("vcluster-{name}");
    world.will_make(world.host(), &home, &name, None);

    let said = home.run(&["create", &name]).await?.succeeds()?;
    ensure!(said.stdout.is_empty(), "standard output is for data, and create has none: {said}");
    ensure!(said.stderr.lines().count() >= 4, "the steps are shown as they happen: {said}");
    let context = home.context().await?;
    ensure!(
        context == format!("vcluster_{name}_{namespace}_{host_context}"),
        "the current context is {context}"
    );
    let inside = Cluster::open(&world.host().kubectl, &home.kubeconfig()).await?;

    // At once, as a user would: a first pod, which asks DNS.
    let default = inside.space("default");
    let script = "nslookup kubernetes.default.svc.cluster.local";
    default.create(&sample::once("first", script)).await?;
    let answer = default.output("first").await?;
    let service = default.get(kind::SERVICES, "kubernetes").await?;
    ensure!(
        answer.contains(text(&service, "/spec/clusterIP")),
        "DNS does not name the API server's address:\n{answer}"
    );

    looks_as_documented(&world, &name, &namespace).await?;

    let [forwarder] = home.forwarders()[..] else {
        anyhow::bail!("there is not one forwarder but {:?}", home.forwarders());
    };
    let host = world.host().space(&namespace);
    let control_plane = format!("{name}-0");
    let before = host.get(kind::PODS, &control_plane).await?;
    host.delete(kind::PODS, &control_plane).await?;
    holds("the forwarder has found the new control plane", || async {
        let now = host.get(kind::PODS, &control_plane).await?;
        ensure!(
            text(&now, "/metadata/uid") != text(&before, "/metadata/uid"),
            "the old one is there"
        );
        default.get(kind::PODS, "first").await
    })
    .await?;
    ensure!(home.forwarders() == [forwarder], "it is another forwarder: {:?}", home.forwarders());
    Ok(())
}

/// Scripts and other tools rely on these; and it is made as the setting says.
pub(super) async fn looks_as_documented(world: &World, name: &str, namespace: &str) -> Result<()> {
    let made = world.host().get(kind::NAMESPACES, "", namespace).await?;
    ensure!(
        text(&made, "/metadata/annotations/vcluster.loft.sh~1created") == "true",
        "the namespace does not say that create made it"
    );
    let host = world.host().space(namespace);
    let set = host.get(kind::STATEFUL_SETS, name).await?;
    ensure!(
        text(&set, "/metadata/labels/app") == "vcluster"
            && text(&set, "/metadata/labels/release") == name,
        "the StatefulSet's labels are {:?}",
        set.pointer("/metadata/labels")
    );
    let setting = world.setting();
    let replicas = set.pointer("/spec/replicas");
    ensure!(replicas == Some(&json!(setting.replicas())), "there are {replicas:?} replicas");
    let containers = set.pointer("/spec/template/spec/containers").and_then(|list| list.as_array());
    let images: Vec<&str> =
        containers.into_iter().flatten().map(|container| text(container, "/image")).collect();
    for image in programs(setting) {
        ensure!(images.iter().any(|used| used.contains(image)), "no {image} among {images:?}");
    }
    let claim = match setting {
        Setting::Sqlite | Setting::Eks | Setting::Isolated => format!("data-{name}-0"),
        Setting::EtcdHa => format!("data-{name}-etcd-{}", setting.replicas() - 1),
        // Where the objects are kept is told by a Secret.
        Setting::Postgresql | Setting::Mysql => String::new(),
    };
    if claim.is_empty() {
        host.get(kind::SECRETS, &format!("vc-database-{name}")).await?;
    } else {
        let claim = host.get(kind::CLAIMS, &claim).await?;
        ensure!(text(&claim, "/status/phase") == "Bound", "the store has no volume");
    }
    let quota = host.find(kind::QUOTAS, &format!("vc-{name}")).await?;
    ensure!(quota.is_some() == (setting == Setting::Isolated), "its quota is {quota:?}");
    host.get(kind::SECRETS, &format!("vc-{name}")).await.map(drop)
}

/// The images of the control plane.
fn programs(setting: Setting) -> &'static [&'static str] {
    match setting {
        Setting::Eks => &[
            "public.ecr.aws/eks-distro/kubernetes/kube-apiserver:",
            "public.ecr.aws/eks-distro/kubernetes/kube-controller-manager:",
            "rancher/kine:",
        ],
        Setting::EtcdHa => {
            &["registry.k8s.io/kube-apiserver:", "registry.k8s.io/kube-controller-manager:"]
        }
        Setting::Sqlite | Setting::Postgresql | Setting::Mysql | Setting::Isolated => &[
            "registry.k8s.io/kube-apiserver:",
            "registry.k8s.io/kube-controller-manager:",
            "rancher/kine:",
        ],
    }
}
