//! `vcluster connect`

use std::time::Duration;

use clap::Args;

use crate::app::App;
use crate::commands::{completion, resume};
use crate::connect::{self, ConnectOptions, ForwardFlags, OutputFlags};
use crate::discover;
use crate::duration;
use crate::error::Result;

/// Connect to a virtual cluster
///
/// Writes a context into the kubeconfig and switches to it. Where the API server of the virtual cluster is not
/// reachable from here a small process stays behind that forwards connections; `disconnect`, `pause` and `delete` end it.
///
/// With `-- COMMAND ...` the kubeconfig is left alone: the command runs with one of its own, and its exit code is passed on.
#[derive(Args, Debug)]
pub struct ConnectArgs {
    /// Name of the virtual cluster; on a terminal it can be picked
    #[arg(add = completion::names())]
    name: Option<String>,

    #[command(flatten)]
    output: OutputFlags,

    #[command(flatten)]
    forward: ForwardFlags,

    /// Address of the virtual API server, instead of one that is found
    #[arg(long, value_name = "URL")]
    server: Option<String>,

    /// Do not check the certificate of the virtual API server
    #[arg(long)]
    insecure: bool,

    /// Forward to this pod only
    #[arg(long, value_name = "POD")]
    pod: Option<String>,

    /// Use a token of this service account ([NAMESPACE/]NAME, made if missing) instead of the administrator's certificate
    #[arg(long, value_name = "ACCOUNT")]
    service_account: Option<String>,

    /// Bind this cluster role to the service account
    #[arg(long, value_name = "ROLE", requires = "service_account")]
    cluster_role: Option<String>,

    /// Seconds that the token of the service account lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    token_expiration: u64,

    /// How long to wait for the virtual cluster
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,

    /// Command to run with a kubeconfig of its own
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Connects, and answers the exit code.
pub async fn run(app: &App, args: ConnectArgs) -> Result<u8> {
    if let Some(ignored) = args.forward.ignored() {
        app.ui.warn(format!("ignored {ignored}"));
    }
    let options = ConnectOptions {
        output: args.output,
        forward: args.forward,
        server: args.server,
        insecure: args.insecure,
        pod: args.pod,
        service_account: args.service_account,
        cluster_role: args.cluster_role,
        token_expiration: args.token_expiration,
        command: args.command,
    };
    options.check()?;
    let found = discover::find(app, args.name.as_deref()).await?;
    connect::must_have_replicas(&found)?;
    if found.cluster.paused() {
        resume::resume(app, &found, Some(args.timeout)).await?;
    }
    connect::connect(app, &found, &options, args.timeout).await
}
