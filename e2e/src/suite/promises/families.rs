//! Hosts whose nodes, pods and Services have addresses of both families, or of IPv6 only.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::suite::cluster::Cluster;
use crate::suite::holds::holds;
use crate::suite::space::{Space, text};
use crate::suite::virtual_cluster::{VirtualCluster, Wish, host_of};
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};
use crate::testbed::Families;

pub const DUAL: Promise = Promise {
    name: "both-families-of-addresses",
    about: "on a dual-stack host both service ranges are found; Services, pods and DNS have the addresses of both families on both sides, in whichever order is asked for; the API server answers at each of its Service's addresses",
    company: Company::OwnHost,
    fits: Fits::Default("it has a host of its own, and no database reaches that"),
    run: |world| Box::pin(dual(world)),
};

pub const IPV6: Promise = Promise {
    name: "the-newer-family-alone-is-enough",
    about: "on a host without IPv4 a virtual cluster with SQLite or etcd comes up, and is reached by address and through a forwarder; pods, Services, DNS and the kubelet API work",
    company: Company::OwnHost,
    fits: Fits::Default("it has a host of its own, and no database reaches that"),
    run: |world| Box::pin(alone(world)),
};

async fn dual(world: World) -> Result<()> {
    let host = world.host_with(Families::Dual).await?;
    for (name, families) in [("four-six", ["IPv4", "IPv6"]), ("six-four", ["IPv6", "IPv4"])] {
        let spec = json!({ "ipFamilyPolicy": "RequireDualStack", "ipFamilies": families });
        let values = json!({ "controlPlane": { "service": { "spec": spec } } });
        let wish = Wish { values: Some(values), ..Wish::default() };
        let cluster = world.create_on(&host, name, &wish).await?;
        works(&cluster, &families).await?;
        let space = cluster.space("default");
        for (name, policy, wanted) in [
            ("four", "SingleStack", &["IPv4"][..]),
            ("six", "SingleStack", &["IPv6"]),
            ("both", "RequireDualStack", &["IPv6", "IPv4"]),
        ] {
            let wish = json!({ "ipFamilyPolicy": policy, "ipFamilies": wanted });
            is_reached(&cluster, &space, name, wish, wanted).await?;
        }
        let wish = json!({ "ipFamilyPolicy": "PreferDualStack" });
        is_reached(&cluster, &space, "default-order", wish, &families).await?;
    }
    Ok(())
}

async fn alone(world: World) -> Result<()> {
    let host = world.host_with(Families::Ipv6).await?;
    let cluster = world.create_on(&host, "six", &Wish::default()).await?;
    works(&cluster, &["IPv6"]).await?;
    let space = cluster.space("default");
    let wish = json!({ "ipFamilyPolicy": "PreferDualStack" });
    is_reached(&cluster, &space, "six", wish, &["IPv6"]).await?;
    in_every_way(&cluster).await?;

    let etcd = json!({ "etcd": { "deploy": { "enabled": true } } });
    let values =
        json!({ "controlPlane": { "backingStore": etcd }, "policies": { "isolate": true } });
    let wish = Wish { values: Some(values), ..Wish::default() };
    let cluster = world.create_on(&host, "six-etcd", &wish).await?;
    let space = cluster.space("default");
    space.apply(&sample::pod("web", sample::web())).await?;
    space.ready("web").await.map(drop)
}

/// The API server at each of its addresses, pods, and the kubelet API.
async fn works(cluster: &VirtualCluster, families: &[&str]) -> Result<()> {
    api_server_answers(cluster, families).await?;
    let space = cluster.space("default");
    space.apply(&sample::pod("web", sample::web())).await?;
    space.apply(&sample::pod("client", sample::script("sleep 100000"))).await?;
    pods_have_all(cluster, &space, families.len()).await?;
    // Through the address of a virtual node.
    let said = space.sh("client", "echo reached").await?;
    ensure!(said.trim() == "reached", "exec says {said:?}");
    space.kubectl(&["logs", "web"]).await?;
    let asks = "/agnhost connect kubernetes.default:443 --timeout=5s";
    holds("a pod reaches its API server by name", || space.sh("web", asks)).await.map(drop)
}

