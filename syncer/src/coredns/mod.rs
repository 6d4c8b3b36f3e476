//! CoreDNS inside the virtual cluster: its manifests, as they are applied there at start.
//!
//! Pure rendering; who applies them leaves `data.NodeHosts` of ConfigMap `coredns` alone where it exists: that key is
//! kept by whoever knows the nodes ([`node_hosts`]).

mod corefile;
mod selector;
mod workload;

use std::net::IpAddr;

use serde_json::{Value, json};
use vcluster_config::{Config, DistroKind, Fragment, Problem, images, manifests as parse};
use vcluster_syncer_core::json;

pub use selector::{Selector, selector};

/// The namespace inside that everything here is in.
pub const NAMESPACE: &str = "kube-system";
/// The ConfigMap that holds the Corefile and the node names.
pub const CONFIG_MAP: &str = "coredns";
/// The key of [`CONFIG_MAP`] that holds the node names.
pub const NODE_HOSTS: &str = "NodeHosts";
/// The Service through which pods ask.
pub const SERVICE: &str = "kube-dns";
/// The label `k8s-app` of pods and Service.
pub const APP: &str = "vcluster-kube-dns";
/// Where CoreDNS listens: above 1024, since it runs without rights.
const PORT: u16 = 1053;

/// What the manifests depend on.
#[derive(Debug, Clone)]
pub struct Settings<'a> {
    /// The options.
    pub config: &'a Config,
    /// The host's DNS server, for `networking.advanced.fallbackHostCluster`.
    pub host_dns: Option<IpAddr>,
}

/// Every object to be applied in the virtual cluster, in order. Empty when CoreDNS is turned off.
///
/// # Errors
/// When `controlPlane.coredns.overwriteManifests` is not YAML.
pub fn manifests(settings: &Settings<'_>) -> Result<Vec<json::Value>, Problem> {
    let coredns = &settings.config.control_plane.coredns;
    if !coredns.enabled {
        return Ok(Vec::new());
    }
    if !coredns.overwrite_manifests.is_empty() {
        let text = coredns.overwrite_manifests.replace("{{.IMAGE}}", &image(settings.config));
        let objects = parse("controlPlane.coredns.overwriteManifests", &text)?;
        return Ok(objects.into_iter().map(Into::into).collect());
    }
    let objects = [
        account(),
        role(),
        binding(),
        config_map(settings),
        workload::deployment(settings.config, &image(settings.config)),
        workload::service(&coredns.service),
    ];
    Ok(objects.map(Into::into).into())
}

/// The image that runs.
#[must_use]
pub fn image(config: &Config) -> String {
    let wanted = &config.control_plane.coredns.deployment.image;
    if !wanted.is_empty() {
        return wanted.clone();
    }
    let (registry, repository, tag) = match config.control_plane.distro.kind() {
        DistroKind::K8s | DistroKind::K3s | DistroKind::K0s => {
            (images::KUBERNETES_REGISTRY, images::COREDNS_REPOSITORY, images::COREDNS_VERSION)
        }
        DistroKind::Eks => {
            (images::EKS_REGISTRY, images::EKS_COREDNS_REPOSITORY, images::EKS_COREDNS_VERSION)
        }
    };
    let registry = match config.control_plane.advanced.default_image_registry.trim_end_matches('/')
    {
        "" => registry,
        registry => registry,
    };
    format!("{registry}/{repository}:{tag}")
}

/// The text of key [`NODE_HOSTS`]: a line for each node, sorted.
#[must_use]
pub fn node_hosts<'a>(nodes: impl IntoIterator<Item = (IpAddr, &'a str)>) -> String {
    let mut lines: Vec<String> =
        nodes.into_iter().map(|(address, name)| format!("{address} {name}\n")).collect();
    lines.sort();
    lines.concat()
}

fn account() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": { "name": "coredns", "namespace": NAMESPACE },
    })
}

fn role() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": "system:coredns", "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" } },
        "rules": [
            { "apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"] },
            { "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"] },
        ],
    })
}

fn binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": "system:coredns", "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" } },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns" },
        "subjects": [{ "kind": "ServiceAccount", "name": "coredns", "namespace": NAMESPACE }],
    })
}

fn config_map(settings: &Settings<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": CONFIG_MAP, "namespace": NAMESPACE },
        "data": { "Corefile": corefile::text(settings), NODE_HOSTS: "" },
    })
}

