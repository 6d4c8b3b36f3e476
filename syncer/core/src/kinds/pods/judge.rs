//! What may reach the host. Judged on the translated pod, and again on whatever is added later (design D3).
//!
//! Kinds of volumes and sources of variables are allow-lists: a new one may name or open what nobody foresaw. By default
//! nothing is refused that a host would admit and that means the same there (design D11), unless the virtual cluster's
//! owner chose a Pod Security Standard ([`crate::pod_security`]).

use std::fmt;

use crate::json::{Value, json};

use crate::pod_security::violations;
use crate::{NotNow, Object, Settings};

use super::paths::{containers, each, text};
use super::references::{OF_CONTAINER, OF_POD};

/// Volumes that mean the same on the host, once the names in them are translated. Not in it, of what the API knows:
/// `gitRepo` (runs a tenant's hooks as root on the node), and what is translated away (`ephemeral`). `image` is as
/// harmless as a container's image.
const VOLUMES: &[&str] = &[
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "persistentVolumeClaim",
    "photonPersistentDisk",
    "portworxVolume",
    "projected",
    "quobyte",
    "rbd",
    "scaleIO",
    "secret",
    "storageos",
    "vsphereVolume",
];

/// Sources of projected volumes. Not in it: `clusterTrustBundle` and `podCertificate`, which would be the host's trust
/// and the host pod's identity; `serviceAccountToken` is translated away.
const PROJECTED: &[&str] = &["configMap", "downwardAPI", "secret"];

/// Sources of one environment variable, and of many.
const VARIABLE: &[&str] =
    &["configMapKeyRef", "fieldRef", "fileKeyRef", "resourceFieldRef", "secretKeyRef"];
const VARIABLES: &[&str] = &["configMapRef", "prefix", "secretRef"];

/// Fields that name objects of kinds that are not mirrored: passed on, they would name the host's.
const NOT_MIRRORED: &[(&str, &str)] = &[
    ("resourceClaims", "resource claims (dynamic resource allocation)"),
    ("schedulingGroup", "pod groups"),
    ("workloadRef", "workloads"),
];

/// Members whose content is free: keys in it are a tenant's or a driver's own.
const FREE: &[&str] = &[
    "limits",
    "matchLabels",
    "nodeSelector",
    "options",
    "overhead",
    "requests",
    "volumeAttributes",
];

/// Judges a host pod before it is created.
///
/// # Errors
/// The refusal, for the pod's owner.
pub fn pod(host: &Object, settings: &Settings) -> Result<(), NotNow> {
    kept(host, settings)?;
    let empty = Value::Null;
    let spec = host.at(&["spec"]).unwrap_or(&empty);
    for (field, what) in NOT_MIRRORED {
        let used =
            spec.get(field).is_some_and(|value| !value.is_null() && value != &Value::Array(vec![]));
        if used {
            return refused(format!(
                "spec.{field}: {what} are not available in this virtual cluster"
            ));
        }
    }
    for volume in each(spec, "volumes[]") {
        let name = text(volume, "name");
        if let Some(source) = unknown(volume, VOLUMES, &["name"]) {
            return refused(format!(
                "volume {name:?}: a virtual cluster does not offer {source:?} volumes"
            ));
        }
        for item in each(volume, "projected.sources[]") {
            if let Some(source) = unknown(item, PROJECTED, &[]) {
                return refused(format!(
                    "volume {name:?}: a virtual cluster does not offer {source:?} in projected volumes"
                ));
            }
        }
    }
    containers(spec).try_for_each(content)?;
    let known = |path: &str| is_known(path, OF_POD.iter().map(|field| (field.at, field.member)));
    match unknown_reference(spec, None, &known) {
        Some(path) => refused_reference(&path),
        None => Ok(()),
    }
}

/// Judges a translated container that is added to a running pod.
///
/// # Errors
/// The refusal, for the pod's owner.
pub fn added(container: &Value, host: &Object, settings: &Settings) -> Result<(), NotNow> {
    content(container)?;
    // What the pod says for all its containers, and this one alone: the others run already.
    let of_pod = |member| host.at(&["spec", member]).cloned().unwrap_or_default();
    let pod = json!({"spec": {
        "os": of_pod("os"), "securityContext": of_pod("securityContext"), "ephemeralContainers": [container],
    }});
    kept(&Object::new(pod), settings)
}

