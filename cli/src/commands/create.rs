//! `vcluster create`

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};

use crate::app::App;
use crate::chart;
use crate::connect::{ConnectOptions, ForwardFlags, OutputFlags};
use crate::create::{CreateOptions, create};
use crate::duration;
use crate::error::{CliError, Result};
use crate::helm::DryRun;

/// Create a virtual cluster and connect to it
///
/// Installs the chart that is part of this program with helm. Without -n the namespace is the one of the context, or
/// vcluster-NAME where that is `default`; it is made if it is missing.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Name of the virtual cluster
    name: String,

    /// Values: a file, `-` for standard input, or YAML in base64; later ones win
    #[arg(
        short = 'f',
        long,
        value_name = "FILE",
        visible_alias = "extra-values",
        alias = "release-values"
    )]
    values: Vec<String>,

    /// One value, as in helm; wins over files
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Distribution of Kubernetes
    #[arg(long, value_name = "NAME")]
    distro: Option<String>,

    /// Version of Kubernetes, such as 1.34; that of the host by default, and what runs stays
    #[arg(long, value_name = "VERSION")]
    kubernetes_version: Option<String>,

    /// Make the API server reachable through a load balancer
    #[arg(long)]
    expose: bool,

    /// Keep tenants in: pod security `baseline`, a quota, limits, network policies
    #[arg(long)]
    isolate: bool,

    /// Upgrade the virtual cluster if it exists; values stay unless some are given
    #[arg(long)]
    upgrade: bool,

    /// Make the namespace if it is missing
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    create_namespace: bool,

    /// Allow another virtual cluster in the same namespace
    #[arg(long)]
    reuse_namespace: bool,

    /// Connect in the end
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    connect: bool,

    /// Wait until it is ready; =false implies --connect=false
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    wait: bool,

    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,

    /// Only print what would be installed: `client` asks the host nothing, `server` checks against it
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "client", value_name = "MODE")]
    dry_run: Option<DryRun>,

    /// Version of the chart; the one in this program by default
    #[arg(long, value_name = "VERSION", help_heading = "Chart")]
    chart_version: Option<String>,

    /// Name of the chart
    #[arg(long, value_name = "NAME", help_heading = "Chart")]
    chart_name: Option<String>,

    /// Repository of the chart
    #[arg(long, value_name = "URL", help_heading = "Chart")]
    chart_repo: Option<String>,

    /// Folder with a chart to use instead
    #[arg(long, value_name = "FOLDER", help_heading = "Chart", conflicts_with_all = ["chart_version", "chart_name", "chart_repo"])]
    local_chart_dir: Option<PathBuf>,

    #[command(flatten, next_help_heading = "Connecting")]
    output: OutputFlags,

    #[command(flatten, next_help_heading = "Connecting")]
    forward: ForwardFlags,

    #[command(flatten)]
    old: OldFlags,
}

/// Flags of other versions.
#[derive(Args, Debug)]
struct OldFlags {
    /// Ignored
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    expose_local: Option<bool>,

    /// Ignored
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    add: Option<bool>,

    /// Ignored
    #[arg(long, hide = true)]
    disable_ingress_sync: bool,

    /// Only helm
    #[arg(long, hide = true, value_name = "NAME")]
    driver: Option<String>,

    /// Refused
    #[arg(long, hide = true, value_name = "IMAGE")]
    k3s_image: Option<String>,
}

impl OldFlags {
    /// Flags that are ignored get a sentence; those that cannot be ignored are refused.
    fn check(&self) -> Result<Vec<&'static str>> {
        if self.k3s_image.is_some() {
            return Err(CliError::usage("--k3s-image does not exist any more")
                .hint("vcluster create NAME --kubernetes-version 1.34"));
        }
        if self.driver.as_deref().is_some_and(|driver| driver != "helm") {
            return Err(CliError::usage("there is only the driver helm"));
        }
        let ignored = [
            (self.expose_local.is_some(), "--expose-local: the forwarder works everywhere"),
            (self.add.is_some(), "--add: there is no platform to add it to"),
            (
                self.disable_ingress_sync,
                "--disable-ingress-sync: ingresses are mirrored only if the values say so",
            ),
            (self.driver.is_some(), "--driver: there is only helm"),
        ];
        Ok(ignored.into_iter().filter_map(|(given, text)| given.then_some(text)).collect())
    }
}

/// Creates, and answers the exit code.
pub async fn run(app: &App, args: CreateArgs) -> Result<u8> {
    for ignored in args.old.check()?.into_iter().chain(args.forward.ignored()) {
        app.ui.warn(format!("ignored {ignored}"));
    }
    let options = CreateOptions {
        name: args.name,
        files: args.values,
        sets: args.set,
        distro: args.distro,
        kubernetes_version: args.kubernetes_version,
        expose: args.expose,
        isolate: args.isolate,
        upgrade: args.upgrade,
        create_namespace: args.create_namespace,
        reuse_namespace: args.reuse_namespace,
        wait: args.wait,
        timeout: args.timeout,
        connect: args.connect && args.wait,
        dry_run: args.dry_run,
        chart: chart::Wish {
            version: args.chart_version,
            name: args.chart_name,
            repository: args.chart_repo,
            folder: args.local_chart_dir,
        },
        connecting: ConnectOptions::of_create(args.output, args.forward),
        typed: std::env::args_os().skip(1).map(|it| it.to_string_lossy().into_owned()).collect(),
    };
    options.connecting.check()?;
    create(app, &options).await
}
