//! `connect -- COMMAND`: a program with a kubeconfig of its own.

use std::io::Write;

use tokio::process::Command;

use crate::app::App;
use crate::env_vars;
use crate::error::{CliError, Kind, Result};
use crate::kubeconfig::{Stanza, standalone};
use crate::yaml;

/// Runs the program and answers its exit code; 128 and the signal's number if one ended it, as shells do.
///
/// # Errors
/// When it cannot be started.
pub async fn run(app: &App, stanza: &Stanza, command: &[String]) -> Result<u8> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(CliError::usage("there is no command after `--`"));
    };
    let fail = |error: &dyn std::fmt::Display| {
        CliError::failed("cannot write a temporary kubeconfig").because(error.to_string())
    };
    let text = yaml::write(&standalone(stanza)).map_err(|error| fail(&error))?;
    let mut file = tempfile::Builder::new()
        .prefix("vcluster-")
        .suffix(".yaml")
        .tempfile()
        .map_err(|error| fail(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| fail(&error))?;

    // The terminal sends Ctrl-C to the program too; how it ends is what counts.
    let _claim = app.interrupt.claim();
    let mut child = Command::new(program)
        .args(arguments)
        .env(env_vars::KUBECONFIG, file.path())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            let kind = if error.kind() == std::io::ErrorKind::NotFound {
                Kind::NotFound
            } else {
                Kind::Failed
            };
            CliError::new(kind, format!("cannot run {program}")).cause(&error)
        })?;
    let status = child
        .wait()
        .await
        .map_err(|error| CliError::failed(format!("cannot wait for {program}")).cause(&error))?;
    Ok(code(status))
}

fn code(status: std::process::ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(1);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