/// At all addresses of its Service, with a certificate that is good for them.
async fn api_server_answers(cluster: &VirtualCluster, families: &[&str]) -> Result<()> {
    let service = cluster.host.get(kind::SERVICES, &cluster.name).await?;
    let addresses = strings(&service, "/spec/clusterIPs")?;
    ensure!(addresses.len() == families.len(), "its addresses are {addresses:?}");
    for address in addresses {
        let server = format!("--server=https://{}", host_of(&address));
        let args = ["get", "namespace", "kube-system", "--output", "name", &server];
        holds(&format!("the API server answers at {address}"), || {
            let space = cluster.space("default");
            async move { space.kubectl(&args).await }
        })
        .await?;
    }
    let inside = cluster.space("default").get(kind::SERVICES, "kubernetes").await?;
    let (a, b) = (text(&inside, "/spec/clusterIP"), text(&service, "/spec/clusterIP"));
    ensure!(a == b, "default/kubernetes has {a}, Service {} on the host {b}", cluster.name);
    Ok(())
}

async fn pods_have_all(cluster: &VirtualCluster, space: &Space, families: usize) -> Result<()> {
    for name in ["web", "client"] {
        let pod = space.ready(name).await?;
        let twin = cluster.twin(kind::PODS, &space.name, name).await?;
        for list in ["/status/podIPs", "/status/hostIPs"] {
            let (inside, outside) = (pod.pointer(list), twin.pointer(list));
            ensure!(inside == outside, "{name} has {list} {inside:?}, on the host {outside:?}");
            let count = inside.and_then(Value::as_array).map_or(0, Vec::len);
            ensure!(count == families, "{name} has {count} {list}");
        }
    }
    Ok(())
}

/// A Service has the same addresses on both sides, which answer, and which DNS knows.
async fn is_reached(
    cluster: &VirtualCluster,
    space: &Space,
    name: &str,
    wish: Value,
    families: &[&str],
) -> Result<()> {
    let service = sample::with(sample::service("web"), "/metadata", json!({ "name": name }));
    space.apply(&sample::with(service, "/spec", wish)).await?;
    let addresses = holds(&format!("Service {name} is the same on both sides"), || async {
        let inside = space.get(kind::SERVICES, name).await?;
        let twin = cluster.twin(kind::SERVICES, &space.name, name).await?;
        for field in ["/spec/clusterIPs", "/spec/ipFamilies", "/spec/ipFamilyPolicy"] {
            let (a, b) = (inside.pointer(field), twin.pointer(field));
            ensure!(a == b, "{field} is {a:?}, on the host {b:?}");
        }
        let found = strings(&inside, "/spec/ipFamilies")?;
        ensure!(found == families, "its families are {found:?}");
        strings(&inside, "/spec/clusterIPs")
    })
    .await?;
    ensure!(addresses.len() == families.len(), "{name} has {addresses:?}");
    // With the dot the search list is left out; a family that there is none of fails the program.
    let look = format!("nslookup {name}.default.svc.cluster.local. || true");
    for address in &addresses {
        let fetch = format!("timeout 5 wget -q -O - http://{}/hostname", host_of(address));
        let answer =
            holds(&format!("{name} answers at {address}"), || space.sh("client", &fetch)).await?;
        ensure!(answer.trim() == "web", "{name} answers {answer:?} at {address}");
        holds(&format!("DNS knows {address}"), || async {
            let found = space.sh("client", &look).await?;
            ensure!(found.contains(address.as_str()), "it says:\n{found}");
            Ok(())
        })
        .await?;
    }
    let by_name = format!("/agnhost connect {name}:80 --timeout=5s");
    holds(&format!("{name} is reached by name"), || space.sh("web", &by_name)).await.map(drop)
}

/// By an address as `kubectl get service` shows it, and through a forwarder.
async fn in_every_way(cluster: &VirtualCluster) -> Result<()> {
    let service = cluster.host.get(kind::SERVICES, &cluster.name).await?;
    let file = cluster.home.path("ways.kubeconfig");
    let file = file.to_str().context("the home's path is not UTF-8")?;
    let context = cluster.home.context().await?;
    let connect =
        ["connect", &cluster.name, "--namespace", &cluster.host.name, "--context", &context];
    let output = ["--update-current=false", "--kube-config", file];
    for way in [&["--server", text(&service, "/spec/clusterIP")][..], &[]] {
        let args = [&connect[..], &output, way].concat();
        cluster.home.run(&args).await?.succeeds()?;
        let inside = Cluster::open(&cluster.inside.kubectl, std::path::Path::new(file)).await?;
        inside.space("default").kubectl(&["get", "namespace", "default"]).await?;
    }
    Ok(())
}

fn strings(object: &Value, pointer: &str) -> Result<Vec<String>> {
    let list = object.pointer(pointer).and_then(Value::as_array).context(pointer.to_owned())?;
    Ok(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}
