//! A sandbox for the program: its own home, a helm that only pretends, and a host cluster that follows a script.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod host;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// A folder that the program believes to be the whole world.
pub struct Sandbox {
    folder: TempDir,
}

/// What a run of the program gave.
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
}

impl Sandbox {
    pub fn new() -> Self {
        let sandbox = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(sandbox.path("bin")).unwrap();
        sandbox.helm("echo v3.19.0");
        sandbox
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A helm that is a shell script. It notes its arguments in `helm.log` and its values in `helm.values`.
    pub fn helm(&self, script: &str) {
        let text = format!(
            "#!/bin/sh\ncd {}\necho \"$@\" >> helm.log\ncase \"$1\" in upgrade|template) cat > helm.values;; esac\n{script}\n",
            self.folder.path().display()
        );
        self.program("helm", &text);
    }

    pub fn program(&self, name: &str, text: &str) {
        let path = self.write(&format!("bin/{name}"), text);
        executable(&path);
    }

    /// A kubeconfig whose current context `test` leads to `server`.
    pub fn kubeconfig(&self, server: &str) {
        self.write(
            "kubeconfig",
            &format!(
                "apiVersion: v1\nkind: Config\nclusters: [{{name: test, cluster: {{server: \"{server}\"}}}}]\n\
                 users: [{{name: test, user: {{token: t}}}}]\n\
                 contexts: [{{name: test, context: {{cluster: test, user: test}}}}]\ncurrent-context: test\n"
            ),
        );
    }

    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("vcluster"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()))
            .env("KUBECONFIG", self.path("kubeconfig"))
            .env("VCLUSTER_STATE_DIR", self.path("state"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self, &Command::from_std(self.command(arguments)).output().unwrap())
    }

    /// Runs one after the other and writes down what a user would see, and the exit codes.
    pub fn transcript(&self, runs: &[&[&str]]) -> String {
        let mut text = String::new();
        for arguments in runs {
            let ran = self.run(arguments);
            text.push_str(&format!(
                "$ vcluster {}\n{}{}[exit {}]\n\n",
                arguments.join(" "),
                ran.stdout,
                ran.stderr,
                ran.code
            ));
        }
        text
    }

    /// The text without what differs from run to run.
    pub fn stable(&self, text: &str) -> String {
        text.replace(&self.folder.path().display().to_string(), "[SANDBOX]")
    }
}

impl Ran {
    pub fn of(sandbox: &Sandbox, output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: sandbox.stable(&String::from_utf8_lossy(&output.stdout)),
            stderr: sandbox.stable(&String::from_utf8_lossy(&output.stderr)),
        }
    }
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
