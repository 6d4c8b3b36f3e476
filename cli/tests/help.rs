//! The whole command line, as `--help` shows it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod support;

use support::Sandbox;

const COMMANDS: [&str; 14] = [
    "",
    "create",
    "connect",
    "disconnect",
    "list",
    "pause",
    "resume",
    "delete",
    "adopt",
    "prune",
    "certs",
    "convert",
    "version",
    "completion",
];

#[test]
fn help_is_as_reviewed() {
    let sandbox = Sandbox::new();
    let mut text = String::new();
    for command in COMMANDS {
        let mut arguments: Vec<&str> = [command].into_iter().filter(|it| !it.is_empty()).collect();
        arguments.push("--help");
        let ran = sandbox.run(&arguments);
        assert_eq!(ran.code, 0, "{command}: {}", ran.stderr);
        // The same for all, so once is enough.
        let (own, _) = ran.stdout.split_once("Global options:").unwrap();
        let shown = if command.is_empty() { &ran.stdout } else { own };
        text.push_str(&format!("$ vcluster {}\n{shown}\n", arguments.join(" ")));
    }
    insta::assert_snapshot!("help", text);
}

#[test]
fn old_names_of_commands_still_work() {
    let sandbox = Sandbox::new();
    for (alias, command) in
        [("ls", "list"), ("sleep", "pause"), ("wakeup", "resume"), ("rm", "delete")]
    {
        let (one, two) = (sandbox.run(&[alias, "--help"]), sandbox.run(&[command, "--help"]));
        assert_eq!((one.code, one.stdout), (0, two.stdout), "{alias}");
    }
}

#[test]
fn every_shell_gets_a_script() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = sandbox.run(&["completion", shell]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stdout.contains("vcluster"), "{shell}");
    }
    assert_eq!(sandbox.run(&["completion", "tcsh"]).code, 2);
}

#[test]
fn the_version_is_printed_in_three_ways() {
    let sandbox = Sandbox::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(sandbox.run(&["version"]).stdout, format!("vcluster version {version}\n"));
    assert_eq!(
        sandbox.run(&["version", "-o", "json"]).stdout,
        format!("{{\"version\":\"{version}\"}}\n")
    );
    assert_eq!(sandbox.run(&["--version"]).stdout, format!("vcluster {version}\n"));
}
