//! `vcluster resume`

use std::time::Duration;

use clap::{ArgAction, Args};
use tokio::time::Instant;

use crate::app::App;
use crate::commands::completion;
use crate::discover::{self, Found};
use crate::duration;
use crate::error::{CliError, Kind, Result};
use crate::forwarder::{self, Wanted};
use crate::kubeconfig::context_name;
use crate::lifecycle::scale;
use crate::progress::{self, Need, Progress};

/// Start a paused virtual cluster again
#[derive(Args, Debug)]
pub struct ResumeArgs {
    /// Name of the virtual cluster; on a terminal it can be picked
    #[arg(add = completion::names())]
    name: Option<String>,

    /// Wait until it is ready
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    wait: bool,

    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,
}

/// Resumes.
pub async fn run(app: &App, args: &ResumeArgs) -> Result<()> {
    let found = discover::find(app, args.name.as_deref()).await?;
    resume(app, &found, args.wait.then_some(args.timeout)).await?;
    app.ui.info(format!(
        "resumed virtual cluster {} in namespace {}",
        found.cluster.name, found.cluster.namespace
    ));
    if !forward_again(app, &found).await? {
        app.ui.hint(format!(
            "vcluster connect {} -n {}",
            found.cluster.name, found.cluster.namespace
        ));
    }
    Ok(())
}

/// Gives the control plane its replicas back and, if wanted, waits until it is ready.
///
/// # Errors
/// It is not paused; the host refuses; it does not become ready.
pub async fn resume(app: &App, found: &Found, wait: Option<Duration>) -> Result<()> {
    let (host, name, namespace) = (&found.host, &found.cluster.name, &found.cluster.namespace);
    app.interrupt.advise(format!("vcluster connect {name} -n {namespace}"));
    let mut progress = Progress::start(host, name, namespace);
    let mut step = app.ui.step(format!("Starting the control plane of {name}"));
    if scale::up(host, name, namespace).await? == 0 {
        return Err(CliError::new(
            Kind::NotFound,
            format!("couldn't find a paused vcluster {name} in namespace {namespace}"),
        )
        .because(format!("its status is {}", found.cluster.status))
        .hint(format!("vcluster list -n {namespace}")));
    }
    if let Some(patience) = wait {
        let ready = progress.wait(Need::Ready, &mut step, Instant::now() + patience).await;
        ready.map_err(|error| progress::after(error, patience))?;
    }
    step.done_as("Control plane started");
    Ok(())
}

/// Starts the forwarder again when a context still points to where it listened, so that the context works as before
/// the pause. Answers whether the context is usable.
async fn forward_again(app: &App, found: &Found) -> Result<bool> {
    let (host, cluster) = (&found.host, &found.cluster);
    let context = context_name(&cluster.name, &cluster.namespace, &cluster.context);
    let wanted =
        Wanted::new(host, &cluster.name, &cluster.namespace, app.settings.state_dir.clone());
    let server = app.settings.kubeconfig.server(&context)?;
    let Some(port) = wanted.key().last_port() else { return Ok(false) };
    if server != Some(format!("https://{}:{port}", wanted.address)) {
        return Ok(false);
    }
    let state = forwarder::ensure(&wanted).await?;
    if state.port == port {
        app.ui.step(format!("Context {context} works again")).done();
    }
    Ok(state.port == port)
}
