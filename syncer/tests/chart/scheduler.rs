//! A scheduler inside.

use serde_json::json;

use crate::pod::{args, container, containers};
use crate::render::{chart, render};

const ON: &str = "controlPlane: {advanced: {virtualScheduler: {enabled: true}}}";

#[test]
fn it_runs_beside_the_controllers_and_by_its_own_name() {
    assert!(!containers(&chart("")).contains(&"kube-scheduler"));
    let objects = chart(ON);
    let scheduler = container(&objects, "kube-scheduler");
    let controllers = container(&objects, "kube-controller-manager");
    for same in ["command", "env", "securityContext", "volumeMounts"] {
        assert_eq!(scheduler[same], controllers[same], "{same}");
    }
    let args = args(scheduler);
    assert_eq!(args[0], "kube-scheduler");
    for path in ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"] {
        let wanted = format!("--{path}=/pki/scheduler.conf");
        assert!(args.contains(&wanted), "{wanted} in {args:?}");
    }
    assert!(args.contains(&"--leader-elect=false".to_owned()), "{args:?}");
    assert_eq!(scheduler["resources"]["limits"]["memory"], "512Mi");
}

#[test]
fn several_elect_one() {
    let objects = render(&json!({ "controlPlane": {
        "advanced": { "virtualScheduler": { "enabled": true } },
        "backingStore": { "etcd": { "deploy": { "enabled": true } } },
        "statefulSet": { "highAvailability": { "replicas": 3 } },
    }}));
    let args = args(container(&objects, "kube-scheduler"));
    assert!(args.contains(&"--leader-elect=true".to_owned()), "{args:?}");
}

#[test]
fn each_distribution_has_its_own() {
    for distro in ["k8s", "eks"] {
        let objects = render(&json!({ "controlPlane": { "distro": { distro: {
            "enabled": true,
            "scheduler": { "enabled": true, "extraArgs": ["--config=/etc/mine.yaml", "--leader-elect=true"] },
        }}}}));
        let scheduler = container(&objects, "kube-scheduler");
        let args = args(scheduler);
        assert!(args.contains(&"--config=/etc/mine.yaml".to_owned()), "{args:?}");
        assert!(!args.contains(&"--leader-elect=false".to_owned()), "{args:?}");
        let image = scheduler["image"].as_str().unwrap();
        assert!(image.contains("/kube-scheduler:"), "{image}");
    }
    let arguments = |distro: &str, inside: bool| {
        let objects = render(&json!({ "controlPlane": {
            "distro": { distro: { "enabled": true } },
            "advanced": { "virtualScheduler": { "enabled": inside } },
        }}));
        args(container(&objects, distro)).join(" ")
    };
    assert!(arguments("k3s", false).contains("--disable-scheduler"));
    assert!(!arguments("k3s", true).contains("--disable-scheduler"));
    assert!(arguments("k0s", false).contains("kube-scheduler"));
    assert!(!arguments("k0s", true).contains("kube-scheduler"));
}
