//! Distributions.

use serde_json::{Value, json};
use vcluster_config::images::{EKS_RELEASES, EKS_VERSION, KUBERNETES_VERSION};

use vcluster_syncer::init::MARKER;

use crate::pod::{as_before, container, containers};
use crate::render::render;

const DISTROS: [&str; 4] = ["k8s", "eks", "k3s", "k0s"];
const PROGRAMS: [&str; 2] = ["kube-apiserver", "kube-controller-manager"];

fn with_eks(more: Value) -> Value {
    let mut values = json!({ "controlPlane": { "distro": { "eks": { "enabled": true } } } });
    if let Some(distro) = values.pointer_mut("/controlPlane/distro").and_then(Value::as_object_mut)
    {
        for (key, value) in more.as_object().unwrap() {
            let mut value = value.clone();
            if key == "eks" {
                value["enabled"] = true.into();
            }
            distro.insert(key.clone(), value);
        }
    }
    values
}

#[test]
fn both_render_as_before() {
    as_before("k8s", &render(&json!({})));
    as_before("eks", &render(&with_eks(json!({}))));
}

/// The kubelet starts containers in their order, and the next one when the last one's hook has ended.
#[test]
fn programs_are_held_until_the_syncer_has_prepared() {
    for distro in DISTROS {
        let distros = json!({ distro: { "enabled": true } });
        let objects = render(&json!({ "controlPlane": { "distro": distros } }));
        let first = containers(&objects)[0];
        assert_eq!(first, "syncer", "{distro}");
        let syncer = container(&objects, first);
        let hook = syncer["lifecycle"]["postStart"]["exec"]["command"].as_array().unwrap();
        let awaited = format!("file:///pki/{MARKER}");
        assert_eq!(hook[..4], ["/syncer", "wait", "--for", &awaited], "{distro}");
    }
}

#[test]
fn programs_are_the_distributions_own() {
    let k8s = render(&json!({}));
    let eks = render(&with_eks(json!({})));
    for program in PROGRAMS {
        assert_eq!(
            container(&k8s, program)["image"],
            format!("registry.k8s.io/{program}:{KUBERNETES_VERSION}")
        );
        assert_eq!(
            container(&eks, program)["image"],
            format!("public.ecr.aws/eks-distro/kubernetes/{program}:{EKS_VERSION}")
        );
        // Nothing else differs.
        let without_image = |container: &Value| {
            let mut container = container.clone();
            container.as_object_mut().unwrap().remove("image");
            container
        };
        assert_eq!(
            without_image(container(&eks, program)),
            without_image(container(&k8s, program))
        );
    }
}

#[test]
fn a_version_of_kubernetes_becomes_a_release_of_eks() {
    let tag = |values: &Value| {
        let objects = render(values);
        let image = container(&objects, "kube-apiserver")["image"].as_str().unwrap().to_owned();
        let (_, tag) = image.rsplit_once(':').unwrap();
        // What the syncer and the command line take it for.
        let loaded = vcluster_config::load("values", &values.to_string()).unwrap();
        assert_eq!(loaded.config.control_plane.distro.kubernetes_version().0, tag);
        tag.to_owned()
    };
    for (minor, release) in EKS_RELEASES {
        let values = with_eks(json!({ "k8s": { "version": format!("v1.{minor}.0") } }));
        assert_eq!(tag(&values), release);
    }
    let own = json!({ "k8s": { "version": "v1.33.1" }, "eks": { "version": "1.34.1-eks-1-34-5" } });
    assert_eq!(tag(&with_eks(own)), "v1.34.1-eks-1-34-5");
}

#[test]
fn images_can_come_from_elsewhere() {
    let image = |more: Value| {
        let mut values = with_eks(more);
        values["controlPlane"]["advanced"] =
            json!({ "defaultImageRegistry": "registry.example.com/mirror" });
        container(&render(&values), "kube-apiserver")["image"].clone()
    };
    assert_eq!(
        image(json!({})),
        format!("registry.example.com/mirror/eks-distro/kubernetes/kube-apiserver:{EKS_VERSION}")
    );
    let own =
        json!({ "apiServer": { "image": { "repository": "team/apiserver", "tag": "v1.34.9" } } });
    assert_eq!(image(json!({ "eks": own })), "registry.example.com/mirror/team/apiserver:v1.34.9");
    assert_eq!(
        image(json!({ "eks": { "image": { "repository": "k8s" } } })),
        format!("registry.example.com/mirror/k8s/kube-apiserver:{EKS_VERSION}")
    );
}
