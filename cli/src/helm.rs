//! Running helm: what it is told (pure), and how it is run.

mod argv;
mod version;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::app::App;
use crate::env_vars;
use crate::error::{CliError, Kind, Result};
use crate::host::Host;

pub use argv::{Chart, DryRun, Release, template, uninstall, upgrade};
pub use version::Applies;

/// How long helm gets to put its release in order after Ctrl-C.
const GRACE: Duration = Duration::from_secs(10);

/// A helm that is new enough.
#[derive(Clone, Debug)]
pub struct Helm {
    program: PathBuf,
    /// How it brings objects to the host.
    pub applies: Applies,
}

impl Helm {
    /// Finds helm and checks its version.
    ///
    /// # Errors
    /// There is none, or it is too old; with the command that installs one.
    pub async fn find(app: &App) -> Result<Self> {
        let program = match &app.settings.helm {
            Some(program) => program.clone(),
            None => which::which("helm").map_err(|_| version::missing())?,
        };
        let output = Command::new(&program)
            .args(["version", "--template", "{{.Version}}"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| version::unusable(&program, &error.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(version::unusable(
                &program,
                trim(&String::from_utf8_lossy(&output.stderr)).as_str(),
            ));
        }
        let applies = version::check(&program, &text)?;
        tracing::debug!(program = %program.display(), version = text.trim(), "found helm");
        Ok(Self { program, applies })
    }

    /// Runs helm, mostly against a host, and answers its stdout. Ctrl-C is passed on politely, so that helm can note in its
    /// release that it was stopped.
    ///
    /// # Errors
    /// When it fails, with what it wrote to stderr; when it was interrupted.
    pub async fn run(
        &self,
        app: &App,
        host: Option<&Host>,
        doing: &str,
        argv: &[String],
        stdin: Option<&str>,
    ) -> Result<String> {
        tracing::debug!(program = %self.program.display(), argv = argv.join(" "), "running helm");
        let fail =
            |error: &std::io::Error| CliError::failed(format!("cannot {doing}")).cause(error);
        let files = std::env::join_paths(host.iter().flat_map(|host| host.files.existing()))
            .map_err(|error| {
                CliError::failed(format!("cannot {doing}")).because(error.to_string())
            })?;
        let mut command = Command::new(&self.program);
        command
            .args(argv)
            .env(env_vars::KUBECONFIG, files)
            .env(env_vars::HELM_DRIVER, "secret")
            .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // In the terminal's group it would get Ctrl-C a second time.
        #[cfg(unix)]
        command.process_group(0);
        let mut interrupted = app.interrupt.claim();
        let mut child = command.spawn().map_err(|error| fail(&error))?;
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            // When helm does not read it, its own message says why.
            let _ = pipe.write_all(text.as_bytes()).await;
        }
        let id = child.id();
        let mut output = Box::pin(child.wait_with_output());
        let output = tokio::select! {
            output = &mut output => output.map_err(|error| fail(&error))?,
            () = interrupted.raised() => {
                ask_to_end(id);
                let _ = tokio::time::timeout(GRACE, output).await;
                return Err(app.interrupt.error());
            }
        };
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            tracing::debug!(stderr = stderr.trim(), "helm is done");
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failure(doing, &stderr))
    }
}

fn ask_to_end(id: Option<u32>) {
    #[cfg(unix)]
    if let Some(id) =
        id.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
    {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(id, rustix::process::Signal::INT);
    }
    #[cfg(not(unix))]
    let _ = id;
}

fn failure(doing: &str, stderr: &str) -> CliError {
    let reason = trim(stderr);
    let kind = if reason.contains("another operation") { Kind::Conflict } else { Kind::Failed };
    CliError::new(kind, format!("cannot {doing}")).because(if reason.is_empty() {
        "helm failed and said nothing".to_owned()
    } else {
        reason
    })
}

/// What helm wrote, without its warnings about other things, and not pages of it.
fn trim(stderr: &str) -> String {
    const MOST: usize = 20;
    let lines: Vec<&str> = stderr
        .lines()
        .map(str::trim_end)
        .filter(|line| {
            !line.is_empty() && !line.starts_with("WARNING: Kubernetes configuration file is")
        })
        .map(|line| line.strip_prefix("Error: ").unwrap_or(line))
        .collect();
    let last = lines.get(lines.len().saturating_sub(MOST)..).unwrap_or_default();
    last.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helms_words_are_kept_and_cut() {
        let stderr = "WARNING: Kubernetes configuration file is group-readable. This is insecure.\n\nError: UPGRADE FAILED: nope\n";
        let error = failure("install the chart", stderr);
        assert_eq!(error.to_string(), "cannot install the chart: UPGRADE FAILED: nope");
        let many: String = (0..100).map(|number| format!("line {number}\n")).collect();
        assert_eq!(trim(&many).lines().count(), 20);
        assert!(trim(&many).ends_with("line 99"));
        assert_eq!(failure("x", "").cause.as_deref(), Some("helm failed and said nothing"));
        assert_eq!(
            failure("x", "another operation (install/upgrade/rollback) is in progress").kind,
            Kind::Conflict
        );
    }
}
