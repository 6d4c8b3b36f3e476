//! The command line.

use clap::{Parser, Subcommand};

use crate::app::App;
use crate::commands::{
    adopt, certs, completion, connect, convert, create, delete, disconnect, forward, list, pause,
    prune, resume, version,
};
use crate::error::Result;
use crate::settings::GlobalArgs;

/// Virtual Kubernetes clusters that run inside a namespace of a host cluster
#[derive(Debug, Parser)]
#[command(name = "vcluster", version, propagate_version = false, arg_required_else_help = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Create(create::CreateArgs),
    Connect(connect::ConnectArgs),
    Disconnect(disconnect::DisconnectArgs),
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    #[command(visible_alias = "sleep")]
    Pause(pause::PauseArgs),
    #[command(visible_alias = "wakeup")]
    Resume(resume::ResumeArgs),
    #[command(visible_alias = "rm")]
    Delete(delete::DeleteArgs),
    Adopt(adopt::AdoptArgs),
    Prune(prune::PruneArgs),
    Certs(certs::CertsArgs),
    Convert(convert::ConvertArgs),
    Version(version::VersionArgs),
    Completion(completion::CompletionArgs),
    #[command(hide = true)]
    Forward(forward::ForwardArgs),
}

/// Runs a command and answers the exit code.
pub async fn run(app: &App, command: Command) -> Result<u8> {
    match command {
        Command::Create(args) => create::run(app, args).await,
        Command::Connect(args) => connect::run(app, args).await,
        Command::Disconnect(args) => disconnect::run(app, &args).await.map(|()| 0),
        Command::List(args) => list::run(app, &args).await.map(|()| 0),
        Command::Pause(args) => pause::run(app, &args).await.map(|()| 0),
        Command::Resume(args) => resume::run(app, &args).await.map(|()| 0),
        Command::Delete(args) => delete::run(app, &args).await.map(|()| 0),
        Command::Adopt(args) => adopt::run(app, &args).await.map(|()| 0),
        Command::Prune(args) => prune::run(app, &args).await.map(|()| 0),
        Command::Certs(args) => certs::run(app, &args).await.map(|()| 0),
        Command::Convert(args) => convert::run(app, &args).map(|()| 0),
        Command::Version(args) => version::run(app, &args).map(|()| 0),
        Command::Completion(args) => completion::run(app, &args).map(|()| 0),
        Command::Forward(args) => forward::run(app, args).await.map(|()| 0),
    }
}
