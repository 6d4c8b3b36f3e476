//! `vcluster delete`

use std::time::Duration;

use clap::{ArgAction, Args};

use crate::app::App;
use crate::commands::completion;
use crate::consent;
use crate::discover;
use crate::duration;
use crate::error::{Kind, Result};
use crate::forwarder::{self, Wanted};
use crate::host::Host;
use crate::kubeconfig::{Change, HOST_CONTEXT_OF_A_POD, edit};
use crate::lifecycle::delete::{Wishes, delete, look};

/// Delete a virtual cluster and everything that it has on the host
#[derive(Args, Debug)]
pub struct DeleteArgs {
    /// Name of the virtual cluster; on a terminal it can be picked
    #[arg(add = completion::names())]
    name: Option<String>,

    /// Leave the claims: the one of the store and those of the workloads
    #[arg(long, visible_alias = "keep-claims")]
    keep_pvc: bool,

    /// Delete the namespace too, whatever else is in it
    #[arg(long, conflicts_with = "keep_pvc")]
    delete_namespace: bool,

    /// Delete the namespace too if `create` made it and no other virtual cluster is in it
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    auto_delete_namespace: bool,

    /// Remove its context from the kubeconfig
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    delete_context: bool,

    /// Wait until everything is gone
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    wait: bool,

    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,

    /// It is no error if there is no such virtual cluster
    #[arg(long)]
    ignore_not_found: bool,

    /// Accepted for scripts written for other versions
    #[arg(long, hide = true)]
    delete_configmap: bool,
}

/// Where it is.
struct Place {
    host: Host,
    name: String,
    namespace: String,
}

/// Deletes.
pub async fn run(app: &App, args: &DeleteArgs) -> Result<()> {
    let place = match locate(app, args.name.as_deref()).await {
        Err(error) if error.kind == Kind::NotFound && args.ignore_not_found => {
            app.ui.info(error.to_string());
            return Ok(());
        }
        other => other?,
    };
    let Place { host, name, namespace } = &place;
    let wishes = Wishes {
        keep_claims: args.keep_pvc,
        namespace: args.delete_namespace,
        namespace_if_ours: args.auto_delete_namespace,
        wait: args.wait,
        patience: args.timeout,
    };
    let standing = look(host, name, namespace, &wishes).await?;
    let with =
        if standing.namespace_goes { " with the namespace and everything in it" } else { "" };
    let yes = format!("vcluster delete {name} -n {namespace} --context {} -y", host.context);
    app.consent(&consent::Change {
        question: &format!(
            "Delete virtual cluster {name} in namespace {namespace} of {}{with}?",
            host.context
        ),
        unasked: &format!("virtual cluster {name} is not deleted without a yes"),
        declined: "nothing was deleted",
        yes: &yes,
    })?;
    app.interrupt.advise(yes);
    let key = Wanted::new(host, name, namespace, app.settings.state_dir.clone()).key();
    if forwarder::stop(&key).await? {
        app.ui.step("Forwarder ended").done();
    }
    delete(app, host, &standing, &wishes).await?;
    key.forget_all();
    if args.delete_context {
        forget_contexts(app, &place)?;
    }
    app.ui.info(format!("deleted virtual cluster {name} in namespace {namespace}"));
    Ok(())
}

/// Finds it; also what is left of one whose deletion was cut short, which `list` does not show any more.
async fn locate(app: &App, name: Option<&str>) -> Result<Place> {
    let error = match discover::find(app, name).await {
        Ok(found) => {
            let cluster = found.cluster;
            return Ok(Place {
                host: found.host,
                name: cluster.name,
                namespace: cluster.namespace,
            });
        }
        Err(error) => error,
    };
    let (Some(name), Kind::NotFound) = (name, error.kind) else { return Err(error) };
    let contexts = discover::search_contexts(app)?;
    let host =
        Host::open(&app.settings.kubeconfig, contexts.into_iter().next().flatten().as_deref())
            .await?;
    let namespace = app.settings.namespace.clone().unwrap_or_else(|| format!("vcluster-{name}"));
    let any = Wishes {
        keep_claims: false,
        namespace: false,
        namespace_if_ours: true,
        wait: true,
        patience: Duration::from_secs(1),
    };
    match look(&host, name, &namespace, &any).await {
        Ok(standing) if standing.release || standing.namespace_goes => {
            Ok(Place { host, name: name.to_owned(), namespace })
        }
        _ => Err(error),
    }
}

/// Removes every context of it, also under a name of the user's own choice.
fn forget_contexts(app: &App, place: &Place) -> Result<()> {
    let files = &app.settings.kubeconfig;
    let current = files.current()?;
    for context in files.contexts()? {
        let Some(origin) = files.origin(&context)? else { continue };
        let same = origin.name == place.name
            && origin.namespace == place.namespace
            && origin.host_context == place.host.context;
        if !same {
            continue;
        }
        let back =
            (current.as_deref() == Some(&context)).then(|| match place.host.context.as_str() {
                HOST_CONTEXT_OF_A_POD => String::new(),
                host => host.to_owned(),
            });
        edit(files, &Change { remove: Some(context.clone()), current: back.clone(), set: None })?;
        app.ui.step(format!("Context {context} removed")).done();
        if let Some(back) = back.filter(|back| !back.is_empty()) {
            app.ui.step(format!("Context {back} is current")).done();
        }
    }
    Ok(())
}
