//! Stores other than SQLite.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use vcluster_config::images::{ETCD_REPOSITORY, ETCD_VERSION, KUBERNETES_REGISTRY};

use crate::suite::certificates::Authority;
use crate::suite::databases::{Engine, Server};
use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::virtual_cluster::{VirtualCluster, Wish};
use crate::suite::{Company, Fits, Promise, kind, sample, trouble, world::World};

pub const ETCD: Promise = Promise {
    name: "etcd-survives-the-loss-of-any-member",
    about: "with an etcd of three members each of them can be lost in turn under load: no acknowledged write is lost; pause and resume keep the data",
    company: Company::NobodyForLong,
    fits: Fits::Default("it chooses its store"),
    run: |world| Box::pin(etcd(world)),
};

pub const EXTERNAL_ETCD: Promise = Promise {
    name: "an-etcd-somewhere-else-is-used",
    about: "a virtual cluster keeps its objects in an etcd that it is told of, with certificates from a Secret, and finds them again after a restart",
    company: Company::NobodyForLong,
    fits: Fits::Default("it chooses its store"),
    run: |world| Box::pin(external_etcd(world)),
};

pub const POSTGRESQL: Promise = Promise {
    name: "postgresql-is-used",
    about: "a virtual cluster keeps its objects in PostgreSQL, over TLS, and finds them again after a restart",
    company: Company::NobodyForLong,
    fits: Fits::Default("it chooses its store"),
    run: |world| Box::pin(database(world, Engine::PostgreSql)),
};

pub const MYSQL: Promise = Promise {
    name: "mysql-is-used",
    about: "a virtual cluster keeps its objects in MySQL, over TLS, and finds them again after a restart",
    company: Company::NobodyForLong,
    fits: Fits::Default("it chooses its store"),
    run: |world| Box::pin(database(world, Engine::MySql)),
};

/// How many members.
const MEMBERS: u32 = 3;

async fn etcd(world: World) -> Result<()> {
    let set = json!({ "highAvailability": { "replicas": MEMBERS } });
    let deploy = json!({ "enabled": true, "statefulSet": set });
    let cluster =
        world.create_with("etcd", &with_store(json!({ "etcd": { "deploy": deploy } }))).await?;
    for number in 0..MEMBERS {
        cluster.host.ready(&member(&cluster, number)).await?;
    }
    let losses = async {
        for number in 0..MEMBERS {
            lose(&cluster, &member(&cluster, number)).await?;
        }
        anyhow::Ok(())
    };
    let (steady, waves) = trouble::befalls(&cluster, losses).await?;
    steady.untouched().await?;

    cluster.home.run(&["pause", &cluster.name]).await?.succeeds()?;
    let pods = cluster.host.list(kind::PODS, "").await?;
    ensure!(pods.is_empty(), "pause leaves {} pods, etcd's perhaps", pods.len());
    cluster.home.run(&["resume", &cluster.name]).await?.succeeds()?;
    cluster.well().await?;
    waves.as_acknowledged().await
}

async fn external_etcd(world: World) -> Result<()> {
    let host = world.host_namespace("etcd").await?;
    let authority = Authority::make()?;
    let pair = authority.sign(&["elsewhere".to_owned(), "localhost".to_owned()], &[])?;
    let files = json!({ "ca.crt": authority.certificate, "tls.crt": pair.certificate, "tls.key": pair.key });
    host.apply(&sample::secret("etcd-tls", files)).await?;
    host.apply(&elsewhere()).await?;
    let ports = json!({ "ports": [{ "port": 2379 }] });
    host.apply(&sample::with(sample::service("elsewhere"), "/spec", ports)).await?;
    host.ready("elsewhere").await?;

    let external = json!({ "enabled": true, "endpoint": "https://elsewhere:2379", "tls": { "secret": "etcd-tls" } });
    let wish = with_store(json!({ "etcd": { "external": external } }));
    let cluster =
        world.create_with("external", &Wish { namespace: Some(host.name.clone()), ..wish }).await?;
    keeps_its_objects(&cluster).await?;
    let keys = "etcdctl --endpoints=https://localhost:2379 --cacert=/tls/ca.crt --cert=/tls/tls.crt --key=/tls/tls.key get /registry/configmaps/default/kept --keys-only";
    let words: Vec<&str> = ["exec", "elsewhere", "--"].into_iter().chain(keys.split(' ')).collect();
    let found = host.kubectl(&words).await?;
    ensure!(
        found.contains("/registry/configmaps/default/kept"),
        "it is not in that etcd: {found:?}"
    );
    Ok(())
}

