//! What the options, and what the clusters say of themselves, are for the core.

use vcluster_config::{Config, PodSecurityStandard, Toleration};
use vcluster_syncer_core::json::Value;
use vcluster_syncer_core::pod_security::Standard;
use vcluster_syncer_core::{Object, Settings};

use super::RunArgs;

/// What the clusters say of themselves.
pub struct Found {
    /// Service `NAME` of the host, as the chart made it.
    pub service: Object,
    /// What the host answers at `/version`.
    pub host: Value,
    /// And the virtual API server.
    pub inside: Value,
}

/// The settings of the core.
pub fn settings(args: &RunArgs, config: &Config, found: &Found) -> Settings {
    let to_host = &config.sync.to_host;
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    Settings {
        name: args.name.clone(),
        host_namespace: args.namespace.clone(),
        cluster_domain: config.networking.advanced.cluster_domain.clone(),
        own_dns: config.control_plane.coredns.enabled,
        workload_service_account: config.workload_service_account(&args.name),
        rewrite_hosts: to_host.pods.rewrite_hosts.enabled && !args.image.is_empty(),
        rewrite_hosts_image: args.image.clone(),
        rewrite_hosts_resources: Value::of(&to_host.pods.rewrite_hosts.init_container.resources)
            .unwrap_or_default(),
        owner_uid: match config.experimental.sync_settings.set_owner {
            true => found.service.uid().to_owned(),
            false => String::new(),
        },
        host_events: config.sync.from_host.events.enabled,
        all_config_maps: to_host.config_maps.all,
        all_secrets: to_host.secrets.all,
        kubernetes_version: text(&found.inside, "gitVersion"),
        architecture: architecture(&text(&found.host, "platform")),
        host_minor: minor(&text(&found.host, "minor")),
        priority_class_name: some(&to_host.pods.priority_class_name),
        runtime_class_name: some(&to_host.pods.runtime_class_name),
        scheduling: super::kinds::scheduling(config),
        images: to_host.pods.translate_image.clone(),
        tolerations: tolerations(&to_host.pods.enforce_tolerations),
        pod_security: match config.policies.pod_security() {
            PodSecurityStandard::Open | PodSecurityStandard::Privileged => None,
            PodSecurityStandard::Baseline => Some(Standard::Baseline),
            PodSecurityStandard::Restricted => Some(Standard::Restricted),
        },
    }
}

/// Tolerations as objects have them. What cannot be read was refused before.
fn tolerations(texts: &[String]) -> Vec<Value> {
    let read = texts.iter().filter_map(|text| Toleration::parse(text).ok());
    read.map(|toleration| {
        let mut object = Object::default();
        if !toleration.key.is_empty() {
            object.set(&["key"], toleration.key);
        }
        if !toleration.effect.is_empty() {
            object.set(&["effect"], toleration.effect);
        }
        match toleration.value {
            Some(value) => {
                object.set(&["operator"], "Equal");
                object.set(&["value"], value);
            }
            None => object.set(&["operator"], "Exists"),
        }
        object.into_value()
    })
    .collect()
}

/// `amd64` of `linux/amd64`: the host's API server's, which is the best guess there is of its nodes'.
fn architecture(platform: &str) -> String {
    platform.split_once('/').map_or("amd64", |(_, architecture)| architecture).to_owned()
}

fn text(value: &Value, member: &str) -> String {
    Object::new(value.clone()).str_at(&[member]).unwrap_or_default().to_owned()
}

/// The minor version; some providers append a plus sign.
fn minor(text: &str) -> u32 {
    text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use vcluster_syncer_core::json::json;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: RunArgs,
    }

    fn settings(options: &Value) -> Settings {
        let line = ["run", "--name", "my-vc", "--namespace", "team-x"];
        let args = Line::try_parse_from(line).unwrap().args;
        let config = vcluster_config::load("test", &options.to_string()).unwrap().config;
        let found = Found {
            service: Object::new(json!({ "metadata": { "name": "my-vc", "uid": "u" } })),
            host: json!({ "minor": "34+", "platform": "linux/arm64" }),
            inside: json!({ "gitVersion": "v1.34.4" }),
        };
        super::settings(&args, &config, &found)
    }

    #[test]
    fn clusters_say_what_they_are() {
        let settings = settings(&json!({}));
        assert_eq!((settings.host_minor, settings.architecture.as_str()), (34, "arm64"));
        assert_eq!(settings.kubernetes_version, "v1.34.4");
    }

    #[test]
    fn the_rewriter_of_hosts_may_use_what_it_is_given() {
        let resources = |options: Value| settings(&options).rewrite_hosts_resources;
        assert_eq!(resources(json!({}))["limits"], json!({ "cpu": "30m", "memory": "64Mi" }));
        let own =
            json!({ "resources": { "limits": { "memory": "1Gi" }, "requests": { "cpu": 1 } } });
        let pods = json!({ "rewriteHosts": { "initContainer": own } });
        let given = resources(json!({ "sync": { "toHost": { "pods": pods } } }));
        assert_eq!(given, json!({ "limits": { "memory": "1Gi" }, "requests": { "cpu": 1 } }));
    }

    #[test]
    fn nothing_is_owned_where_that_is_off() {
        assert_eq!(settings(&json!({})).owner_uid, "u");
        let off = json!({ "experimental": { "syncSettings": { "setOwner": false } } });
        assert_eq!(settings(&off).owner_uid, "");
    }

    #[test]
    fn pods_run_under_the_account_that_the_chart_makes() {
        let account = |options: Value| settings(&options).workload_service_account;
        assert_eq!(account(json!({})), "vc-workload-my-vc");
        let own = json!({ "workloadServiceAccount": { "name": "custom" } });
        assert_eq!(account(json!({ "controlPlane": { "advanced": own } })), "custom");
    }
}
