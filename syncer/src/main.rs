//! The program of a virtual cluster's control plane that is ours: it prepares, waits, and mirrors.

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use vcluster_syncer::logging::{self, LogFormat};
use vcluster_syncer::{hosts, init, run, wait};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(
    name = "syncer",
    version,
    about = "Mirrors what a virtual cluster must run on its host, and back"
)]
struct Cli {
    /// How much is logged: a level, or directives such as `info,vcluster_syncer::kubelet=debug`.
    #[arg(long, env = "SYNCER_LOG", default_value = "info", global = true)]
    log: String,
    /// How a log line looks.
    #[arg(long, env = "SYNCER_LOG_FORMAT", value_enum, default_value_t = Format::Console, global = true)]
    log_format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Console,
    /// One JSON object a line.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Prepares what must be there before the control plane's programs start: certificates, the host's networks.
    Init(init::InitArgs),
    /// Starts a program as soon as its peer is up.
    Wait(wait::WaitArgs),
    /// Gives a tenant's pod its full name in /etc/hosts.
    Hosts(hosts::HostsArgs),
    /// Mirrors, for as long as it runs.
    Run(run::RunArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<()> {
    let format = match cli.log_format {
        Format::Console => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    let log_level = logging::init(format, &cli.log)?;
    // One thread does: the syncer waits for API servers most of its time, and threads would cost memory.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match cli.command {
        Command::Init(args) => runtime.block_on(init::run(args)),
        Command::Wait(args) => runtime.block_on(wait::run(args)),
        Command::Hosts(args) => hosts::run(&args),
        Command::Run(args) => runtime.block_on(run::run(args, log_level)),
    }
}