/// An etcd of one member that takes only clients with a certificate.
fn elsewhere() -> Value {
    let container = json!({
        "name": "etcd",
        "image": format!("{KUBERNETES_REGISTRY}/{ETCD_REPOSITORY}:{ETCD_VERSION}"),
        "command": [
            "etcd", "--data-dir=/data", "--listen-client-urls=https://0.0.0.0:2379", "--client-cert-auth",
            "--advertise-client-urls=https://elsewhere:2379", "--trusted-ca-file=/tls/ca.crt",
            "--cert-file=/tls/tls.crt", "--key-file=/tls/tls.key", "--listen-metrics-urls=http://0.0.0.0:2381",
        ],
        "readinessProbe": { "httpGet": { "path": "/readyz", "port": 2381 }, "periodSeconds": 1 },
        "volumeMounts": [{ "name": "tls", "mountPath": "/tls" }, { "name": "data", "mountPath": "/data" }],
    });
    let volumes = json!({ "volumes": [
        { "name": "tls", "secret": { "secretName": "etcd-tls" } },
        { "name": "data", "emptyDir": {} },
    ]});
    sample::with(sample::pod("elsewhere", container), "/spec", volumes)
}

async fn database(world: World, engine: Engine) -> Result<()> {
    let (_server, wish) = in_a_database(&world, engine).await?;
    keeps_its_objects(&world.create_with("database", &wish).await?).await
}

/// Starts a database, and answers how a virtual cluster comes to use it for as long as it runs.
pub(super) async fn in_a_database(world: &World, engine: Engine) -> Result<(Server, Wish)> {
    let server = Server::start(engine, world.bed().layout.root_ip()).await?;
    let host = world.host_namespace("database").await?;
    host.apply(&sample::secret("database", json!({ "where": server.data_source("kine") }))).await?;
    host.apply(&sample::secret("database-tls", json!({ "ca.crt": server.authority }))).await?;
    let external = json!({
        "enabled": true,
        "dataSourceSecret": { "name": "database", "key": "where" },
        "tlsSecret": "database-tls",
    });
    let wish = with_store(json!({ "database": { "external": external } }));
    Ok((server, Wish { namespace: Some(host.name), ..wish }))
}

/// Makes something, takes the control plane away, and looks whether it is still there.
async fn keeps_its_objects(cluster: &VirtualCluster) -> Result<()> {
    let claims = cluster.host.list(kind::CLAIMS, "").await?;
    ensure!(claims.is_empty(), "a control plane without data needs no claim");
    let default = cluster.space("default");
    let made = default.apply(&sample::config_map("kept", json!({ "a": "b" }))).await?;
    default.apply(&sample::pod("web", sample::web())).await?;
    let pod = default.ready("web").await?;
    lose(cluster, &format!("{}-0", cluster.name)).await?;
    cluster.well().await?;
    let kept = default.get(kind::CONFIG_MAPS, "kept").await?;
    ensure!(text(&kept, "/metadata/uid") == text(&made, "/metadata/uid"), "it is another one");
    let same = default.ready("web").await?;
    ensure!(text(&same, "/metadata/uid") == text(&pod, "/metadata/uid"), "the pod was replaced");
    Ok(())
}

/// A wish for a store.
fn with_store(store: Value) -> Wish {
    let values = json!({ "controlPlane": { "backingStore": store } });
    Wish { values: Some(values), ..Wish::default() }
}

fn member(cluster: &VirtualCluster, number: u32) -> String {
    format!("{}-etcd-{number}", cluster.name)
}

/// Takes a pod away without a warning, and waits until another stands in for it.
pub(super) async fn lose(cluster: &VirtualCluster, pod: &str) -> Result<()> {
    let before = cluster.host.get(kind::PODS, pod).await?;
    cluster.host.kubectl(&["delete", "pod", pod, "--force", "--grace-period=0"]).await?;
    holds(&format!("another {pod} is ready"), || async {
        let now = cluster.host.ready(pod).await?;
        let is_new = text(&now, "/metadata/uid") != text(&before, "/metadata/uid");
        ensure!(is_new, "it is still the old one");
        Ok(())
    })
    .await
}
