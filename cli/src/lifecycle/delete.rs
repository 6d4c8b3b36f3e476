//! Taking a virtual cluster off its host.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use kube::api::{Api, ListParams};
use tokio::time::Instant;

use crate::app::App;
use crate::discover;
use crate::error::Result;
use crate::helm::{self, Helm, Release};
use crate::host::{Host, within};
use crate::names;
use crate::namespace;

use super::exports::Exports;
use super::leftovers::{Kinds, Removed};
use super::marks::Marks;
use super::scale;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// Leave the claims: the store's and those of the workloads.
    pub keep_claims: bool,
    /// Remove the namespace too, whatever else is in it.
    pub namespace: bool,
    /// Remove the namespace too if `create` made it and no other virtual cluster is in it.
    pub namespace_if_ours: bool,
    /// Wait until everything is gone.
    pub wait: bool,
    /// How long.
    pub patience: Duration,
}

/// What there is to delete.
#[derive(Clone, Debug)]
pub struct Standing {
    /// There is a helm release of that name.
    pub release: bool,
    /// The namespace goes too.
    pub namespace_goes: bool,
    marks: Marks,
}

/// Looks before anything is deleted.
///
/// # Errors
/// When the host refuses.
pub async fn look(host: &Host, name: &str, namespace: &str, wishes: &Wishes) -> Result<Standing> {
    let services: Api<Service> = host.api(namespace);
    let service =
        within(format!("read service {name} in namespace {namespace}"), services.get_opt(name))
            .await?;
    let secrets: Api<Secret> = host.api(namespace);
    let releases = ListParams::default().labels(&format!("owner=helm,name={name}")).limit(1);
    let releases = within(
        format!("list helm releases in namespace {namespace}"),
        secrets.list_metadata(&releases),
    )
    .await?;
    Ok(Standing {
        release: !releases.items.is_empty(),
        namespace_goes: namespace_goes(host, name, namespace, wishes).await?,
        marks: Marks {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            service: service.and_then(|service| service.metadata.uid),
            keep_claims: wishes.keep_claims,
        },
    })
}

/// Deletes, and answers what was removed, by kind.
///
/// # Errors
/// When helm or the host refuses, or something is left at the end.
pub async fn delete(
    app: &App,
    host: &Host,
    standing: &Standing,
    wishes: &Wishes,
) -> Result<BTreeMap<String, usize>> {
    let deadline = Instant::now() + wishes.patience;
    let Marks { name, namespace: space, .. } = &standing.marks;
    let kinds = Kinds::of(host).await?;
    let mut removed = Removed::default();
    let exports = Exports::of(host, name, space).await;
    kinds.note(&standing.marks, &mut removed).await;
    if wishes.keep_claims {
        kinds.disown_claims(&standing.marks).await?;
    }
    if standing.release {
        let step = app.ui.step(format!("Removing the release {name}"));
        let helm = Helm::find(app).await?;
        let release = Release { name, namespace: space, context: &host.context };
        let argv = helm::uninstall(release);
        match helm.run(app, Some(host), &format!("remove the release {name}"), &argv, None).await {
            Err(error)
                if error.cause.as_deref().is_some_and(|cause| cause.contains("not found")) => {}
            other => {
                other?;
            }
        }
        step.done_as("Release removed");
    }
    let mut step = app.ui.step("Removing what it left on the host");
    if !wishes.wait {
        withdraw(app, &exports).await;
        if standing.namespace_goes {
            namespace::remove(host, space).await?;
        }
        step.done_as("Removal goes on by itself");
        return Ok(BTreeMap::new());
    }
    // As long as its syncer runs it makes what is swept away again.
    let patience = deadline.saturating_duration_since(Instant::now());
    scale::until_gone(host, name, space, &mut step, patience).await?;
    // Also before the namespace goes: it would wait for each finalizer with pauses of its own.
    kinds.sweep(&standing.marks, &mut removed, &mut step, deadline).await?;
    let mut removed = removed.count();
    match withdraw(app, &exports).await {
        0 => {}
        count => *removed.entry("secrets".to_owned()).or_default() += count,
    }
    if standing.namespace_goes {
        namespace::remove(host, space).await?;
        namespace::until_gone(host, space, &mut step, deadline).await?;
        removed.insert("namespace".to_owned(), 1);
    }
    step.done_as(describe(&removed));
    Ok(removed)
}

/// Removes the kubeconfigs in other namespaces. What may not be removed there keeps nothing here from going.
async fn withdraw(app: &App, exports: &Exports<'_>) -> usize {
    let removed = exports.remove().await;
    for problem in removed.problems {
        app.ui.warn(format!("{problem}; a kubeconfig may be left there"));
    }
    removed.count
}

/// `Removed from the host: 3 pods, 1 secret`. Pure.
fn describe(removed: &BTreeMap<String, usize>) -> String {
    if removed.is_empty() {
        return "Nothing is left on the host".to_owned();
    }
    let parts: Vec<String> = removed
        .iter()
        .map(|(kind, count)| match count {
            1 => format!(
                "1 {}",
                kind.strip_suffix("ies").map_or_else(
                    || kind.trim_end_matches('s').to_owned(),
                    |stem| format!("{stem}y")
                )
            ),
            count => format!("{count} {kind}"),
        })
        .collect();
    format!("Removed from the host: {}", parts.join(", "))
}

async fn namespace_goes(host: &Host, name: &str, namespace: &str, wishes: &Wishes) -> Result<bool> {
    if wishes.namespace {
        return Ok(true);
    }
    if !wishes.namespace_if_ours || wishes.keep_claims {
        return Ok(false);
    }
    let namespaces: Api<Namespace> = Api::all(host.client.clone());
    let found =
        match within(format!("read namespace {namespace}"), namespaces.get_opt(namespace)).await {
            Ok(found) => found,
            // Who may not look at it may not delete it either.
            Err(error) => {
                tracing::debug!(%error, "the namespace is left alone");
                return Ok(false);
            }
        };
    let ours = found.and_then(|it| it.metadata.annotations).is_some_and(|annotations| {
        annotations.get(names::CREATED).is_some_and(|value| value == "true")
    });
    if !ours {
        return Ok(false);
    }
    let others = discover::list(host, Some(namespace)).await?;
    Ok(others.iter().all(|cluster| cluster.name == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts() {
        assert_eq!(describe(&BTreeMap::new()), "Nothing is left on the host");
        let removed = [("pods", 3), ("secrets", 1), ("networkpolicies", 1), ("namespace", 1)];
        let removed = removed.map(|(kind, count)| (kind.to_owned(), count)).into();
        assert_eq!(
            describe(&removed),
            "Removed from the host: 1 namespace, 1 networkpolicy, 3 pods, 1 secret"
        );
    }
}
