//! Having certificates made anew.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::{Kept, read, secret};
use crate::discover::Found;
use crate::error::{CliError, Kind, Result};
use crate::host::within;
use crate::names;
use crate::progress::{self, Need, Progress};
use crate::ui::Step;

/// How often we look whether the syncer has made what is missing.
const LOOK: Duration = Duration::from_millis(100);

/// Has every leaf made anew: those that all replicas share, and by each replica its API server's own. Where a program
/// can, it takes them up without a restart; the syncer restarts itself. A paused virtual cluster gets them on resume.
///
/// # Errors
/// When the host refuses, or they are not there in time.
pub async fn rotate(found: &Found, step: &mut Step, patience: Duration) -> Result<usize> {
    let deadline = Instant::now() + patience;
    let before = secret(found).await?;
    let wanted = take_out(found, &before, false).await?;
    if found.cluster.paused() || found.cluster.scaled_down() {
        return Ok(wanted.len() / 2);
    }
    ask(found).await?;
    step.note("waiting for the syncer");
    while !all_there(&secret(found).await?, &wanted) {
        if Instant::now() >= deadline {
            return Err(late(found, patience));
        }
        sleep(LOOK).await;
    }
    let mut progress = Progress::start(&found.host, &found.cluster.name, &found.cluster.namespace);
    let ready = progress.wait(Need::Ready, step, deadline).await;
    ready.map_err(|error| progress::after(error, patience)).map(|_| wanted.len() / 2)
}

/// Has the authorities made anew, and everything that they signed, by a rolling restart of the control plane.
///
/// # Errors
/// As [`rotate`].
pub async fn rotate_authorities(
    found: &Found,
    step: &mut Step,
    patience: Duration,
) -> Result<usize> {
    let deadline = Instant::now() + patience;
    let (name, namespace) = (&found.cluster.name, &found.cluster.namespace);
    let sets: Api<StatefulSet> = found.host.api(namespace);
    let set = within(format!("read statefulset {name}"), sets.get_opt(name)).await?;
    if set.as_ref().is_some_and(keeps_authorities) {
        return Err(CliError::new(Kind::Refused, format!("{name} keeps its authorities"))
            .because("k3s has a copy of them in its store, and would go on with that")
            .hint(format!("vcluster certs rotate {name} -n {namespace}")));
    }
    let wanted = take_out(found, &secret(found).await?, true).await?;
    if found.cluster.paused() || found.cluster.scaled_down() {
        return Ok(wanted.len() / 2);
    }
    let mut progress = Progress::start(&found.host, name, namespace);
    step.note("restarting the control plane");
    match within(format!("restart statefulset {name}"), sets.restart(name)).await {
        Err(error) if error.kind == Kind::NotFound => {
            let deployments: Api<Deployment> = found.host.api(namespace);
            within(format!("restart deployment {name}"), deployments.restart(name)).await?;
        }
        other => drop(other?),
    }
    progress.only_newest().await?;
    let ready = progress.wait(Need::Ready, step, deadline).await;
    ready.map_err(|error| progress::after(error, patience))?;
    match all_there(&secret(found).await?, &wanted) {
        true => Ok(wanted.len() / 2),
        false => Err(late(found, patience)),
    }
}

/// Whether the control plane would not take other authorities than those it began with.
fn keeps_authorities(set: &StatefulSet) -> bool {
    let pod = set.spec.template.spec.as_ref();
    pod.is_some_and(|pod| pod.containers.iter().any(|container| container.name == "k3s"))
}

/// Takes the pairs out of the Secret, unless somebody changed it meanwhile. What is missing is made.
async fn take_out(found: &Found, kept: &Kept, authorities: bool) -> Result<Vec<String>> {
    let (name, namespace) = (&found.cluster.name, &found.cluster.namespace);
    let files = read::to_renew(&kept.data, authorities);
    if !kept.data.contains_key("client-ca.key") || files.is_empty() {
        let secret = names::certs_secret(name);
        return Err(CliError::failed(format!("the certificates of {name} cannot be made anew"))
            .because(format!(
                "secret {secret} was not made by this syncer: it has no client-ca.key"
            ))
            .hint(format!("vcluster certs check {name} -n {namespace}")));
    }
    let data: Map<String, Value> = files.iter().map(|file| (file.clone(), Value::Null)).collect();
    let body = json!({
        "metadata": { "uid": kept.uid, "resourceVersion": kept.version }, "data": data,
    });
    let secret = names::certs_secret(name);
    let secrets: Api<Secret> = found.host.api(namespace);
    let (parameters, body) = (PatchParams::default(), Patch::Merge(body));
    let patch = secrets.patch_metadata(&secret, &parameters, &body);
    within(format!("change secret {secret} in namespace {namespace}"), patch).await?;
    Ok(files)
}

/// Asks the syncer of each replica to look at once.
async fn ask(found: &Found) -> Result<()> {
    let (name, namespace) = (&found.cluster.name, &found.cluster.namespace);
    let services: Api<Service> = found.host.api(namespace);
    let now = Timestamp::now().to_string();
    let body = json!({ "metadata": { "annotations": { names::CERTIFICATES_ASKED: now } } });
    let (parameters, body) = (PatchParams::default(), Patch::Merge(body));
    let patch = services.patch_metadata(name, &parameters, &body);
    within(format!("annotate service {name} in namespace {namespace}"), patch).await.map(|_| ())
}

fn all_there(kept: &Kept, wanted: &[String]) -> bool {
    wanted.iter().all(|file| kept.data.contains_key(file))
}

fn late(found: &Found, patience: Duration) -> CliError {
    let (name, namespace) = (&found.cluster.name, &found.cluster.namespace);
    let error = CliError::new(Kind::Timeout, format!("the certificates of {name} are not made"))
        .because("its syncer does not make them, or cannot write them to the host")
        .hint(format!(
            "kubectl --context {} -n {namespace} logs -l app=vcluster,release={name} -c syncer --tail 20",
            found.host.context
        ));
    progress::after(error, patience)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k3s_keeps_its_authorities_and_others_do_not() {
        for (containers, keeps) in
            [(["k3s", "syncer"], true), (["kube-apiserver", "syncer"], false)]
        {
            let containers = containers.map(|name| json!({ "name": name }));
            let set: StatefulSet = serde_json::from_value(json!({
                "spec": {
                    "selector": {},
                    "serviceName": "s",
                    "template": { "spec": { "containers": containers } },
                },
            }))
            .unwrap();
            assert_eq!(keeps_authorities(&set), keeps);
        }
    }
}
