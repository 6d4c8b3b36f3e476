//! What each subcommand does and says.

use std::convert::Infallible;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use comfy_table::{Table, presets};
use e2e::testbed::{Families, Options, Outcome, Profile, Progress, SYNCER_IMAGE, TestBed};

/// `up`.
pub async fn up(
    bed: u8,
    nodes: u8,
    load_balancer: bool,
    families: Option<Families>,
    syncer: bool,
) -> Result<()> {
    let progress = Progress::new();
    let options = Options {
        bed,
        nodes,
        load_balancer: load_balancer || nodes >= 3,
        families,
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

/// `shell`: becomes the shell or the command.
pub fn shell(bed: u8, command: Vec<String>) -> Result<Infallible> {
    let testbed = TestBed::open(bed)?;
    let mut words = command.into_iter();
    let program = words.next().unwrap_or_else(|| {
        let kubeconfig = testbed.kubeconfig.display();
        say(format!(
            "kubectl, helm and the rest are in PATH; KUBECONFIG is {kubeconfig}. Leave with `exit`."
        ));
        std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".into())
    });
    // `vcluster`, when it is built, lies beside this program.
    let own = std::env::current_exe()?.parent().map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = own.into_iter().chain([testbed.bin.clone()]).chain(std::env::split_paths(&path));
    let mut command = Command::new(&program);
    command
        .args(words)
        .env("KUBECONFIG", &testbed.kubeconfig)
        // For the tests that want a host or its programs.
        .env("VCLUSTER_TESTBED_KUBECONFIG", &testbed.kubeconfig)
        .env("VCLUSTER_TESTBED_BIN", &testbed.bin)
        .env("PATH", std::env::join_paths(dirs)?);
    Err(command.exec()).with_context(|| format!("cannot start {program}"))
}

/// `logs`: becomes `tail` or `kubectl logs`.
pub fn logs(bed: u8, component: &str, follow: bool, lines: u32) -> Result<Infallible> {
    let testbed = TestBed::open(bed)?;
    let mut command = if let Some((namespace, name)) = component.split_once('/') {
        let workload =
            format!("{}/{name}", if name == "speaker" { "daemonset" } else { "deployment" });
        let tail = format!("--tail={lines}");
        testbed.kubectl.command(&["--namespace", namespace, "logs", &workload, &tail]).into_std()
    } else {
        let mut tail = Command::new("tail");
        tail.arg(format!("--lines={lines}")).arg(testbed.log(component)?);
        tail
    };
    if follow {
        command.arg("--follow");
    }
    Err(command.exec()).context("cannot show the log")
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

/// Says what an interrupted command leaves.
pub fn interrupted() {
    let _ = writeln!(
        std::io::stderr(),
        "interrupted; `up` starts again from here, `down` removes what there is"
    );
}

/// Says why a command failed.
pub fn failed(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
}

/// A reader that went away is no reason to fail.
fn say(line: String) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