/// Whether a pod keeps to the standard that the virtual cluster's owner chose.
fn kept(host: &Object, settings: &Settings) -> Result<(), NotNow> {
    let Some(standard) = settings.pod_security else { return Ok(()) };
    let found = violations(standard, host);
    if found.is_empty() {
        return Ok(());
    }
    refused(format!(
        "this virtual cluster keeps to the Pod Security Standard {:?}, which forbids that {}",
        standard.name(),
        found.join("; that ")
    ))
}

fn content(container: &Value) -> Result<(), NotNow> {
    let name = text(container, "name");
    for (at, allowed) in [("env[].valueFrom", VARIABLE), ("envFrom[]", VARIABLES)] {
        for source in each(container, at) {
            if let Some(source) = unknown(source, allowed, &[]) {
                return refused(format!(
                    "container {name:?}: a virtual cluster does not offer variables from {source:?}"
                ));
            }
        }
    }
    let known =
        |path: &str| is_known(path, OF_CONTAINER.iter().map(|field| (field.at, field.member)));
    match unknown_reference(container, None, &known) {
        Some(path) => refused_reference(&format!("containers[{name}].{path}")),
        None => Ok(()),
    }
}

fn refused(message: String) -> Result<(), NotNow> {
    Err(NotNow::refused("SyncError", message))
}

fn refused_reference(path: &str) -> Result<(), NotNow> {
    refused(format!(
        "spec.{path} seems to name another object, in a way that this version of vcluster does not know how to translate"
    ))
}

/// A member that is in neither list.
fn unknown<'a>(holder: &'a Value, allowed: &[&str], beside: &[&str]) -> Option<&'a str> {
    let members = holder.as_object()?.iter().filter(|(_, value)| !value.is_null());
    let mut names = members.map(|(name, _)| name.as_str());
    names.find(|name| !allowed.contains(name) && !beside.contains(name))
}

/// The path of something that looks like the name of a Secret, config map or claim, and is in no list of ours: a field
/// that a newer API has. Containers are looked at by themselves.
fn unknown_reference(
    value: &Value,
    at: Option<&Place<'_>>,
    known: &dyn Fn(&str) -> bool,
) -> Option<String> {
    match value {
        Value::Object(members) => members.iter().find_map(|(key, inner)| {
            if at.is_none() && super::paths::CONTAINER_LISTS.contains(&key.as_str()) {
                return None;
            }
            let place = Place { within: at, key, is_list: inner.is_array() };
            let names_something = match inner {
                Value::String(text) => !text.is_empty(),
                Value::Array(items) => !items.is_empty(),
                other => other.is_object(),
            };
            if names_something && looks_like_reference(key) {
                let path = place.to_string();
                if !known(&path) {
                    return Some(path.trim_end_matches("[]").to_owned());
                }
            }
            if FREE.contains(&key.as_str()) {
                None
            } else {
                unknown_reference(inner, Some(&place), known)
            }
        }),
        Value::Array(items) => items.iter().find_map(|item| unknown_reference(item, at, known)),
        _ => None,
    }
}

/// Where a member is. Most places are never named, so there is no text of them before it is asked for.
struct Place<'a> {
    within: Option<&'a Place<'a>>,
    key: &'a str,
    is_list: bool,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(within) = self.within {
            write!(to, "{within}.")?;
        }
        to.write_str(self.key)?;
        to.write_str(if self.is_list { "[]" } else { "" })
    }
}

fn looks_like_reference(key: &str) -> bool {
    let holds = |word: &str| {
        key.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    };
    ["secret", "configmap", "claim"].into_iter().any(holds)
}