/// Lays `over` over `base`, maps into maps.
fn merged(mut base: Value, over: &Fragment) -> Value {
    if let Value::Object(base) = &mut base {
        vcluster_config::merge(base, over.clone());
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(yaml: &str) -> Vec<json::Value> {
        let config = vcluster_config::load("test", yaml).unwrap().config;
        manifests(&Settings { config: &config, host_dns: Some("10.96.0.10".parse().unwrap()) })
            .unwrap()
    }

    fn kind<'a>(objects: &'a [json::Value], kind: &str) -> &'a json::Value {
        objects.iter().find(|object| object["kind"] == kind).unwrap()
    }

    #[test]
    fn pods_and_service_belong_together() {
        let objects = render("");
        let (deployment, service) = (kind(&objects, "Deployment"), kind(&objects, "Service"));
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        assert_eq!(&deployment["spec"]["selector"]["matchLabels"]["k8s-app"], &labels["k8s-app"]);
        assert_eq!(&service["spec"]["selector"]["k8s-app"], &labels["k8s-app"]);
        assert_eq!(service["metadata"]["name"], "kube-dns");
        assert!(service["spec"].get("clusterIP").is_none(), "the host chooses");
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], "registry.k8s.io/coredns/coredns:v1.15.0");
        for port in service["spec"]["ports"].as_array().unwrap() {
            let listening = container["ports"].as_array().unwrap();
            let same = |have: &&json::Value| {
                have["name"] == port["targetPort"] && have["protocol"] == port["protocol"]
            };
            assert!(listening.iter().any(|have| same(&have)), "{port}");
        }
        assert!(deployment["spec"]["template"]["spec"].get("priorityClassName").is_none());
    }

    #[test]
    fn options_reach_the_objects() {
        let objects = render(
            "controlPlane:
  advanced: { defaultImageRegistry: registry.example.com }
  coredns:
    priorityClassName: high
    security: { containerSecurityContext: { runAsUser: 7 } }
    service: { annotations: { a: b }, spec: { type: LoadBalancer } }
    deployment: { replicas: 2, nodeSelector: { x: z }, pods: { labels: { team: a } }, resources: { limits: { cpu: 2 } } }
",
        );
        let deployment = kind(&objects, "Deployment");
        let pod = &deployment["spec"]["template"];
        assert_eq!(deployment["spec"]["replicas"], 2);
        assert_eq!(pod["metadata"]["labels"]["team"], "a");
        assert_eq!(pod["metadata"]["labels"]["k8s-app"], APP);
        assert_eq!(pod["spec"]["nodeSelector"]["x"], "z");
        assert_eq!(pod["spec"]["priorityClassName"], "high");
        let container = &pod["spec"]["containers"][0];
        assert_eq!(container["image"], "registry.example.com/coredns/coredns:v1.15.0");
        assert_eq!(container["securityContext"]["runAsUser"], 7);
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["resources"]["limits"]["cpu"], 2);
        let service = kind(&objects, "Service");
        assert_eq!(
            (&service["spec"]["type"], &service["metadata"]["annotations"]["a"]),
            (&"LoadBalancer".into(), &"b".into())
        );
    }

    #[test]
    fn each_distribution_has_its_own() {
        let objects = render("controlPlane: { distro: { eks: { enabled: true } } }");
        let pod = &kind(&objects, "Deployment")["spec"]["template"]["spec"];
        let image = pod["containers"][0]["image"].as_str().unwrap();
        assert!(image.starts_with("public.ecr.aws/eks-distro/coredns/coredns:v1."), "{image}");
    }

    #[test]
    fn it_can_be_turned_off_or_replaced() {
        assert!(render("controlPlane: { coredns: { enabled: false } }").is_empty());
        let own = "controlPlane: { coredns: { overwriteManifests: \"kind: A\\nimage: '{{.IMAGE}}'\\n---\\nkind: B\\n\" } }";
        let objects = render(own);
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0]["image"], "registry.k8s.io/coredns/coredns:v1.15.0");
    }

    #[test]
    fn node_names_are_lines() {
        let nodes = [("10.0.0.2".parse().unwrap(), "b"), ("10.0.0.1".parse().unwrap(), "a")];
        assert_eq!(node_hosts(nodes), "10.0.0.1 a\n10.0.0.2 b\n");
    }
}
