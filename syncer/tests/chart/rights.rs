//! The Roles are what the syncer's parts declare, per option.

use std::collections::BTreeSet;

use serde_json::Value;
use vcluster_syncer::rights::{self, Need};

use crate::render::{NAME, chart, chart_on, of_kind, one};

/// Group, resource, verb. A resource of which only one object is meant is `RESOURCE NAME`.
type Pairs = BTreeSet<(String, String, String)>;

/// Each set of options that changes the rights, alone and together.
const OPTIONS: &[&str] = &[
    "",
    "sync: {toHost: {pods: {enabled: false}}}",
    "sync: {toHost: {services: {enabled: false}}}",
    "sync: {toHost: {endpoints: {enabled: false}}}",
    "sync: {toHost: {endpointSlices: {enabled: false}}}",
    "sync: {toHost: {persistentVolumeClaims: {enabled: false}}}",
    "sync: {toHost: {configMaps: {enabled: false}}}",
    "sync: {toHost: {secrets: {enabled: false}}}",
    "sync: {toHost: {secrets: {enabled: false}, pods: {enabled: false}}}",
    "sync: {fromHost: {events: {enabled: false}}}",
    "sync: {toHost: {pods: {enabled: false}, services: {enabled: false}, endpoints: {enabled: false}, \
     endpointSlices: {enabled: false}, persistentVolumeClaims: {enabled: false}, configMaps: {enabled: false}, \
     secrets: {enabled: false}}, fromHost: {events: {enabled: false}}}",
    "rbac: {role: {extended: false}}",
    "controlPlane: {statefulSet: {highAvailability: {replicas: 3}}, backingStore: {etcd: {deploy: {enabled: true}}}}",
    "controlPlane: {distro: {k3s: {enabled: true}}}",
    "controlPlane: {distro: {k0s: {enabled: true}}}\nsync: {toHost: {pods: {enabled: false}}}",
    "sync: {fromHost: {nodes: {enabled: true}}}",
    "sync: {fromHost: {storageClasses: {enabled: true}, csiNodes: {enabled: true}}}",
    "sync: {toHost: {pods: {hybridScheduling: {enabled: true}}}}",
    "controlPlane: {advanced: {virtualScheduler: {enabled: true}}}",
    "controlPlane: {distro: {eks: {enabled: true, scheduler: {enabled: true}}}}",
    "controlPlane: {distro: {k8s: {scheduler: {enabled: true}}}}\n\
     sync: {fromHost: {csiDrivers: {enabled: false}}}",
    "controlPlane: {advanced: {virtualScheduler: {enabled: true}}}\n\
     sync: {toHost: {persistentVolumeClaims: {enabled: false}}}",
];

/// The ClusterRole of the release.
const EVERYWHERE: &str = "vc-my-vc-v-team-x";

fn granted(role: &Value) -> Pairs {
    let texts = |list: &Value| -> Vec<String> {
        let items = list.as_array().unwrap().iter();
        items.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut pairs = Pairs::new();
    for rule in role["rules"].as_array().unwrap() {
        let only = rule.get("resourceNames").map(texts).unwrap_or_default();
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]).iter().flat_map(|it| named(it, &only)) {
                for verb in texts(&rule["verbs"]) {
                    let new = pairs.insert((group.clone(), resource.clone(), verb.clone()));
                    assert!(new, "{verb} {resource} is there twice");
                }
            }
        }
    }
    pairs
}

fn named(resource: &str, only: &[String]) -> Vec<String> {
    match only {
        [] => vec![resource.to_owned()],
        names => names.iter().map(|name| format!("{resource} {name}")).collect(),
    }
}

fn declared(values: &str, in_admin: bool) -> Pairs {
    let config = vcluster_config::load("test", values).unwrap().config;
    let needed = rights::needed(&config, NAME);
    let mut pairs = Pairs::new();
    for Need { rule, only } in needed.iter().filter(|need| need.rule.in_admin == in_admin) {
        for resource in rule.resources.iter().flat_map(|it| named(it, only.as_slice())) {
            for verb in rule.verbs {
                pairs.insert((rule.group.into(), resource.clone(), (*verb).into()));
            }
        }
    }
    pairs
}

#[test]
fn the_roles_are_what_is_declared() {
    for values in OPTIONS {
        let objects = chart(values);
        let base = granted(one(&objects, "Role", &format!("vc-{NAME}")));
        assert_eq!(base, declared(values, true), "the base Role with {values:?}");
        let extended = format!("vc-{NAME}-extended");
        if values.contains("extended: false") {
            assert_eq!(of_kind(&objects, "Role").len(), 1);
        } else {
            let more = granted(one(&objects, "Role", &extended));
            assert_eq!(more, declared(values, false), "the extended Role with {values:?}");
            assert!(more.is_disjoint(&base), "{more:?}");
        }
        let config = vcluster_config::load("test", values).unwrap().config;
        let declared: Pairs = rights::needed_in_cluster(&config)
            .into_iter()
            .map(|(group, resource, verb)| (group.into(), resource.into(), verb.into()))
            .collect();
        let roles = of_kind(&objects, "ClusterRole");
        let everywhere: Pairs = roles.iter().flat_map(|role| granted(role)).collect();
        assert_eq!(everywhere, declared, "the ClusterRole with {values:?}");
        assert_eq!(roles.len(), usize::from(!declared.is_empty()), "with {values:?}");
        assert_eq!(of_kind(&objects, "ClusterRoleBinding").len(), roles.len());
    }
}

