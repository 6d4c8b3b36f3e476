//! What the control plane may do on the host, put together from where it is used. The chart's Roles grant exactly this, per
//! option; a test renders the chart and compares. Where the installer could not grant all of it, a notice says what lacks.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceRule, SelfSubjectRulesReview, SelfSubjectRulesReviewSpec, SubjectRulesReviewStatus,
};
use kube::api::{Api, PostParams};
use vcluster_config::Config;
use vcluster_syncer_core::{Rule, kinds};

use crate::admin::Check;
use crate::{certs, init, kubelet, lease, run};

/// How often the host is asked while something lacks, or it does not answer.
const AGAIN: Duration = Duration::from_secs(60);

/// A right that is needed.
#[derive(Clone, Debug)]
pub struct Need {
    /// The right.
    pub rule: Rule,
    /// The one object that it is needed on; all of a kind without.
    pub only: Option<String>,
}

/// Every right that the options need in the namespace of a virtual cluster. Several parts may name the same.
pub fn needed(config: &Config, virtual_cluster: &str) -> Vec<Need> {
    let of_kinds = run::kinds::enabled(config);
    let of_kinds = of_kinds.iter().flat_map(|kind| kind.rules());
    let all = |rule: &Rule| Need { rule: *rule, only: None };
    let several = config.control_plane.stateful_set.high_availability.replicas > 1;
    let optional = [
        (config.sync.from_host.events.enabled, kinds::events::RULES),
        (several, lease::RULES),
        (config.control_plane.distro.kind().is_one_program(), run::renewing::RULES),
    ];
    let parts = [init::RULES, certs::RULES, run::publish::RULES, kinds::STANDING, kubelet::RULES];
    let mut needed: Vec<Need> = parts
        .into_iter()
        .flatten()
        .chain(of_kinds)
        .chain(optional.into_iter().filter(|(on, _)| *on).flat_map(|(_, rules)| rules))
        .map(all)
        .collect();
    if several {
        let only = Some(lease::lease_name(virtual_cluster));
        needed.extend(lease::OWN_RULES.iter().map(|rule| Need { rule: *rule, only: only.clone() }));
    }
    needed
}

