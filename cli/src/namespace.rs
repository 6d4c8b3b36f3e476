//! Host namespaces.

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams, Preconditions};
use kube::runtime::{WatchStreamExt, watcher};
use tokio::time::Instant;

use crate::error::{CliError, Kind, Result};
use crate::host::{Host, within};
use crate::names;
use crate::ui::Step;

/// Makes it, with the mark that lets `delete` remove it again.
///
/// # Errors
/// When the host refuses. That it is there already is as good.
pub async fn make(host: &Host, namespace: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(host.client.clone());
    let annotations = [(names::CREATED.to_owned(), "true".to_owned())].into();
    let metadata = ObjectMeta {
        name: Some(namespace.to_owned()),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    };
    let new = Namespace { metadata, ..Namespace::default() };
    match within(
        format!("create namespace {namespace}"),
        namespaces.create(&PostParams::default(), &new),
    )
    .await
    {
        Err(error) if error.kind != Kind::Conflict => Err(error),
        _ => Ok(()),
    }
}

/// Deletes it, if it is there.
///
/// # Errors
/// When the host refuses.
pub async fn remove(host: &Host, namespace: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(host.client.clone());
    let Some(found) =
        within(format!("read namespace {namespace}"), namespaces.get_opt(namespace)).await?
    else {
        return Ok(());
    };
    let only = DeleteParams::default()
        .preconditions(Preconditions { uid: found.metadata.uid, resource_version: None });
    match within(format!("delete namespace {namespace}"), namespaces.delete(namespace, &only)).await
    {
        // Being deleted already.
        Err(error) if !matches!(error.kind, Kind::NotFound | Kind::Conflict) => Err(error),
        _ => Ok(()),
    }
}

/// Waits until it is gone.
///
/// # Errors
/// The deadline, with what the host says keeps it.
pub async fn until_gone(
    host: &Host,
    namespace: &str,
    step: &mut Step,
    deadline: Instant,
) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(host.client.clone());
    let only = watcher::Config::default().fields(&format!("metadata.name={namespace}"));
    let mut changes = watcher(namespaces, only).default_backoff().boxed();
    let mut there = false;
    let mut why = String::new();
    loop {
        match tokio::time::timeout_at(deadline, changes.try_next()).await {
            Ok(Ok(Some(event))) => match event {
                watcher::Event::Init => there = false,
                watcher::Event::InitApply(found) | watcher::Event::Apply(found) => {
                    there = true;
                    why = why_terminating(&found);
                    step.note(if why.is_empty() {
                        "waiting for the namespace to go".to_owned()
                    } else {
                        why.clone()
                    });
                }
                watcher::Event::Delete(_) => return Ok(()),
                watcher::Event::InitDone if !there => return Ok(()),
                watcher::Event::InitDone => {}
            },
            Ok(Err(error)) => tracing::debug!(%error, "a watch broke"),
            Ok(Ok(None)) | Err(_) => {
                return Err(CliError::new(
                    Kind::Timeout,
                    format!("namespace {namespace} is still being deleted"),
                )
                .because(if why.is_empty() { "the host does not say why".to_owned() } else { why })
                .hint(format!(
                    "kubectl --context {} get namespace {namespace} -o yaml",
                    host.context
                )));
            }
        }
    }
}

/// What the host says about a namespace that does not go. Pure.
fn why_terminating(namespace: &Namespace) -> String {
    let conditions = namespace
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    let messages =
        conditions.iter().filter(|it| it.status == "True").filter_map(|it| it.message.clone());
    messages.collect::<Vec<_>>().join("; ")
}
