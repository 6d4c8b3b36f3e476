//! Kubernetes' Pod Security Standards, judged on a pod as the host is to run it.
//!
//! The list of checks is that of <https://kubernetes.io/docs/concepts/security/pod-security-standards/> as of 1.34, the
//! newest version of each check. Without its one exception: pods with a user namespace of their own are judged as all
//! others are.

mod baseline;
mod restricted;

use crate::json::Value;

use crate::Object;
use crate::kinds::pods::paths::{CONTAINER_LISTS, each, text};

/// What is enforced. `privileged` enforces nothing and has no value here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// Known ways out of a container are closed.
    Baseline,
    /// And what is good practice is asked for.
    Restricted,
}

impl Standard {
    /// Its name in labels of namespaces and in our options.
    pub fn name(self) -> &'static str {
        match self {
            Standard::Baseline => "baseline",
            Standard::Restricted => "restricted",
        }
    }
}

/// What a pod does that the standard forbids, a phrase each. Empty: it may run.
pub fn violations(standard: Standard, pod: &Object) -> Vec<String> {
    let empty = Value::Null;
    let spec = pod.at(&["spec"]).unwrap_or(&empty);
    let annotations = pod.at(&["metadata", "annotations"]).unwrap_or(&empty);
    let pod = Pod { spec, annotations };
    let mut found = baseline::violations(&pod);
    if standard == Standard::Restricted {
        found.extend(restricted::violations(&pod));
    }
    found
}

/// The parts of a pod that are looked at.
struct Pod<'a> {
    spec: &'a Value,
    annotations: &'a Value,
}

/// Somebody who says something in a security context: the pod, or one of its containers.
struct Speaker<'a> {
    name: String,
    context: &'a Value,
}

impl<'a> Pod<'a> {
    fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let spec = self.spec;
        CONTAINER_LISTS.into_iter().filter_map(|list| spec.get(list)?.as_array()).flatten()
    }

    /// What the pod itself says.
    fn own(&self) -> Speaker<'a> {
        Speaker { name: "the pod".into(), context: context(self.spec) }
    }

    /// What each container says for itself.
    fn each_container(&self) -> impl Iterator<Item = Speaker<'a>> + use<'a> {
        self.containers().map(|container| Speaker {
            name: format!("container {:?}", text(container, "name")),
            context: context(container),
        })
    }

    /// All of them, the pod first.
    fn speakers(&self) -> impl Iterator<Item = Speaker<'a>> + use<'a> {
        std::iter::once(self.own()).chain(self.each_container())
    }

    fn is_windows(&self) -> bool {
        self.spec.get("os").is_some_and(|os| text(os, "name") == "windows")
    }
}

impl<'a> Speaker<'a> {
    /// The value at a path of the security context; absent and null are the same.
    fn at(&self, path: &[&str]) -> Option<&'a Value> {
        let found = path.iter().try_fold(self.context, |value, step| value.get(step));
        found.filter(|value| !value.is_null())
    }

    fn says(&self, path: &[&str], value: bool) -> bool {
        self.at(path) == Some(&Value::Bool(value))
    }

    /// The phrase for a value that is not allowed.
    fn sets(&self, path: &[&str], value: &Value) -> String {
        format!("{} sets securityContext.{} to {value}", self.name, path.join("."))
    }
}

fn context(holder: &Value) -> &Value {
    const NONE: &Value = &Value::Null;
    holder.get("securityContext").unwrap_or(NONE)
}

