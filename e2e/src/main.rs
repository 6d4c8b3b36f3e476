//! The test bed's command line: a real host cluster on this machine.

mod commands;
mod demo;
mod promises;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use e2e::bench;
use e2e::testbed::{Families, Profile};

/// A real Kubernetes host cluster on this machine, for developing and testing vcluster.
#[derive(Parser)]
#[command(name = "e2e", version)]
struct Cli {
    /// Which bed; beds with different numbers run side by side
    #[arg(long, global = true, default_value_t = 0, env = "VCLUSTER_TESTBED_NUMBER", value_parser = clap::value_parser!(u8).range(0..=i64::from(e2e::testbed::LAST_BED)))]
    bed: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the host cluster, building what is missing (20 minutes the first time)
    Up(Up),
    /// Stop it and remove everything of it but the cache of programs and images
    Down,
    /// Say what runs and whether it is well
    Status,
    /// Start a shell, or a command, with KUBECONFIG and PATH set
    Shell {
        /// The command and its arguments instead of a shell
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Show a component's log (its name from `status`)
    Logs {
        /// Such as kube-apiserver, kubelet-node1 or kube-system/coredns
        component: String,
        /// Go on with what is written from now on
        #[arg(short, long)]
        follow: bool,
        /// How many lines from the end
        #[arg(short = 'n', long, default_value_t = 200)]
        lines: u32,
    },
    /// Load an image archive into all real nodes
    Load {
        /// A docker-archive or OCI archive
        archive: PathBuf,
    },
    /// Build the syncer and load its image into all real nodes
    Image {
        /// Compile quickly, without optimization
        #[arg(long)]
        dev: bool,
        /// Write the image to this file instead
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Kill a process of the bed and start it again
    Restart {
        /// Such as kube-apiserver or kubelet-node1
        component: String,
    },
    /// Try the promises to users on the host cluster, which is started if it is not up
    Suite(promises::Suite),
    /// Show the main job: create a virtual cluster, run an app in it, pause, resume, delete
    Demo {
        /// Leave everything up and say what to try
        #[arg(long)]
        keep: bool,
    },
    /// Check everything: format, lints, tests, chart, workflows, demo and the end-to-end suite
    Verify {
        /// The long matrices and campaigns too
        #[arg(long)]
        all: bool,
    },
    /// Check what the chart makes against what the host's API server describes (kubeconform)
    Conform,
    /// Measure: a virtual cluster, a null syncer and the bare host side by side
    Bench(bench::Options),
    /// The benchmark's null syncer
    #[command(hide = true)]
    NullSyncer(bench::NullSyncer),
}

#[derive(Args)]
struct Up {
    /// Real nodes; with three or more, LoadBalancer services get addresses
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=i64::from(e2e::testbed::MOST_NODES)))]
    nodes: u8,
    /// Give LoadBalancer services addresses
    #[arg(long)]
    load_balancer: bool,
    /// Which families of addresses nodes, pods and Services have; a new bed has IPv4
    #[arg(long, value_enum)]
    ip_family: Option<Families>,
    /// Do not build and load the syncer's image
    #[arg(long)]
    no_image: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = tokio::select! {
        outcome = run(cli) => outcome,
        _ = tokio::signal::ctrl_c() => {
            commands::interrupted();
            return ExitCode::from(130);
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            commands::failed(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let bed = cli.bed;
    match cli.command {
        Command::Up(Up { nodes, load_balancer, ip_family, no_image }) => {
            commands::up(bed, nodes, load_balancer, ip_family, !no_image).await?
        }
        Command::Down => commands::down(bed).await?,
        Command::Status => return commands::status(bed).await,
        Command::Shell { command } => match commands::shell(bed, command)? {},
        Command::Logs { component, follow, lines } => {
            match commands::logs(bed, &component, follow, lines)? {}
        }
        Command::Load { archive } => commands::load(bed, &archive).await?,
        Command::Image { dev, output } => {
            let profile = if dev { Profile::Dev } else { Profile::Release };
            commands::image(bed, profile, output.as_deref()).await?;
        }
        Command::Demo { keep } => return demo::run(bed, keep).await,
        Command::Verify { all } => return verify::run(bed, all).await,
        Command::Conform => verify::conform(bed).await?,
        Command::Suite(args) => return promises::run(bed, args).await,
        Command::Bench(options) => bench::run(bed, &options).await?,
        Command::NullSyncer(args) => {
            tokio::task::spawn_blocking(move || bench::null::run(&args)).await??;
        }
        Command::Restart { component } => commands::restart(bed, &component).await?,
    }
    Ok(ExitCode::SUCCESS)
}
