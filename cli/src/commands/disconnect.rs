//! `vcluster disconnect`

use clap::Args;

use crate::app::App;
use crate::error::{CliError, Kind, Result};
use crate::forwarder::{self, Wanted};
use crate::host::Host;
use crate::kubeconfig::{Change, HOST_CONTEXT_OF_A_POD, edit};

/// Switch back to the host cluster and end the forwarder
#[derive(Args, Debug)]
pub struct DisconnectArgs {}

/// Leaves the current virtual cluster.
pub async fn run(app: &App, _args: &DisconnectArgs) -> Result<()> {
    let files = &app.settings.kubeconfig;
    let chosen = app.settings.context.clone();
    let current = files.current()?;
    let Some(context) = chosen.or_else(|| current.clone()) else {
        return Err(
            CliError::new(Kind::NotFound, "there is no current context").hint("vcluster list")
        );
    };
    let Some(origin) = files.origin(&context)? else {
        return Err(CliError::new(Kind::NotFound, format!("context {context} is not one of a virtual cluster"))
            .because("its name does not have the form vcluster_NAME_NAMESPACE_HOSTCONTEXT, and nothing is noted in it")
            .hint("kubectl config get-contexts"));
    };
    match Host::open(files, Some(&origin.host_context)).await {
        Ok(host) => {
            let key =
                Wanted::new(&host, &origin.name, &origin.namespace, app.settings.state_dir.clone())
                    .key();
            if forwarder::stop(&key).await? {
                app.ui.step(format!("Forwarder of {} ended", origin.name)).done();
            }
        }
        // The host's context may have been removed; switching away still has to work.
        Err(error) => app.ui.warn(format!("the forwarder was not looked for: {error}")),
    }
    if current.as_deref() != Some(&context) {
        return Ok(());
    }
    let known = files.contexts()?;
    if origin.host_context != HOST_CONTEXT_OF_A_POD && !known.contains(&origin.host_context) {
        return Err(CliError::new(
            Kind::NotFound,
            format!("the host context {} is gone", origin.host_context),
        )
        .because(format!("context {context} stays current"))
        .hint("kubectl config get-contexts"));
    }
    let back = if origin.host_context == HOST_CONTEXT_OF_A_POD {
        String::new()
    } else {
        origin.host_context
    };
    edit(files, &Change { current: Some(back.clone()), ..Change::default() })?;
    app.ui.step(format!("Context {back} is current")).done();
    Ok(())
}
