//! Distributions of Kubernetes.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::suite::space::text;
use crate::suite::virtual_cluster::Wish;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const EKS: Promise = Promise {
    name: "eks-distro-runs",
    about: "with `controlPlane.distro.eks` the programs, CoreDNS too, are those of EKS Distro, and a pod runs and asks DNS",
    company: Company::Any,
    fits: Fits::Default("it chooses the distribution"),
    run: |world| Box::pin(eks(world)),
};

async fn eks(world: World) -> Result<()> {
    let values = json!({ "controlPlane": { "distro": { "eks": { "enabled": true } } } });
    let cluster =
        world.create_with("eks", &Wish { values: Some(values), ..Wish::default() }).await?;

    let used = images(&cluster.control_plane().await?);
    for program in ["kube-apiserver", "kube-controller-manager"] {
        let wanted = format!("public.ecr.aws/eks-distro/kubernetes/{program}:v1.34.4-eks-");
        ensure!(used.iter().any(|image| image.starts_with(&wanted)), "no {wanted} in {used:?}");
    }
    let dns = cluster.space("kube-system").list(kind::PODS, "k8s-app=vcluster-kube-dns").await?;
    let used: Vec<String> = dns.iter().flat_map(images).collect();
    ensure!(
        used.iter().any(|image| image.starts_with("public.ecr.aws/eks-distro/coredns/coredns:")),
        "CoreDNS is {used:?}"
    );

    let default = cluster.space("default");
    let script = "nslookup kubernetes.default.svc.cluster.local";
    default.create(&sample::once("first", script)).await?;
    let answer = default.output("first").await?;
    let service = default.get(kind::SERVICES, "kubernetes").await?;
    ensure!(answer.contains(text(&service, "/spec/clusterIP")), "DNS answers:\n{answer}");
    Ok(())
}

/// The images of a pod's containers.
fn images(pod: &Value) -> Vec<String> {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    containers.into_iter().flatten().map(|it| text(it, "/image").to_owned()).collect()
}