/// Whether a path is one of ours, or leads to one. Resource claims of containers mean nothing without those of the pod.
fn is_known<'a>(path: &str, mut fields: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    path.starts_with("resources.claims")
        || fields.any(|(at, member)| {
            at == path
                || at.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
                || path.strip_prefix(at).and_then(|rest| rest.strip_prefix('.')) == Some(member)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod_security::Standard;

    fn judged(spec: Value) -> Result<(), String> {
        judged_by(None, spec)
    }

    fn judged_by(standard: Option<Standard>, spec: Value) -> Result<(), String> {
        let settings = Settings { pod_security: standard, ..Settings::example() };
        said(pod(&Object::new(json!({ "spec": spec })), &settings))
    }

    fn said(result: Result<(), NotNow>) -> Result<(), String> {
        match result {
            Ok(()) => Ok(()),
            Err(NotNow::Refused(note)) => Err(note.message),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_standard_is_kept_when_there_is_one() {
        let spec = json!({"hostPID": true, "containers": [{"name": "a", "securityContext": {"privileged": true}}]});
        judged(spec.clone()).expect("the host decides");
        let why = judged_by(Some(Standard::Baseline), spec).expect_err("forbidden");
        assert!(why.contains("\"baseline\"") && why.contains("hostPID"), "{why}");
        assert!(why.contains("container \"a\" is privileged"), "{why}");
    }

    #[test]
    fn a_container_is_judged_with_what_the_pod_says_for_it() {
        let settings = Settings { pod_security: Some(Standard::Restricted), ..Settings::example() };
        let context = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
        let host = Object::new(json!({"spec": {"hostPID": true, "securityContext": context}}));
        let own = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        let container = |own: Value| json!({"name": "debugger", "securityContext": own});
        said(added(&container(own), &host, &settings)).expect("fit");
        let why = said(added(&container(json!({})), &host, &settings)).expect_err("careless");
        assert!(why.contains("capabilities.drop") && !why.contains("hostPID"), "{why}");
    }

    #[test]
    fn volumes_are_an_allow_list() {
        for source in VOLUMES {
            judged(json!({"volumes": [{"name": "v", (*source): {}}]})).expect("allowed");
        }
        for source in ["gitRepo", "serviceAccountToken", "future", "hostpath"] {
            let why = judged(json!({"volumes": [{"name": "v", source: {}}]})).expect_err(source);
            assert!(why.contains(source) && why.contains("\"v\""), "{why}");
        }
        for source in ["clusterTrustBundle", "podCertificate", "future"] {
            judged(json!({"volumes": [{"name": "v", "projected": {"sources": [{source: {}}]}}]}))
                .expect_err(source);
        }
    }

    #[test]
    fn sources_of_variables_are_allow_lists() {
        judged(json!({"containers": [{"env": [{"name": "A", "value": "b"}, {"valueFrom": {"fileKeyRef": {}}}]}]}))
            .expect("allowed");
        for odd in [
            json!({"env": [{"valueFrom": {"vaultRef": {}}}]}),
            json!({"envFrom": [{"vaultRef": {}}]}),
        ] {
            for list in ["containers", "initContainers", "ephemeralContainers"] {
                judged(json!({list: [&odd]})).expect_err("unknown");
            }
        }
    }

    #[test]
    fn unknown_references_do_not_pass() {
        for odd in [
            json!({"volumes": [{"csi": {"nodeStageSecretRef": {"name": "vc-my-vc"}}}]}),
            json!({"volumes": [{"rbd": {"secretName": "vc-my-vc"}}]}),
            json!({"volumes": [{"csi": {"nodePublishSecretRef": {"secretName": "vc-my-vc"}}}]}),
            json!({"volumes": [{"image": {"pullSecrets": ["vc-my-vc"]}}]}),
            json!({"resourcePools": {"claimName": "x"}}),
            json!({"containers": [{"lifecycle": {"preStop": {"httpGet": {"secretRef": {}}}}}]}),
            json!({"resourceClaims": [{"name": "gpu"}]}),
            json!({"schedulingGroup": {"podGroupName": "g"}}),
        ] {
            judged(odd.clone()).expect_err(&odd.to_string());
        }
    }

    #[test]
    fn what_is_free_to_choose_is_not_mistaken() {
        judged(json!({
            "nodeSelector": {"secret": "zone"}, "resourceClaims": [],
            "affinity": {"podAffinity": {"x": [{"labelSelector": {"matchLabels": {"secret": "a"}}}]}},
            "containers": [{"name": "secret", "env": [{"name": "SECRET", "value": "x"}],
                "resources": {"limits": {"claims.example/x": "1"}, "claims": [{"name": "a"}]}}],
            "volumes": [{"name": "v", "csi": {"driver": "d", "volumeAttributes": {"secretProviderClass": "c"}}}],
            "futureField": {"nested": [{"a": 1}]},
        }))
        .expect("allowed");
    }

    #[test]
    fn every_known_reference_passes() {
        let mut spec = json!({"volumes": []});
        for field in OF_POD {
            if let Some(rest) = field.at.strip_prefix("volumes[].") {
                let mut inner = json!({(field.member): "n"});
                for step in rest.split('.').rev() {
                    inner = match step.strip_suffix("[]") {
                        Some(list) => json!({list: [inner]}),
                        None => json!({step: inner}),
                    };
                }
                spec["volumes"].as_array_mut().unwrap().push(inner);
            }
        }
        super::super::references::translate(&mut spec, "shop", &Settings::example());
        judged(spec).expect("allowed");
    }
}
