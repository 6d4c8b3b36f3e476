//! From a name on the command line to one virtual cluster.

use std::time::Duration;

use crate::app::App;
use crate::discover::{VirtualCluster, list};
use crate::error::{CliError, Kind, Result};
use crate::host::Host;

/// How long a cluster may take that is only looked at because it is the current context.
const INNER_PATIENCE: Duration = Duration::from_secs(3);

/// A virtual cluster and the host that it was found on.
#[derive(Clone)]
pub struct Found {
    /// The host.
    pub host: Host,
    /// The virtual cluster.
    pub cluster: VirtualCluster,
}

/// Finds a virtual cluster. Without a name the user picks one.
///
/// # Errors
/// None or several of that name; no host that can be reached; nobody there to pick.
pub async fn find(app: &App, name: Option<&str>) -> Result<Found> {
    let mut all = everything(app).await?;
    if let Some(name) = name {
        all.retain(|found| found.cluster.name == name);
    }
    match (name, all.len()) {
        (Some(name), 0) => Err(none_called(app, name)),
        (None, 0) => Err(CliError::new(Kind::NotFound, "there is no virtual cluster")
            .hint("vcluster create my-vc")),
        (Some(name), 1) => all.pop().ok_or_else(|| none_called(app, name)),
        _ => pick(app, name, all),
    }
}

/// Everything on the hosts in question. A host that does not answer is no error while another one does.
async fn everything(app: &App) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    let mut problem = None;
    for result in on_every_host(app).await? {
        match result {
            Ok(found) => all.extend(found),
            Err(error) => {
                tracing::debug!(%error, "skipped a host");
                problem.get_or_insert(error);
            }
        }
    }
    match problem {
        Some(error) if all.is_empty() => Err(error),
        _ => Ok(all),
    }
}

/// Asks all hosts at once; answers in the order of [`search_contexts`].
///
/// # Errors
/// When the kubeconfig cannot be read. What a host says is in the list.
pub async fn on_every_host(app: &App) -> Result<Vec<Result<Vec<Found>>>> {
    let contexts = search_contexts(app)?;
    let several = contexts.len() > 1;
    let asked = contexts.iter().enumerate().map(|(index, context)| async move {
        let answer = on_host(app, context.as_deref());
        if !several || index == 0 {
            return answer.await;
        }
        // A virtual cluster that is down must not hold up its host's answer.
        tokio::time::timeout(INNER_PATIENCE, answer).await.unwrap_or_else(|_| {
            let context = context.as_deref().unwrap_or_default();
            Err(CliError::new(
                Kind::Timeout,
                format!("the cluster of context {context} does not answer"),
            ))
        })
    });
    Ok(futures::future::join_all(asked).await)
}

async fn on_host(app: &App, context: Option<&str>) -> Result<Vec<Found>> {
    let host = Host::open(&app.settings.kubeconfig, context).await?;
    let clusters = list(&host, app.settings.namespace.as_deref()).await?;
    Ok(clusters.into_iter().map(|cluster| Found { host: host.clone(), cluster }).collect())
}

/// The contexts to look at: the chosen or current one; if that is a virtual cluster, its host too, and so on outwards.
/// The outermost comes first, since that is where virtual clusters usually are.
///
/// # Errors
/// When the kubeconfig cannot be read.
pub fn search_contexts(app: &App) -> Result<Vec<Option<String>>> {
    if let Some(context) = &app.settings.context {
        return Ok(vec![Some(context.clone())]);
    }
    let files = &app.settings.kubeconfig;
    let Some(mut context) = files.current()? else { return Ok(vec![None]) };
    let mut contexts = vec![Some(context.clone())];
    while let Some(origin) = files.origin(&context)? {
        context = origin.host_context;
        // A context that notes itself as its host would never end.
        if contexts.contains(&Some(context.clone())) {
            break;
        }
        contexts.push(Some(context.clone()));
    }
    contexts.reverse();
    Ok(contexts)
}

fn pick(app: &App, name: Option<&str>, mut all: Vec<Found>) -> Result<Found> {
    let lines: Vec<String> = all
        .iter()
        .map(|Found { cluster, .. }| {
            format!("{} ({}, {})", cluster.name, cluster.namespace, cluster.context)
        })
        .collect();
    if !app.ui.interactive() {
        let list = lines.join(", ");
        return Err(match name {
            Some(name) => CliError::new(
                Kind::Conflict,
                format!("there are several virtual clusters called {name}"),
            )
            .because(format!("found {list}"))
            .hint("say which one with -n NAMESPACE or --context CONTEXT"),
            None => {
                CliError::usage("say which virtual cluster").because(format!("there are {list}"))
            }
        });
    }
    let index = app.ui.pick("Which virtual cluster?", &lines)?;
    if index >= all.len() {
        return Err(CliError::usage("no such line"));
    }
    Ok(all.swap_remove(index))
}

fn none_called(app: &App, name: &str) -> CliError {
    let place =
        app.settings.namespace.as_ref().map(|it| format!(" in namespace {it}")).unwrap_or_default();
    CliError::new(Kind::NotFound, format!("there is no virtual cluster {name}{place}"))
        .hint("vcluster list")
}