#[test]
fn in_the_whole_host_cluster_there_is_little_and_only_to_read() {
    let objects = chart("controlPlane: {advanced: {virtualScheduler: {enabled: true}}}");
    let all = granted(one(&objects, "ClusterRole", EVERYWHERE));
    assert_eq!(all.len(), 18, "{all:#?}");
    for (_, resource, verb) in &all {
        assert!(["get", "list", "watch"].contains(&verb.as_str()), "{verb} {resource}");
        let tenants = ["pods", "secrets", "configmaps", "persistentvolumeclaims", "services"];
        assert!(!tenants.contains(&resource.as_str()), "{resource}");
    }
    let binding = one(&objects, "ClusterRoleBinding", EVERYWHERE);
    assert_eq!(binding["roleRef"]["name"], EVERYWHERE);
    assert_eq!(binding["subjects"][0]["namespace"], "team-x");
    assert!(binding["metadata"].get("namespace").is_none());
}

#[test]
fn the_cluster_role_can_be_another_or_none() {
    let on = "controlPlane: {advanced: {virtualScheduler: {enabled: true}}}\n";
    let rule = r#"{apiGroups: [apps], resources: [deployments], verbs: [get]}"#;
    let rights = |values: &str| {
        let objects = chart(values);
        of_kind(&objects, "ClusterRole").into_iter().map(|role| granted(role).len()).sum()
    };
    let own: usize = rights(&format!("rbac: {{clusterRole: {{extraRules: [{rule}]}}}}"));
    assert_eq!(own, 1);
    assert_eq!(rights(&format!("{on}rbac: {{clusterRole: {{extraRules: [{rule}]}}}}")), 19);
    assert_eq!(rights(&format!("{on}rbac: {{clusterRole: {{overwriteRules: [{rule}]}}}}")), 1);
    assert_eq!(rights(&format!("{on}rbac: {{clusterRole: {{enabled: false}}}}")), 0);
}

#[test]
fn there_are_at_most_sixty_and_none_is_broad() {
    let objects = chart("");
    let all: Pairs = of_kind(&objects, "Role").into_iter().flat_map(granted).collect();
    assert!(all.len() <= 60, "{} rights: {all:#?}", all.len());
    for (group, resource, verb) in &all {
        let broad = [group, resource, verb].iter().any(|text| text.contains('*'));
        assert!(!broad && verb != "update" && !resource.starts_with("nodes"), "{verb} {resource}");
        assert!(group != "rbac.authorization.k8s.io", "nothing hands out rights");
    }
}

/// What the built-in ClusterRole `admin` holds of the groups that we use (Kubernetes 1.34,
/// `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`: it aggregates `edit` and `view`).
fn in_admin((group, resource, verb): &(String, String, String)) -> bool {
    const READ: [&str; 3] = ["get", "list", "watch"];
    const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];
    let read = READ.contains(&verb.as_str());
    let write = WRITE.contains(&verb.as_str());
    let resource = resource.split(' ').next().unwrap_or_default();
    match (group.as_str(), resource) {
        (
            "",
            "pods" | "configmaps" | "secrets" | "services" | "persistentvolumeclaims" | "events",
        )
        | ("", "pods/attach" | "pods/exec" | "pods/portforward")
        | ("coordination.k8s.io", "leases") => read || write,
        ("", "pods/log") | ("discovery.k8s.io", "endpointslices") => read,
        _ => false,
    }
}

#[test]
fn a_namespaces_admin_holds_the_base_role() {
    for values in OPTIONS {
        let objects = chart(values);
        let base = granted(one(&objects, "Role", &format!("vc-{NAME}")));
        let beyond: Vec<_> = base.iter().filter(|right| !in_admin(right)).collect();
        assert!(beyond.is_empty(), "{beyond:?} with {values:?}");
    }
}

#[test]
fn a_replica_may_write_no_lease_but_its_own() {
    let values = "controlPlane: {statefulSet: {highAvailability: {replicas: 2}}, backingStore: {etcd: {deploy: {enabled: true}}}}";
    let role = granted(one(&chart(values), "Role", &format!("vc-{NAME}")));
    let on_all = role.iter().filter(|(_, resource, _)| resource == "leases");
    let verbs: Vec<&str> = on_all.map(|(_, _, verb)| verb.as_str()).collect();
    assert_eq!(verbs, ["create"]);
}

#[test]
fn openshift_asks_for_one_more() {
    let extended = format!("vc-{NAME}-extended");
    let here = granted(one(&chart(""), "Role", &extended));
    let there = granted(one(&chart_on("", &["security.openshift.io/v1"]), "Role", &extended));
    let more: Vec<_> = there.difference(&here).collect();
    let slices = (
        "discovery.k8s.io".to_owned(),
        "endpointslices/restricted".to_owned(),
        "create".to_owned(),
    );
    assert_eq!(more, [&slices]);
}

#[test]
fn whoever_brings_rules_of_his_own_gets_them() {
    let rule = r#"{apiGroups: [""], resources: [pods], verbs: [get]}"#;
    let objects = chart(&format!("rbac: {{role: {{overwriteRules: [{rule}]}}}}"));
    assert_eq!(of_kind(&objects, "Role").len(), 1);
    assert_eq!(granted(one(&objects, "Role", &format!("vc-{NAME}"))).len(), 1);
    let extra = r#"{apiGroups: [apps], resources: [deployments], verbs: [get]}"#;
    let objects = chart(&format!("rbac: {{role: {{extraRules: [{extra}]}}}}"));
    let role = granted(one(&objects, "Role", &format!("vc-{NAME}")));
    assert_eq!(role.len(), declared("", true).len() + 1);
    assert!(chart("rbac: {role: {enabled: false}}").iter().all(|it| it["kind"] != "Role"));
}
