//! From a name on the command line to one virtual cluster.

use crate::app::App;
use crate::discover::{VirtualCluster, list};
use crate::error::{CliError, Kind, Result};
use crate::host::Host;

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

/// Everything on the host in question. When the current context is itself a virtual cluster its hosts are searched too.
async fn everything(app: &App) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    let mut problem = None;
    for context in search_contexts(app)? {
        match on_host(app, context.as_deref()).await {
            Ok(found) => all.extend(found),
            Err(error) => {
                tracing::debug!(?context, %error, "skipped a host");
                problem.get_or_insert(error);
            }
        }
    }
    match problem {
        Some(error) if all.is_empty() => Err(error),
        _ => Ok(all),
    }
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
