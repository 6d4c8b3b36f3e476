//! `vcluster certs`

use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use crate::app::App;
use crate::certs;
use crate::commands::completion;
use crate::consent;
use crate::discover::{self, Found};
use crate::duration;
use crate::error::{CliError, Result};
use crate::ui::listing::Output;

/// Look at the certificates of a virtual cluster, or have them made anew
///
/// They are renewed by themselves with 30 days left; none of this is needed in ordinary times.
#[derive(Args, Debug)]
pub struct CertsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show until when each certificate is good; fails if one has ended
    Check {
        /// Name of the virtual cluster; on a terminal it can be picked
        #[arg(add = completion::names())]
        name: Option<String>,

        /// Output format
        #[arg(short, long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Have all certificates made anew, under the same authorities
    ///
    /// The API server goes on. Kubeconfigs that were handed out stay good until their own certificate ends.
    Rotate(RenewArgs),
    /// Have the authorities made anew, and all certificates with them
    ///
    /// The control plane restarts. Kubeconfigs that were handed out are void: connect again. Pods take up the new
    /// authority from their mounted service account within a minute or two; programs that read it only once must be
    /// restarted. Service account tokens stay good.
    RotateCa(RenewArgs),
}

#[derive(Args, Debug)]
struct RenewArgs {
    /// Name of the virtual cluster; on a terminal it can be picked
    #[arg(add = completion::names())]
    name: Option<String>,

    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,
}

/// Runs one of them.
pub async fn run(app: &App, args: &CertsArgs) -> Result<()> {
    match &args.command {
        Command::Check { name, output } => check(app, name.as_deref(), *output).await,
        Command::Rotate(args) => rotate(app, args).await,
        Command::RotateCa(args) => rotate_ca(app, args).await,
    }
}

async fn check(app: &App, name: Option<&str>, output: Output) -> Result<()> {
    let found = discover::find(app, name).await?;
    let (certificates, now) = (certs::kept(&found).await?, Timestamp::now());
    app.ui.data(&certs::text(&certificates, now, output)?)?;
    let ended: Vec<&str> =
        certificates.iter().filter(|it| it.ends <= now).map(|it| it.name.as_str()).collect();
    if ended.is_empty() {
        return Ok(());
    }
    let cluster = &found.cluster;
    let what = format!("certificates of {} have ended", cluster.name);
    Err(CliError::failed(what)
        .because(ended.join(", "))
        .hint(format!("vcluster certs rotate {} -n {}", cluster.name, cluster.namespace)))
}

async fn rotate(app: &App, args: &RenewArgs) -> Result<()> {
    let found = discover::find(app, args.name.as_deref()).await?;
    let name = &found.cluster.name;
    app.interrupt.advise(format!("vcluster certs rotate {name} -n {}", found.cluster.namespace));
    let mut step = app.ui.step(format!("Renewing the certificates of {name}"));
    let count = certs::rotate(&found, &mut step, args.timeout).await?;
    step.done_as(told(&found, &format!("Certificates of {name} renewed: {count}")));
    Ok(())
}

async fn rotate_ca(app: &App, args: &RenewArgs) -> Result<()> {
    let found = discover::find(app, args.name.as_deref()).await?;
    let (name, namespace) = (&found.cluster.name, &found.cluster.namespace);
    let yes = format!("vcluster certs rotate-ca {name} -n {namespace} -y");
    app.consent(&consent::Change {
        question: &format!(
            "Replace the authorities of {name}? Its control plane restarts, and every kubeconfig of it is void."
        ),
        unasked: &format!("the authorities of {name} are not replaced without a yes"),
        declined: "nothing was replaced",
        yes: &yes,
    })?;
    app.interrupt.advise(yes);
    let mut step = app.ui.step(format!("Replacing the authorities of {name}"));
    let count = certs::rotate_authorities(&found, &mut step, args.timeout).await?;
    step.done_as(told(&found, &format!("Authorities and certificates of {name} made: {count}")));
    app.ui.hint(format!("vcluster connect {name} -n {namespace}"));
    Ok(())
}

fn told(found: &Found, done: &str) -> String {
    match found.cluster.paused() || found.cluster.scaled_down() {
        true => format!("{} gets new certificates when it starts", found.cluster.name),
        false => done.to_owned(),
    }
}