/// A verb on a resource of a group.
pub type Right = (&'static str, &'static str, &'static str);

/// Every right that the options need in the whole host cluster. By default there is none.
pub fn needed_in_cluster(config: &Config) -> Vec<Right> {
    let originals = run::kinds::originals(config).into_iter();
    originals.flat_map(|of| kinds::SHOWN.iter().map(|verb| (of.group, of.plural, *verb))).collect()
}

/// Says in `check` which rights the host does not grant, until it grants them all. Nothing waits for it: what needs them
/// says so itself, too, when it is used.
pub async fn notice(
    host: kube::Client,
    namespace: String,
    virtual_cluster: String,
    config: Config,
    check: Check,
) {
    let needed = needed(&config, &virtual_cluster);
    let everywhere = needed_in_cluster(&config);
    let mut said = Vec::new();
    loop {
        let reviews: Api<SelfSubjectRulesReview> = Api::all(host.clone());
        let spec = SelfSubjectRulesReviewSpec { namespace: Some(namespace.clone()) };
        let review = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
        match reviews.create(&PostParams::default(), &review).await {
            Ok(answer) => {
                let granted = answer.status.unwrap_or_default();
                let mut missing = missing(&needed, &granted);
                missing.extend(missing_in_cluster(&everywhere, &granted));
                if missing.is_empty() {
                    check.ok();
                    return;
                }
                if missing != said {
                    tracing::warn!(
                        ?missing,
                        "the host does not grant some rights; what needs them will not work"
                    );
                    check.failing(format!(
                        "the host does not grant: {}; what needs these will not work \
                         (rbac.role.extended and rbac.clusterRole of the chart, \
                         kubectl -n {namespace} get role,rolebinding)",
                        missing.join(", ")
                    ));
                    said = missing;
                }
            }
            Err(error) => tracing::debug!(%error, "the host does not tell which rights it grants"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The rights that are not among those the host says it grants, as `patch pods/resize`. Nothing when it cannot tell all.
fn missing(needed: &[Need], granted: &SubjectRulesReviewStatus) -> Vec<String> {
    if granted.incomplete {
        return Vec::new();
    }
    let mut missing = Vec::new();
    for Need { rule, only } in needed {
        for resource in rule.resources {
            for verb in rule.verbs {
                let dot = if rule.group.is_empty() { "" } else { "." };
                let mut right = format!("{verb} {resource}{dot}{}", rule.group);
                if let Some(name) = only {
                    right = format!("{right}/{name}");
                }
                let only = only.as_deref();
                let granted = &granted.resource_rules;
                if !granted.iter().any(|held| grants(held, rule.group, resource, verb, only))
                    && !missing.contains(&right)
                {
                    missing.push(right);
                }
            }
        }
    }
    missing
}

/// The same of rights in the whole host cluster. A binding in the namespace would pass for one of the cluster here; then the
/// watch says so.
fn missing_in_cluster(needed: &[Right], granted: &SubjectRulesReviewStatus) -> Vec<String> {
    let held = |(group, resource, verb): &&Right| {
        let rules = &granted.resource_rules;
        rules.iter().any(|held| grants(held, group, resource, verb, None))
    };
    let lacking = needed.iter().filter(|right| !granted.incomplete && !held(right));
    lacking
        .map(|(group, resource, verb)| {
            let dot = if group.is_empty() { "" } else { "." };
            format!("{verb} {resource}{dot}{group} in the whole cluster")
        })
        .collect()
}

fn grants(
    rule: &ResourceRule,
    group: &str,
    resource: &str,
    verb: &str,
    only: Option<&str>,
) -> bool {
    let has = |list: Option<&Vec<String>>, wanted: &str| {
        list.is_some_and(|list| list.iter().any(|text| text == wanted || text == "*"))
    };
    has(Some(&rule.verbs), verb)
        && has(rule.api_groups.as_ref(), group)
        && has(rule.resources.as_ref(), resource)
        && rule.resource_names.as_ref().is_none_or(|names| {
            names.is_empty() || only.is_some_and(|only| names.iter().any(|name| name == only))
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn granted(rules: &[(&str, &str, &str)]) -> SubjectRulesReviewStatus {
        let one = |text: &str| vec![text.to_owned()];
        let rule = |(group, resource, verb): &(&str, &str, &str)| ResourceRule {
            api_groups: Some(one(group)),
            resources: Some(one(resource)),
            verbs: one(verb),
            resource_names: None,
        };
        let resource_rules = rules.iter().map(rule).collect();
        SubjectRulesReviewStatus { resource_rules, ..SubjectRulesReviewStatus::default() }
    }

    fn on_all(rules: &[Rule]) -> Vec<Need> {
        rules.iter().map(|rule| Need { rule: *rule, only: None }).collect()
    }

    #[test]
    fn what_is_not_granted_is_named() {
        let needed = on_all(&[
            Rule { group: "", resources: &["pods"], verbs: &["get", "list"], in_admin: true },
            Rule {
                group: "metrics.k8s.io",
                resources: &["pods"],
                verbs: &["list"],
                in_admin: false,
            },
        ]);
        let some = granted(&[("", "pods", "get"), ("apps", "pods", "list")]);
        assert_eq!(missing(&needed, &some), ["list pods", "list pods.metrics.k8s.io"]);
        assert_eq!(missing(&needed, &granted(&[("*", "*", "*")])), [""; 0]);
        let mut named = granted(&[("*", "*", "*")]);
        named.resource_rules[0].resource_names = Some(vec!["one".into()]);
        assert_eq!(missing(&needed, &named).len(), 3, "a right on one object is not one on all");
        let unknown = SubjectRulesReviewStatus { incomplete: true, ..granted(&[]) };
        assert_eq!(missing(&needed, &unknown), [""; 0]);
        let nodes = [("", "nodes", "get"), ("", "nodes", "list")];
        assert_eq!(
            missing_in_cluster(&nodes, &granted(&[("", "nodes", "list")])),
            ["get nodes in the whole cluster"]
        );
        assert_eq!(missing_in_cluster(&nodes, &unknown), [""; 0]);
    }

    #[test]
    fn a_right_on_one_object_is_enough_where_only_that_is_needed() {
        let rule = Rule { group: "", resources: &["secrets"], verbs: &["get"], in_admin: true };
        let needed = [Need { rule, only: Some("mine".into()) }];
        let mut held = granted(&[("", "secrets", "get")]);
        assert_eq!(missing(&needed, &held), [""; 0]);
        held.resource_rules[0].resource_names = Some(vec!["other".into(), "mine".into()]);
        assert_eq!(missing(&needed, &held), [""; 0]);
        held.resource_rules[0].resource_names = Some(vec!["other".into()]);
        assert_eq!(missing(&needed, &held), ["get secrets/mine"]);
    }

    #[test]
    fn rights_are_few_and_named() {
        let mut config = Config::default();
        config.control_plane.stateful_set.high_availability.replicas = 3;
        let mut pairs = BTreeSet::new();
        for Need { rule, .. } in needed(&config, "my-vc") {
            for resource in rule.resources {
                for verb in rule.verbs {
                    let broad = ["*", "update", "deletecollection", "bind", "escalate"];
                    assert!(!broad.contains(verb), "{resource} {verb}");
                    assert!(
                        !resource.contains('*') && !resource.starts_with("nodes"),
                        "{resource}"
                    );
                    pairs.insert((rule.group, *resource, *verb));
                }
            }
        }
        assert!(pairs.len() <= 60, "{} rights: {pairs:?}", pairs.len());
    }
}
