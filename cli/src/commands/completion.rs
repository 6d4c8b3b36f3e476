//! `vcluster completion`, and what the shells ask for through it.
//!
//! The script that is printed asks this program for candidates while the user types, so it knows the virtual clusters
//! and contexts that there are now.

use std::time::Duration;

use clap::{Args, CommandFactory};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use crate::app::{App, Interrupt};
use crate::cli::Cli;
use crate::discover;
use crate::error::{CliError, Result};
use crate::host::Host;
use crate::settings::{GlobalArgs, Settings};
use crate::ui::Ui;

/// Set by the script when a shell asks for candidates.
const VARIABLE: &str = "_VCLUSTER_COMPLETE";

/// How long a keypress may wait for the host.
const PATIENCE: Duration = Duration::from_secs(2);

/// Print a script for completion in a shell
///
/// bash: source <(vcluster completion bash). zsh: source <(vcluster completion zsh).
/// fish: vcluster completion fish | source. PowerShell: vcluster completion powershell | Out-String | Invoke-Expression.
/// elvish: eval (vcluster completion elvish | slurp).
#[derive(Args, Debug)]
pub struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
}

/// Prints the script.
pub fn run(app: &App, args: &CompletionArgs) -> Result<()> {
    let name = match args.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Elvish => "elvish",
    };
    let shells = Shells::builtins();
    let fail = || CliError::failed(format!("there is no completion for {name}"));
    let shell = shells.completer(name).ok_or_else(fail)?;
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, "vcluster", "vcluster", "vcluster", &mut script)
        .map_err(|error| fail().cause(&error))?;
    app.ui.data(&String::from_utf8_lossy(&script))
}

/// Answers a shell and ends the program, if it is a shell that asks.
pub fn answer_shell() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}

/// Candidates for the name of a virtual cluster.
pub fn names() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let app = quiet_app();
        let list = async {
            let context = discover::search_contexts(&app).ok()?.into_iter().next()?;
            let host = Host::open(&app.settings.kubeconfig, context.as_deref()).await.ok()?;
            discover::list(&host, None).await.ok()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let clusters = runtime.ok().and_then(|runtime| {
            let found = runtime.block_on(async { tokio::time::timeout(PATIENCE, list).await });
            found.ok().flatten()
        });
        clusters
            .unwrap_or_default()
            .into_iter()
            .map(|cluster| {
                let help = format!("{} in {}", cluster.status, cluster.namespace);
                CompletionCandidate::new(cluster.name).help(Some(help.into()))
            })
            .collect()
    })
}

/// Candidates for a context of the kubeconfig.
pub fn contexts() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let contexts = quiet_app().settings.kubeconfig.contexts().unwrap_or_default();
        contexts.into_iter().map(CompletionCandidate::new).collect()
    })
}

/// Settings without flags: a shell asks about a line that is not finished.
fn quiet_app() -> App {
    let args = GlobalArgs::none();
    App {
        settings: Settings::resolve(&args),
        ui: Ui::new(Settings::wishes(&args)),
        interrupt: Interrupt::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_a_script_that_asks_this_program() {
        for name in ["bash", "zsh", "fish", "powershell", "elvish"] {
            let mut script = Vec::new();
            let shells = Shells::builtins();
            let shell = shells.completer(name).unwrap();
            shell
                .write_registration(VARIABLE, "vcluster", "vcluster", "vcluster", &mut script)
                .unwrap();
            assert!(String::from_utf8(script).unwrap().contains(VARIABLE), "{name}");
        }
    }
}
