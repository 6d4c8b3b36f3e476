//! `kubectl top` inside (`integrations.metricsServer`): the virtual API server is told that the syncer serves
//! `metrics.k8s.io`.
//!
//! It is told so by an APIService that leads to a Service whose name is `localhost`: every replica of the control plane asks
//! the syncer in its own pod. The syncer answers what there is to discover by itself, so a host without numbers never keeps
//! a virtual namespace from being deleted.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use vcluster_config::Config;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::resource::SERVICES;
use vcluster_syncer_core::{Key, Object, Resource};

use super::{RunArgs, manifests};
use crate::admin::Check;
use crate::engine::api::Api;
use crate::kubelet::KubeletServers;

/// Namespace and name of the Service.
const SERVICE: (&str, &str) = ("kube-system", "vcluster-metrics");
/// What the virtual API server expects in the certificate: NAME.NAMESPACE.svc.
const SERVER_NAME: &str = "vcluster-metrics.kube-system.svc";
/// On the loopback interface of the control plane's pod; the same as upstream's.
const PORT: u16 = 9001;
/// The one that metrics-server makes too.
const API_SERVICE: &str = "v1beta1.metrics.k8s.io";
const GROUP_VERSION: &str = "/apis/metrics.k8s.io/v1beta1";
/// Lets whoever may look at pods look at their numbers.
const READER: &str = "vcluster:metrics-reader";

/// Between two tries of what does not work.
const AGAIN: Duration = Duration::from_secs(2);
/// How often is looked again at what somebody has to change.
const LATER: Duration = Duration::from_secs(60);
/// What a host's owner has to change.
const NO_METRICS: &str =
    "the host cluster serves no metrics (metrics.k8s.io): install metrics-server there";

static API_SERVICES: Resource = Resource {
    group: "apiregistration.k8s.io",
    version: "v1",
    plural: "apiservices",
    kind: "APIService",
    namespaced: false,
};
static CLUSTER_ROLES: Resource = Resource {
    group: "rbac.authorization.k8s.io",
    version: "v1",
    plural: "clusterroles",
    kind: "ClusterRole",
    namespaced: false,
};

