//! Flags and environment, resolved once into plain values.

use std::env;
use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::commands::completion;
use crate::env_vars;
use crate::kubeconfig::Files;
use crate::ui::{Format, Wishes};

/// Flags that every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Host namespace of the virtual cluster
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// Context of the host cluster in the kubeconfig
    #[arg(long, global = true, value_name = "CONTEXT", add = completion::contexts())]
    pub context: Option<String>,

    /// Kubeconfig file to use instead of $KUBECONFIG
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Answer yes to every question
    #[arg(short, long, global = true)]
    pub yes: bool,

    /// Say nothing but errors
    #[arg(short, long, global = true, visible_alias = "silent", visible_short_alias = 's')]
    pub quiet: bool,

    /// Show what is done; twice: each request too
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,

    /// The same as -v
    #[arg(long, global = true)]
    pub debug: bool,

    /// Use no colour
    #[arg(long, global = true)]
    pub no_color: bool,

    /// Never ask a question
    #[arg(long, global = true)]
    pub no_input: bool,

    /// Look of messages on stderr
    #[arg(long, global = true, visible_alias = "log-format", value_enum, default_value = "plain")]
    pub log_output: Format,

    /// Accepted for scripts written for other versions
    #[arg(long, global = true, hide = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl GlobalArgs {
    /// As if none were given.
    pub fn none() -> Self {
        Self {
            namespace: None,
            context: None,
            kubeconfig: None,
            yes: false,
            quiet: true,
            verbose: 0,
            debug: false,
            no_color: true,
            no_input: true,
            log_output: Format::Plain,
            config: None,
        }
    }
}

/// What the commands work with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `-n`, when given.
    pub namespace: Option<String>,
    /// `--context`, when given.
    pub context: Option<String>,
    /// The kubeconfig files to read and edit.
    pub kubeconfig: Files,
    /// `-y`.
    pub yes: bool,
    /// Folder for forwarders and their logs.
    pub state_dir: PathBuf,
    /// The helm program that the user prefers.
    pub helm: Option<PathBuf>,
    /// `-v` was given so often; forwarders log at the same level.
    pub verbosity: u8,
    /// `--config` was given; it means nothing here.
    pub ignored_config: bool,
}

impl Settings {
    /// Resolves flags, then environment, then defaults.
    pub fn resolve(args: &GlobalArgs) -> Self {
        let home = env::var_os(env_vars::HOME).map(PathBuf::from).unwrap_or_default();
        let state_dir = path(env_vars::STATE_DIR)
            .or_else(|| path(env_vars::XDG_STATE_HOME).map(|dir| dir.join("vcluster")))
            .unwrap_or_else(|| home.join(".local/state/vcluster"));
        Self {
            namespace: args.namespace.clone().filter(|text| !text.is_empty()),
            context: args.context.clone().filter(|text| !text.is_empty()),
            kubeconfig: Files::locate(
                args.kubeconfig.as_deref(),
                env::var_os(env_vars::KUBECONFIG).as_deref(),
                &home.join(".kube/config"),
            ),
            yes: args.yes,
            state_dir: std::path::absolute(&state_dir).unwrap_or(state_dir),
            helm: path(env_vars::HELM),
            verbosity: args.verbose.max(u8::from(args.debug)),
            ignored_config: args.config.is_some(),
        }
    }

    /// How to talk to the user.
    pub fn wishes(args: &GlobalArgs) -> Wishes {
        Wishes {
            format: args.log_output,
            quiet: args.quiet,
            verbosity: args.verbose.max(u8::from(args.debug)),
            no_color: args.no_color || is_set(env_vars::NO_COLOR),
            no_input: args.no_input,
            ci: is_set(env_vars::CI),
            dumb: env::var_os(env_vars::TERM).is_some_and(|term| term == "dumb"),
        }
    }
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

fn path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
