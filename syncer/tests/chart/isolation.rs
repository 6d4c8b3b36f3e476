//! The preset, and hosts that want everything to be restricted.

use vcluster_syncer::coredns;
use vcluster_syncer_core::pod_security::{Standard, violations};
use vcluster_syncer_core::{Object, json};

use crate::render::{chart, chart_on, of_kind, one};

/// The pod of a StatefulSet or Deployment, or a pod of its own.
fn pod(workload: impl Into<json::Value>) -> Object {
    let workload = workload.into();
    let template = workload["spec"].get("template");
    Object::new(template.unwrap_or(&workload).clone())
}

#[test]
fn every_pod_of_the_chart_is_fit_for_a_restricted_namespace() {
    for values in [
        "",
        "policies: {isolate: true}",
        "controlPlane: {statefulSet: {persistence: {volumeClaim: {enabled: false}}}}",
    ] {
        for apis in [&[][..], &["security.openshift.io/v1"]] {
            let objects = chart_on(values, apis);
            let workloads: Vec<_> = objects
                .iter()
                .filter(|it| it["kind"] == "Pod" || it["spec"].get("template").is_some())
                .collect();
            assert!(workloads.len() > 1);
            for workload in workloads {
                let found = violations(Standard::Restricted, &pod(workload));
                assert!(found.is_empty(), "{}: {found:#?}", workload["metadata"]["name"]);
            }
        }
    }
}

#[test]
fn coredns_is_fit_too() {
    let config = vcluster_config::Config::default();
    let settings = coredns::Settings { config: &config, host_dns: None };
    let objects = coredns::manifests(&settings).unwrap();
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let found = violations(Standard::Restricted, &pod(deployment));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_judge_would_see_a_careless_pod() {
    let objects = chart(
        "controlPlane: {statefulSet: {security: {containerSecurityContext: {privileged: true}}}}",
    );
    let found = violations(Standard::Baseline, &pod(one(&objects, "StatefulSet", "my-vc")));
    assert!(!found.is_empty());
}

#[test]
fn one_switch_closes_everything_and_each_part_can_be_left_open() {
    let kinds = ["ResourceQuota", "LimitRange", "NetworkPolicy"];
    let made = |values: &str| kinds.map(|kind| !of_kind(&chart(values), kind).is_empty());
    assert_eq!(made(""), [false; 3]);
    assert_eq!(made("policies: {isolate: true}"), [true; 3]);
    assert_eq!(
        made("policies: {isolate: true, resourceQuota: {enabled: false}}"),
        [false, true, true]
    );
    assert_eq!(
        made("policies: {isolate: true, limitRange: {enabled: false}}"),
        [true, false, true]
    );
    assert_eq!(
        made("policies: {isolate: true, networkPolicy: {enabled: false}}"),
        [true, true, false]
    );
    assert_eq!(made("policies: {resourceQuota: {enabled: true}}"), [true, true, false]);
    for values in [
        "",
        "policies: {isolate: true}",
        "policies: {limitRange: {enabled: true}}",
        "policies: {resourceQuota: {enabled: true}, limitRange: {enabled: false}}",
    ] {
        let policies = vcluster_config::load("test", values).unwrap().config.policies;
        let said = [
            policies.has_resource_quota(),
            policies.has_limit_range(),
            policies.has_network_policy(),
        ];
        assert_eq!(said, made(values), "the chart and the options disagree about {values:?}");
    }
}

/// A quota on what containers ask for refuses pods of which one says nothing: each says all, or the limit range does.
#[test]
fn the_control_plane_fits_into_its_own_quota() {
    let objects = chart("policies: {isolate: true}");
    let quota = &one(&objects, "ResourceQuota", "vc-my-vc")["spec"]["hard"];
    let range = &one(&objects, "LimitRange", "vc-my-vc")["spec"]["limits"][0];
    let template = pod(one(&objects, "StatefulSet", "my-vc"));
    for list in ["initContainers", "containers"] {
        for container in template.items_at(&["spec", list]) {
            for (kind, default) in [("requests", "defaultRequest"), ("limits", "default")] {
                for resource in ["cpu", "memory", "ephemeral-storage"] {
                    let limited = quota.get(format!("{kind}.{resource}")).is_some();
                    let said = container["resources"][kind].get(resource).is_some();
                    let filled = range[default].get(resource).is_some();
                    assert!(!limited || said || filled, "{}: {kind}.{resource}", container["name"]);
                }
            }
        }
    }
}
