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

/// Every right that the options need in the control-plane namespace. Several parts may name the same.
pub fn needed(config: &Config) -> Vec<Rule> {
    let of_kinds = run::kinds::enabled(config);
    let of_kinds = of_kinds.iter().flat_map(|kind| kind.rules());
    let several = config.control_plane.stateful_set.high_availability.replicas > 1;
    let optional = [
        (config.sync.from_host.events.enabled, kinds::events::RULES),
        (several, lease::RULES),
        (config.control_plane.distro.kind().is_one_program(), run::renewing::RULES),
    ];
    let parts = [init::RULES, certs::RULES, run::publish::RULES, kinds::STANDING, kubelet::RULES];
    parts
        .into_iter()
        .flatten()
        .chain(of_kinds)
        .chain(optional.into_iter().filter(|(on, _)| *on).flat_map(|(_, rules)| rules))
        .copied()
        .collect()
}

/// Says in `check` which rights the host does not grant, until it grants them all. Nothing waits for it: what needs them
/// says so itself, too, when it is used.
pub async fn notice(host: kube::Client, namespace: String, config: Config, check: Check) {
    let needed = needed(&config);
    let mut said = Vec::new();
    loop {
        let reviews: Api<SelfSubjectRulesReview> = Api::all(host.clone());
        let spec = SelfSubjectRulesReviewSpec { namespace: Some(namespace.clone()) };
        let review = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
        match reviews.create(&PostParams::default(), &review).await {
            Ok(answer) => {
                let missing = missing(&needed, &answer.status.unwrap_or_default());
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
                         (rbac.role.extended of the chart, kubectl -n {namespace} get role,rolebinding)",
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
fn missing(needed: &[Rule], granted: &SubjectRulesReviewStatus) -> Vec<String> {
    if granted.incomplete {
        return Vec::new();
    }
    let mut missing = Vec::new();
    for rule in needed {
        for resource in rule.resources {
            for verb in rule.verbs {
                let dot = if rule.group.is_empty() { "" } else { "." };
                let right = format!("{verb} {resource}{dot}{}", rule.group);
                let granted = &granted.resource_rules;
                if !granted.iter().any(|held| grants(held, rule.group, resource, verb))
                    && !missing.contains(&right)
                {
                    missing.push(right);
                }
            }
        }
    }
    missing
}

fn grants(rule: &ResourceRule, group: &str, resource: &str, verb: &str) -> bool {
    let has = |list: Option<&Vec<String>>, wanted: &str| {
        list.is_some_and(|list| list.iter().any(|text| text == wanted || text == "*"))
    };
    has(Some(&rule.verbs), verb)
        && has(rule.api_groups.as_ref(), group)
        && has(rule.resources.as_ref(), resource)
        && rule.resource_names.as_ref().is_none_or(Vec::is_empty)
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

    #[test]
    fn what_is_not_granted_is_named() {
        let needed = [
            Rule { group: "", resources: &["pods"], verbs: &["get", "list"], in_admin: true },
            Rule {
                group: "metrics.k8s.io",
                resources: &["pods"],
                verbs: &["list"],
                in_admin: false,
            },
        ];
        let some = granted(&[("", "pods", "get"), ("apps", "pods", "list")]);
        assert_eq!(missing(&needed, &some), ["list pods", "list pods.metrics.k8s.io"]);
        assert_eq!(missing(&needed, &granted(&[("*", "*", "*")])), [""; 0]);
        let mut named = granted(&[("*", "*", "*")]);
        named.resource_rules[0].resource_names = Some(vec!["one".into()]);
        assert_eq!(missing(&needed, &named).len(), 3, "a right on one object is not one on all");
        let unknown = SubjectRulesReviewStatus { incomplete: true, ..granted(&[]) };
        assert_eq!(missing(&needed, &unknown), [""; 0]);
    }

    #[test]
    fn rights_are_few_and_named() {
        let mut config = Config::default();
        config.control_plane.stateful_set.high_availability.replicas = 3;
        let mut pairs = BTreeSet::new();
        for rule in needed(&config) {
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