/// Texts of a list.
fn texts<'a>(value: &'a Value, path: &str) -> Vec<&'a str> {
    each(value, path).into_iter().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    fn judged(standard: Standard, pod: Value) -> Vec<String> {
        violations(standard, &Object::new(pod))
    }

    /// A pod that `restricted` lets pass, with a change.
    fn fit(change: Value) -> Value {
        let mut pod = json!({"metadata": {}, "spec": {
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": [], "ephemeralContainers": [],
            "containers": [{"name": "web", "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            }}],
        }});
        crate::diff::apply_merge_patch(&mut pod, &change);
        pod
    }

    /// Its one container with something in its security context.
    fn container(context: Value) -> Value {
        let mut all = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        crate::diff::apply_merge_patch(&mut all, &context);
        json!({"spec": {"containers": [{"name": "web", "securityContext": all}]}})
    }

    #[test]
    fn a_careful_pod_passes() {
        assert_eq!(judged(Standard::Restricted, fit(json!({}))), [""; 0]);
        assert_eq!(
            judged(Standard::Baseline, json!({"spec": {"containers": [{"name": "a"}]}})),
            [""; 0]
        );
        assert_eq!(judged(Standard::Restricted, json!(3)), [""; 0], "odd input has no containers");
    }

    /// Each thing that baseline forbids, alone in a pod that is careful otherwise.
    #[test]
    fn baseline_closes_each_way_out() {
        let bad = [
            json!({"spec": {"hostNetwork": true}}),
            json!({"spec": {"hostPID": true}}),
            json!({"spec": {"hostIPC": true}}),
            json!({"spec": {"securityContext": {"windowsOptions": {"hostProcess": true}}}}),
            container(json!({"windowsOptions": {"hostProcess": true}})),
            container(json!({"privileged": true})),
            container(json!({"capabilities": {"add": ["SYS_ADMIN"]}})),
            container(json!({"capabilities": {"add": ["NET_RAW"]}})),
            json!({"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}}),
            json!({"spec": {"containers": [{"name": "web", "ports": [{"containerPort": 80, "hostPort": 80}]}]}}),
            json!({"spec": {"containers": [{"name": "web", "livenessProbe": {"httpGet": {"host": "10.0.0.1"}}}]}}),
            json!({"spec": {"containers": [{"name": "web", "readinessProbe": {"tcpSocket": {"host": "10.0.0.1"}}}]}}),
            json!({"spec": {"containers": [{"name": "web", "lifecycle": {"preStop": {"httpGet": {"host": "a"}}}}]}}),
            json!({"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/web": "unconfined"}}}),
            json!({"spec": {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}}),
            container(json!({"appArmorProfile": {"type": "Unconfined"}})),
            json!({"spec": {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}}),
            container(json!({"seLinuxOptions": {"user": "system_u"}})),
            container(json!({"seLinuxOptions": {"role": "system_r"}})),
            container(json!({"procMount": "Unmasked"})),
            json!({"spec": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}}),
            container(json!({"seccompProfile": {"type": "Unconfined"}})),
            json!({"spec": {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}}),
        ];
        for change in bad {
            for standard in [Standard::Baseline, Standard::Restricted] {
                let found = judged(standard, fit(change.clone()));
                assert!(!found.is_empty(), "{standard:?} lets {change} pass");
            }
            // What a container must not do, none of any list may.
            let Some(one) = change.pointer("/spec/containers/0") else { continue };
            for list in ["initContainers", "ephemeralContainers"] {
                let found = judged(Standard::Baseline, fit(json!({"spec": {list: [one]}})));
                assert!(!found.is_empty(), "{list}: {change} passes");
            }
        }
    }

    #[test]
    fn baseline_leaves_room() {
        for change in [
            container(
                json!({"capabilities": {"add": ["NET_BIND_SERVICE", "CHOWN"]}, "privileged": false}),
            ),
            json!({"spec": {"containers": [{"name": "web", "ports": [{"containerPort": 80, "hostPort": 0}]}]}}),
            container(json!({"procMount": "Default", "seccompProfile": {"type": "Localhost"}})),
            json!({"spec": {"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}}}),
            container(json!({"seLinuxOptions": {"type": "container_t", "level": "s0:c1"}})),
            json!({"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/web": "localhost/x"}}}),
            json!({"spec": {"hostNetwork": false, "volumes": [{"name": "v", "nfs": {"server": "a"}}]}}),
            json!({"spec": {"securityContext": {"runAsUser": 0}}}),
        ] {
            assert_eq!(judged(Standard::Baseline, fit(change.clone())), [""; 0], "{change}");
        }
    }

    #[test]
    fn restricted_asks_for_care() {
        let bad = [
            json!({"spec": {"volumes": [{"name": "v", "nfs": {"server": "a"}}]}}),
            json!({"spec": {"volumes": [{"name": "v", "future": {}}]}}),
            container(json!({"allowPrivilegeEscalation": null})),
            container(json!({"allowPrivilegeEscalation": true})),
            json!({"spec": {"securityContext": {"runAsNonRoot": null}}}),
            json!({"spec": {"securityContext": {"runAsNonRoot": false}}}),
            container(json!({"runAsNonRoot": false})),
            json!({"spec": {"securityContext": {"runAsUser": 0}}}),
            container(json!({"runAsUser": 0})),
            json!({"spec": {"securityContext": {"seccompProfile": null}}}),
            container(json!({"capabilities": null})),
            container(json!({"capabilities": {"drop": ["NET_RAW"]}})),
            container(json!({"capabilities": {"add": ["CHOWN"]}})),
        ];
        for change in bad {
            assert_ne!(judged(Standard::Restricted, fit(change.clone())), [""; 0], "{change}");
            assert_eq!(judged(Standard::Baseline, fit(change.clone())), [""; 0], "{change}");
        }
        for change in [
            container(json!({"capabilities": {"add": ["NET_BIND_SERVICE"]}})),
            // The containers may say it instead of the pod.
            json!({"spec": {"securityContext": null, "containers": [{"name": "web", "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"}}}]}}),
            json!({"spec": {"volumes": [{"name": "v", "image": {}}, {"name": "w", "ephemeral": {}}]}}),
            // Windows knows neither.
            json!({"spec": {"os": {"name": "windows"}, "securityContext": {"runAsNonRoot": true, "seccompProfile": null},
                "containers": [{"name": "web"}]}}),
        ] {
            assert_eq!(judged(Standard::Restricted, fit(change.clone())), [""; 0], "{change}");
        }
    }

    #[test]
    fn it_is_said_who_and_what() {
        let pod =
            fit(container(json!({"privileged": true, "capabilities": {"add": ["SYS_ADMIN"]}})));
        let found = judged(Standard::Baseline, pod).join("; ");
        assert!(found.contains("container \"web\"") && found.contains("privileged"), "{found}");
        assert!(found.contains("SYS_ADMIN"), "{found}");
    }
}
