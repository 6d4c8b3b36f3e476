//! The hidden command that a forwarder process runs.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use crate::app::App;
use crate::error::{CliError, Result};
use crate::forwarder::{self, Key, State, Target};
use crate::host::Host;

/// Carry connections to a virtual cluster; `connect` starts this
#[derive(Args, Debug)]
pub struct ForwardArgs {
    /// Name of the virtual cluster
    name: String,

    /// Address to listen on
    #[arg(long)]
    address: IpAddr,

    /// Port to listen on
    #[arg(long)]
    local_port: Option<u16>,

    /// Port to listen on if it is free
    #[arg(long)]
    prefer_port: Option<u16>,

    /// The only pod to forward to
    #[arg(long)]
    pod: Option<String>,

    /// Start of the names of its files
    #[arg(long)]
    state: PathBuf,
}

/// Runs until it is told to end.
pub async fn run(app: &App, args: ForwardArgs) -> Result<()> {
    forwarder::detach();
    let key = Key::from_base(args.state);
    let Some(_alive) = key.become_it()? else {
        return Err(CliError::failed("another forwarder runs already"));
    };
    let namespace = app.settings.namespace.clone().unwrap_or_default();
    let host = Host::of_settings(app).await?;
    let listening = forwarder::listen(args.address, args.local_port, args.prefer_port).await?;
    key.publish(&State {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: args.name.clone(),
        namespace: namespace.clone(),
        context: host.context.clone(),
        address: args.address,
        port: listening.at.port(),
        pod: args.pod.clone(),
    })?;
    tracing::info!(at = %listening.at, name = args.name, namespace, context = host.context, "listening");
    let target = Target::new(host, &args.name, &namespace, args.pod);
    let mut ended = app.interrupt.claim();
    tokio::select! {
        () = forwarder::serve(listening, target) => {}
        () = ended.raised() => tracing::info!("told to end"),
    }
    key.forget();
    Ok(())
}
