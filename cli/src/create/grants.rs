//! What the chart's roles hand out. Kubernetes lets nobody hand out what he does not hold, and helm's message about it
//! comes late and is hard to read, so the rendered chart is asked beforehand.

use futures::future::try_join_all;
use serde_json::Value;

use super::rights::{Right, may};
use crate::error::{CliError, Result};
use crate::host::Host;
use crate::yaml;

/// A role and the rights in it that the user cannot hand out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// Name of the role.
    pub role: String,
    /// The rights.
    pub rights: Vec<Right>,
}

/// Who may do this hands out what he likes.
static ESCALATE: Right = Right::new("escalate", "rbac.authorization.k8s.io", "roles", "");

/// Compares the roles of a rendered chart with what the user holds.
///
/// # Errors
/// When the host cannot be asked.
pub async fn withheld(host: &Host, namespace: &str, manifests: &str) -> Result<Vec<Withheld>> {
    if may(host, namespace, &ESCALATE).await? {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for (role, rights) in roles(manifests)? {
        let answers = try_join_all(rights.iter().map(|right| may(host, namespace, right))).await?;
        let missing: Vec<Right> = rights
            .into_iter()
            .zip(answers)
            .filter_map(|(right, held)| (!held).then_some(right))
            .collect();
        if !missing.is_empty() {
            all.push(Withheld { role, rights: missing });
        }
    }
    Ok(all)
}

/// Roles and their rights. Pure. Cluster roles are left to helm: only options that say so bring one.
fn roles(manifests: &str) -> Result<Vec<(String, Vec<Right>)>> {
    let documents = yaml::parse_all(manifests)
        .map_err(|reason| CliError::failed("the rendered chart is no YAML").because(reason))?;
    let of_kind = documents
        .iter()
        .filter(|document| document.get("kind").and_then(Value::as_str) == Some("Role"));
    Ok(of_kind
        .map(|role| {
            let name = role
                .pointer("/metadata/name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            let rules =
                role.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            (name, rules.iter().flat_map(rights_of).collect())
        })
        .collect())
}

fn rights_of(rule: &Value) -> Vec<Right> {
    let list = |key: &str| -> Vec<String> {
        let items = rule.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (verbs, groups, resources) = (list("verbs"), list("apiGroups"), list("resources"));
    let mut names: Vec<String> = list("resourceNames");
    if names.is_empty() {
        names.push(String::new());
    }
    let mut rights = Vec::new();
    for group in &groups {
        for resource in &resources {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            for verb in &verbs {
                for name in &names {
                    rights.push(Right {
                        verb: verb.clone().into(),
                        group: group.clone().into(),
                        resource: resource.to_owned().into(),
                        subresource: subresource.to_owned().into(),
                        name: name.clone().into(),
                    });
                }
            }
        }
    }
    rights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_of_every_role_is_found() {
        let manifests = "kind: Service\nmetadata: {name: a}\n---\nkind: Role\nmetadata: {name: vc-a}\nrules:\n\
            - {apiGroups: [''], resources: [pods, pods/log], verbs: [get, list]}\n\
            - {apiGroups: [apps], resources: [statefulsets], resourceNames: [a], verbs: [get]}\n---\n# empty\n";
        let roles = roles(manifests).unwrap();
        let [(name, rights)] = roles.as_slice() else { panic!("{roles:?}") };
        let rights: Vec<String> = rights.iter().map(ToString::to_string).collect();
        assert_eq!(name, "vc-a");
        assert_eq!(
            rights,
            ["get pods", "list pods", "get pods/log", "list pods/log", "get statefulsets.apps a"]
        );
    }
}
