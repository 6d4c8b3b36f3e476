//! `restricted`: what good practice asks for, on top of `baseline`.

use crate::json::Value;

use crate::kinds::pods::paths::{each, text};

use super::{Pod, Speaker, texts};

/// Kinds of volumes that reach nothing but what the cluster's own objects say.
const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

pub(super) fn violations(pod: &Pod<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for volume in each(pod.spec, "volumes[]") {
        let used = |source: &str| volume.get(source).is_some_and(|value| !value.is_null());
        if !VOLUMES.into_iter().any(used) {
            found.push(format!(
                "volume {:?} is of a kind that is not allowed",
                text(volume, "name")
            ));
        }
    }
    let user = ["runAsUser"];
    for speaker in pod.speakers() {
        if let Some(value) = speaker.at(&user).filter(|value| value.as_f64() == Some(0.0)) {
            found.push(speaker.sets(&user, value));
        }
    }
    let own = pod.own();
    let non_root = ["runAsNonRoot"];
    if own.says(&non_root, false) {
        found.push(own.sets(&non_root, &Value::Bool(false)));
    }
    for container in pod.each_container() {
        let inherits = container.at(&non_root).is_none() && own.says(&non_root, true);
        if !inherits && !container.says(&non_root, true) {
            found.push(wants(&container, "runAsNonRoot true"));
        }
        if !pod.is_windows() {
            found.extend(of_linux(&container, &own));
        }
    }
    found
}

/// What Windows does not know. Profiles that are set are judged by `baseline`: only one that is missing counts here.
fn of_linux(container: &Speaker<'_>, own: &Speaker<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if !container.says(&["allowPrivilegeEscalation"], false) {
        found.push(wants(container, "allowPrivilegeEscalation false"));
    }
    let seccomp = ["seccompProfile", "type"];
    if container.at(&seccomp).or_else(|| own.at(&seccomp)).is_none() {
        found.push(wants(container, "seccompProfile.type RuntimeDefault or Localhost"));
    }
    if !texts(container.context, "capabilities.drop[]").contains(&"ALL") {
        found.push(wants(container, "capabilities.drop [ALL]"));
    }
    for capability in texts(container.context, "capabilities.add[]") {
        if capability != "NET_BIND_SERVICE" {
            found.push(format!("{} adds capability {capability}", container.name));
        }
    }
    found
}

fn wants(container: &Speaker<'_>, what: &str) -> String {
    format!("{} must have securityContext.{what}", container.name)
}
