//! `vcluster pause`

use std::time::Duration;

use clap::Args;

use crate::app::App;
use crate::commands::completion;
use crate::discover;
use crate::duration;
use crate::error::Result;
use crate::forwarder::{self, Wanted};
use crate::lifecycle::{scale, tenant_pods};

/// Stop a virtual cluster and free every pod that it uses on the host
///
/// Claims, services and secrets stay; `resume` brings the workloads back.
#[derive(Args, Debug)]
pub struct PauseArgs {
    /// Name of the virtual cluster; on a terminal it can be picked
    #[arg(add = completion::names())]
    name: Option<String>,

    /// How long to wait for pods to end
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = duration::parse)]
    timeout: Duration,
}

/// Pauses.
pub async fn run(app: &App, args: &PauseArgs) -> Result<()> {
    let found = discover::find(app, args.name.as_deref()).await?;
    let (host, name, namespace) = (&found.host, &found.cluster.name, &found.cluster.namespace);
    app.interrupt.advise(format!("vcluster pause {name} -n {namespace}"));

    let mut step = app.ui.step(format!("Stopping the control plane of {name}"));
    let scaled = scale::down(host, name, namespace).await?;
    scale::until_gone(host, name, namespace, &mut step, args.timeout).await?;
    step.done_as(if scaled == 0 {
        "Control plane was stopped already"
    } else {
        "Control plane stopped"
    });

    let mut step = app.ui.step("Removing the pods of its workloads from the host");
    let pods = tenant_pods::delete(host, name, namespace, &mut step, args.timeout).await?;
    step.done_as(format!("Pods of its workloads removed from the host: {pods}"));

    let key = Wanted::new(host, name, namespace, app.settings.state_dir.clone()).key();
    if forwarder::stop(&key).await? {
        app.ui.step("Forwarder ended").done();
    }
    app.ui.info(format!("paused virtual cluster {name} in namespace {namespace}"));
    app.ui.hint(format!("vcluster resume {name} -n {namespace}"));
    Ok(())
}
