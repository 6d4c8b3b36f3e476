//! What somebody may take for otherwise than it is. Pure.

use serde_json::Value;

use super::{Facts, Request, versions};

/// So many values are named; more help nobody.
const MOST: usize = 8;

/// What does not happen to a virtual cluster that is only connected to.
pub fn unchanged(request: &Request<'_>, facts: &Facts, given: Option<&Value>) -> Option<String> {
    let (name, namespace) = (request.name, request.namespace);
    if facts.release.as_ref().is_some_and(|release| release.status != "deployed") {
        return Some(format!(
            "the last change of {name} came to no end and may be there in part: \
             `vcluster create {name} -n {namespace} --upgrade` takes it back, and with values makes it"
        ));
    }
    let differ = given.zip(facts.kept.as_ref()).is_some_and(|(given, kept)| given != kept);
    differ.then(|| {
        format!("the values given are not those that {name} was made with, and change nothing without --upgrade")
    })
}

/// Values of the last time that those given now say nothing about: they are the defaults again.
pub fn dropped(facts: &Facts, given: &Value) -> Option<String> {
    let mut paths = Vec::new();
    missing(facts.kept.as_ref()?, Some(given), "", &mut paths);
    // Nobody has to say it again.
    paths.retain(|path| path != "controlPlane.distro.k8s.version");
    let more = paths.len().saturating_sub(MOST);
    paths.truncate(MOST);
    if more > 0 {
        paths.push(format!("{more} more"));
    }
    let list = paths.join(", ");
    (!paths.is_empty()).then(|| {
        format!(
            "the values given stand for all, so these of the last time are no longer set: {list}"
        )
    })
}

/// A version of Kubernetes that stays although there is a newer patch: an upgrade of the chart does not change it.
pub fn older(facts: &Facts, version: Option<&str>) -> Option<String> {
    let running = facts.running.as_ref()?.kubernetes.as_deref()?;
    let newer = versions::newer_patch(running).filter(|_| version == Some(running))?;
    Some(format!("Kubernetes stays {running}; `--kubernetes-version {newer}` would change that"))
}

fn missing(old: &Value, new: Option<&Value>, path: &str, paths: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), None | Some(Value::Object(_))) => {
            for (key, value) in old {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                missing(value, new.and_then(|new| new.get(key)), &below, paths);
            }
        }
        (_, None) => paths.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_longer_said_is_found() {
        let old = json!({ "policies": { "isolate": true, "quota": { "enabled": true } }, "a": [1], "b": 1 });
        let new = json!({ "policies": { "isolate": false }, "b": { "c": 1 } });
        let mut paths = Vec::new();
        missing(&old, Some(&new), "", &mut paths);
        assert_eq!(paths, ["a", "policies.quota.enabled"]);
    }
}
