//! What each subcommand does and says.

use std::io::Write as _;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result};
use comfy_table::{Table, presets};
use e2e::testbed::{Options, Outcome, Profile, Progress, SYNCER_IMAGE, TestBed};
use tokio::process::Command;

/// `up`.
pub async fn up(bed: u8, nodes: u8, load_balancer: bool, syncer: bool) -> Result<()> {
    let progress = Progress::new();
    let options = Options {
        bed,
        nodes,
        load_balancer: load_balancer || nodes >= 3,
        syncer: syncer.then_some(Profile::Release),
    };
    let (testbed, outcome) = TestBed::up(&options, &progress).await?;
    say(match outcome {
        Outcome::AlreadyUp => "The test bed is up already; nothing was done.".to_owned(),
        Outcome::Mended => "The test bed is up again.".to_owned(),
        Outcome::Started => {
            format!("The test bed is up after {:.0} s.", progress.elapsed().as_secs_f64())
        }
    });
    say(format!(
        "  kubeconfig: {}\n  programs:   {}",
        testbed.kubeconfig.display(),
        testbed.bin.display()
    ));
    say("  next:       cargo run -p e2e -- shell".to_owned());
    Ok(())
}

/// `down`.
pub async fn down(bed: u8) -> Result<()> {
    let progress = Progress::new();
    let there = progress.step("taking the test bed down", TestBed::down(bed)).await?;
    say(if there { "The test bed is down." } else { "The test bed was not up." }.to_owned());
    Ok(())
}

/// `status`: exits with 1 when something is not well.
pub async fn status(bed: u8) -> Result<ExitCode> {
    let health = TestBed::open(bed)?.status().await;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["COMPONENT", "PID", "HEALTHY", "DETAIL"]);
    for row in &health {
        let pid = row.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        table.add_row([
            row.component.as_str(),
            &pid,
            if row.healthy { "yes" } else { "no" },
            &row.detail,
        ]);
    }
    say(table.trim_fmt());
    Ok(if health.iter().all(|row| row.healthy) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `shell`: exits as the shell or the command did.
pub async fn shell(bed: u8, command: Vec<String>) -> Result<ExitCode> {
    let testbed = TestBed::open(bed)?;
    let mut words = command.into_iter();
    let program = match words.next() {
        Some(program) => program,
        None => {
            say(format!(
                "kubectl, helm and the rest are in PATH; KUBECONFIG is {}. Leave with `exit`.",
                testbed.kubeconfig.display()
            ));
            std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".into())
        }
    };
    // `vcluster`, when it is built, lies beside this program.
    let own = std::env::current_exe()?.parent().map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = own.into_iter().chain([testbed.bin]).chain(std::env::split_paths(&path));
    let status = Command::new(&program)
        .args(words)
        .env("KUBECONFIG", testbed.kubeconfig)
        .env("PATH", std::env::join_paths(dirs)?)
        .status()
        .await
        .with_context(|| format!("cannot start {program}"))?;
    Ok(exit_code(status))
}

/// `logs`.
pub async fn logs(bed: u8, component: &str, follow: bool, lines: u32) -> Result<ExitCode> {
    let testbed = TestBed::open(bed)?;
    let mut command = if let Some((namespace, name)) = component.split_once('/') {
        let kind = if name == "speaker" { "daemonset" } else { "deployment" };
        testbed.kubectl.command(&[
            "--namespace",
            namespace,
            "logs",
            &format!("{kind}/{name}"),
            &format!("--tail={lines}"),
        ])
    } else {
        let mut tail = Command::new("tail");
        tail.arg(format!("--lines={lines}")).arg(testbed.log(component)?);
        tail
    };
    if follow {
        command.arg("--follow");
    }
    let status = command.stdin(Stdio::null()).status().await.context("cannot show the log")?;
    Ok(exit_code(status))
}

/// `load`.
pub async fn load(bed: u8, archive: &Path) -> Result<()> {
    let testbed = TestBed::open(bed)?;
    Progress::new().step(&format!("loading {}", archive.display()), testbed.load(archive)).await
}

/// `image`.
pub async fn image(bed: u8, profile: Profile, output: Option<&Path>) -> Result<()> {
    let progress = Progress::new();
    if let Some(output) = output {
        return progress
            .step(&format!("building {SYNCER_IMAGE}"), TestBed::save_syncer(profile, output))
            .await;
    }
    let testbed = TestBed::open(bed)?;
    progress
        .step(&format!("building and loading {SYNCER_IMAGE}"), testbed.load_syncer(profile))
        .await
}

/// `restart`.
pub async fn restart(bed: u8, component: &str) -> Result<()> {
    let testbed = TestBed::open(bed)?;
    Progress::new().step(&format!("restarting {component}"), testbed.restart(component)).await
}

/// Says why a command failed.
pub fn failed(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
}

/// A reader that went away is no reason to fail.
fn say(line: String) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn exit_code(status: std::process::ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