/// Opens the port, if the option is on, and answers whether it is open. Every replica does.
pub async fn serve(
    args: &RunArgs,
    config: &Config,
    servers: &KubeletServers,
    check: &Check,
) -> bool {
    let options = &config.integrations.metrics_server;
    if !options.enabled {
        return false;
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let served = async {
        let ca = authority(args, "front-proxy-ca.crt")?;
        anyhow::Ok(servers.serve_metrics_api(address, SERVER_NAME, ca, options).await?)
    };
    let Err(error) = served.await else { return true };
    tracing::error!(error = %format!("{error:#}"), "the metrics API is not served");
    check.failing(format!("integrations.metricsServer: {error:#}"));
    false
}

/// Tells the virtual API server about it, or, when it is not `served`, takes back what was told it before. Done by the
/// leader.
pub async fn offer(inside: Api, host: Api, args: RunArgs, served: bool, check: Check) {
    let mut said = String::new();
    loop {
        let done = async {
            if !served {
                return withdraw(&inside).await.map(|()| None);
            }
            if !host_measures(&host).await? {
                withdraw(&inside).await?;
                return anyhow::Ok(Some(NO_METRICS.to_owned()));
            }
            announce(&inside, &authority(&args, "ca.crt")?).await
        };
        let (problem, again) = match done.await {
            Ok(None) => {
                if served && !said.is_empty() {
                    check.ok();
                }
                return;
            }
            Ok(Some(problem)) => (problem, LATER),
            Err(error) => (format!("{error:#}"), AGAIN),
        };
        if problem != said {
            tracing::warn!(problem, "the metrics API inside is not as it should be, will retry");
            if served {
                check.failing(format!("integrations.metricsServer: {problem}"));
            }
            said = problem;
        }
        tokio::time::sleep(again).await;
    }
}

fn authority(args: &RunArgs, file: &str) -> anyhow::Result<String> {
    let path = args.pki.join(file);
    std::fs::read_to_string(&path)
        .with_context(|| format!("certificate {} cannot be read", path.display()))
}

/// Whether the host has a metrics-server; one that does not answer just now counts.
async fn host_measures(host: &Api) -> anyhow::Result<bool> {
    match host.get_raw(GROUP_VERSION).await {
        Err(error) if error.code() == 404 => Ok(false),
        Err(error) if error.code() == 503 => Ok(true),
        answer => Ok(answer.map(|_| true).context("the host was asked for its metrics API")?),
    }
}

/// Returns what is in the way, if somebody must take it away.
async fn announce(inside: &Api, ca: &str) -> anyhow::Result<Option<String>> {
    let key = Key::cluster(API_SERVICE);
    if let Some(there) = inside.get(&API_SERVICES, &key).await?
        && !is_ours(&there)
    {
        return Ok(Some(format!(
            "a metrics-server inside serves this already; take it away, or turn the option off: \
             kubectl get apiservice {API_SERVICE}"
        )));
    }
    for object in objects(ca) {
        manifests::apply(inside, &object).await?;
    }
    Ok(None)
}

/// Removes what [`announce`] made. A tenant's own metrics-server stays.
async fn withdraw(inside: &Api) -> anyhow::Result<()> {
    let key = Key::cluster(API_SERVICE);
    let Some(there) = inside.get(&API_SERVICES, &key).await?.filter(is_ours) else {
        return Ok(());
    };
    let (namespace, name) = SERVICE;
    for (kind, key) in
        [(&SERVICES, Key::new(namespace, name)), (&CLUSTER_ROLES, Key::cluster(READER))]
    {
        if let Some(object) = inside.get(kind, &key).await? {
            inside.delete(kind, &key, object.uid(), None).await?;
        }
    }
    // Last: it says that there is something to remove.
    inside.delete(&API_SERVICES, &key, there.uid(), None).await?;
    Ok(())
}

fn is_ours(api_service: &Object) -> bool {
    let at = |member: &str| api_service.str_at(&["spec", "service", member]);
    (at("namespace"), at("name")) == (Some(SERVICE.0), Some(SERVICE.1))
}

fn objects(ca: &str) -> [Value; 3] {
    let (namespace, name) = SERVICE;
    [
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "namespace": namespace, "name": name },
            "spec": { "type": "ExternalName", "externalName": "localhost" },
        }),
        json!({
            "apiVersion": CLUSTER_ROLES.api_version(), "kind": CLUSTER_ROLES.kind,
            "metadata": { "name": READER, "labels": {
                "rbac.authorization.k8s.io/aggregate-to-admin": "true",
                "rbac.authorization.k8s.io/aggregate-to-edit": "true",
                "rbac.authorization.k8s.io/aggregate-to-view": "true",
            }},
            "rules": [{
                "apiGroups": ["metrics.k8s.io"], "resources": ["nodes", "pods"], "verbs": ["get", "list"],
            }],
        }),
        json!({
            "apiVersion": API_SERVICES.api_version(), "kind": API_SERVICES.kind,
            "metadata": { "name": API_SERVICE },
            "spec": {
                "group": "metrics.k8s.io", "version": "v1beta1",
                "groupPriorityMinimum": 100, "versionPriority": 100,
                "service": { "namespace": namespace, "name": name, "port": PORT },
                "caBundle": BASE64_STANDARD.encode(ca),
            },
        }),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use vcluster_syncer_core::Side;

    use super::*;
    use crate::namespace::tests::scripted;

    #[test]
    fn the_certificate_has_the_name_that_is_expected() {
        assert_eq!(SERVER_NAME, format!("{}.{}.svc", SERVICE.1, SERVICE.0));
    }

    #[test]
    fn ours_is_told_by_where_it_leads() {
        let [.., ours] = objects("ca");
        assert!(is_ours(&Object::new(ours)));
        let theirs =
            json!({"spec": {"service": {"namespace": "kube-system", "name": "metrics-server"}}});
        assert!(!is_ours(&Object::new(theirs)));
        assert!(!is_ours(&Object::new(json!({"spec": {}}))), "a local one");
    }

    /// What is deleted when this APIService is there and the option is off.
    async fn deleted_beside(api_service: Value) -> Vec<String> {
        let deleted = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&deleted);
        let (namespace, _) = scripted(&[], move |line, _| {
            let (verb, path) = line.split_once(' ').unwrap();
            if verb == "DELETE" {
                noted.lock().unwrap().push(path.rsplit('/').next().unwrap_or_default().to_owned());
                return Some((200, json!({})));
            }
            match path.contains("apiservices") {
                true => Some((200, api_service.clone())),
                false => Some((200, json!({"metadata": {"name": "x", "uid": "u"}}))),
            }
        });
        withdraw(&Api::new(namespace.client().clone(), Side::Virtual)).await.unwrap();
        deleted.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn what_was_announced_is_taken_back_and_nothing_else() {
        let [.., mut ours] = objects("ca");
        ours["metadata"]["uid"] = json!("u");
        assert_eq!(deleted_beside(ours).await, [SERVICE.1, READER, API_SERVICE]);
        let theirs =
            json!({"metadata": {"uid": "u"}, "spec": {"service": {"namespace": "a", "name": "b"}}});
        assert!(deleted_beside(theirs).await.is_empty());
    }
}
