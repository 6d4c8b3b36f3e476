//! What happens with the finished kubeconfig.

use crate::app::App;
use crate::connect::ConnectOptions;
use crate::connect::child;
use crate::error::{CliError, Result};
use crate::host::Host;
use crate::kubeconfig::{Change, Files, HOST_CONTEXT_OF_A_POD, Stanza, edit, standalone};
use crate::yaml;

/// Runs the command, prints, or writes; then stays if this process carries the connections. Answers the exit code.
///
/// # Errors
/// When a file cannot be written, or a forwarder in this process ends by itself.
pub async fn finish(
    app: &App,
    host: &Host,
    stanza: Stanza,
    carrier: Option<tokio::task::JoinHandle<()>>,
    options: &ConnectOptions,
) -> Result<u8> {
    if !options.command.is_empty() {
        return child::run(app, &stanza, &options.command).await;
    }
    if options.output.print {
        let text = yaml::write(&standalone(&stanza))
            .map_err(|error| CliError::failed("cannot write the kubeconfig").because(error))?;
        app.ui.data(&text)?;
        return Ok(0);
    }
    let (files, own_file) = place(app, options);
    let before = files.current()?;
    let name = stanza.name.clone();
    edit(&files, &Change { set: Some(stanza), current: Some(name.clone()), remove: None })?;
    match &own_file {
        Some(path) => {
            app.ui.step(format!("Kubeconfig written to {path}")).done();
            app.ui.hint(format!("kubectl --kubeconfig {path} get namespaces"));
        }
        None => {
            app.ui.step(format!("Context {name} is current")).done();
            app.ui.hint("kubectl get namespaces");
        }
    }
    match carrier {
        Some(carrier) => stay(app, host, &files, &name, before, carrier).await,
        None => Ok(0),
    }
}

/// The files to write, and the path to show if it is not the usual kubeconfig.
fn place(app: &App, options: &ConnectOptions) -> (Files, Option<String>) {
    if options.output.update_current {
        return (app.settings.kubeconfig.clone(), None);
    }
    let path = &options.output.kube_config;
    (
        Files::of(vec![std::path::absolute(path).unwrap_or_else(|_| path.clone())]),
        Some(path.display().to_string()),
    )
}

/// Carries connections until Ctrl-C, then puts the kubeconfig back as it was.
async fn stay(
    app: &App,
    host: &Host,
    files: &Files,
    name: &str,
    before: Option<String>,
    carrier: tokio::task::JoinHandle<()>,
) -> Result<u8> {
    app.ui.info("forwarding until Ctrl-C");
    let mut interrupted = app.interrupt.claim();
    let ended = tokio::select! {
        _ = carrier => true,
        () = interrupted.raised() => false,
    };
    let back = before.filter(|before| before != name).unwrap_or_else(|| host.context.clone());
    let back = if back == HOST_CONTEXT_OF_A_POD { String::new() } else { back };
    // Somebody may have switched meanwhile; then their choice stays.
    let still = files.current()?.as_deref() == Some(name);
    edit(
        files,
        &Change { set: None, remove: Some(name.to_owned()), current: still.then(|| back.clone()) },
    )?;
    if still && !back.is_empty() {
        app.ui.info(format!("switched back to context {back}"));
    }
    if ended { Err(CliError::failed("the virtual cluster does not exist any more")) } else { Ok(0) }
}
