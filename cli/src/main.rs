//! `vcluster`: creates and looks after virtual clusters.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod app;
mod certs;
mod chart;
mod cli;
mod commands;
mod config;
mod connect;
mod consent;
mod create;
mod discover;
mod duration;
mod env_vars;
mod error;
mod forwarder;
mod helm;
mod host;
mod kubeconfig;
mod lifecycle;
mod names;
mod namespace;
mod orphans;
mod progress;
mod settings;
mod ui;
mod yaml;

use std::process::ExitCode;

use clap::Parser;

use crate::app::{App, Interrupt};
use crate::error::Kind;
use crate::settings::Settings;
use crate::ui::Ui;

fn main() -> ExitCode {
    commands::completion::answer_shell();
    let cli = cli::Cli::parse();
    let app = App {
        settings: Settings::resolve(&cli.global),
        ui: Ui::new(Settings::wishes(&cli.global)),
        interrupt: Interrupt::new(),
    };
    if app.settings.ignored_config {
        app.ui.warn("ignored --config: there is no configuration file");
    }
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(run(&app, cli.command));
            runtime.shutdown_background();
            ExitCode::from(code)
        }
        Err(error) => {
            app.ui.error(&error::CliError::failed("cannot start").cause(&error));
            ExitCode::from(Kind::Failed as u8)
        }
    }
}

/// Runs the command until it ends or Ctrl-C ends it.
async fn run(app: &App, command: cli::Command) -> u8 {
    let mut work = Box::pin(cli::run(app, command));
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            () = ctrl_c() => {
                let first = !app.interrupt.raised();
                if !(app.interrupt.raise() && first) {
                    break Err(app.interrupt.error());
                }
            }
        }
    };
    drop(work);
    match result {
        Ok(code) => code,
        Err(error) => {
            app.ui.error(&error);
            error.kind as u8
        }
    }
}

/// Ctrl-C, or a polite request to end.
async fn ctrl_c() {
    #[cfg(unix)]
    {
        let mut end =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = async { match &mut end { Some(end) => { end.recv().await; } None => std::future::pending().await } } => {}
        }
    }
    #[cfg(not(unix))]
    let _ = tokio::signal::ctrl_c().await;
}
