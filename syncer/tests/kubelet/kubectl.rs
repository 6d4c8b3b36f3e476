//! Runs kubectl against the virtual cluster or the host.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::host::INSIDE;
use crate::rig::Rig;

/// How kubectl talks to the API server.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    Spdy,
    WebSocket,
}

pub const BOTH: [Protocol; 2] = [Protocol::Spdy, Protocol::WebSocket];

/// For things that happen within moments, on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_secs(60);

impl Rig {
    /// A kubectl command in the namespace of the pods.
    pub fn kubectl(&self, protocol: Protocol, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("kubectl"));
        command.env("KUBECONFIG", &self.cluster.kubeconfig).arg("-n").arg(INSIDE).args(arguments);
        with(&mut command, protocol);
        command
    }

    /// The same on the host.
    pub fn host_kubectl(&self, protocol: Protocol, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("kubectl"));
        command.env("KUBECONFIG", &self.host_kubeconfig);
        command.arg("-n").arg(&self.sides.directory.namespace).args(arguments);
        with(&mut command, protocol);
        command
    }

    /// Runs to the end and must succeed.
    pub fn output(&self, protocol: Protocol, arguments: &[&str]) -> String {
        let output = run(&mut self.kubectl(protocol, arguments), b"");
        assert!(output.status.success(), "kubectl {arguments:?} over {protocol:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What kubectl says when it fails, inside and on the host, with the host's names replaced.
    pub fn failures(&self, protocol: Protocol, arguments: &[&str], pod: &str) -> (String, String) {
        let inside = run(&mut self.kubectl(protocol, arguments), b"");
        let host_pod = format!("{pod}-x-{INSIDE}-x-test");
        let on_host: Vec<&str> = arguments
            .iter()
            .map(|&argument| if argument == pod { &*host_pod } else { argument })
            .collect();
        let host = run(&mut self.host_kubectl(protocol, &on_host), b"");
        assert!(!inside.status.success() && !host.status.success(), "{inside:?}\n{host:?}");
        assert_eq!(inside.status.code(), host.status.code());
        let text = |output: Output| String::from_utf8(output.stderr).unwrap();
        let host =
            text(host).replace(&host_pod, pod).replace(&self.sides.directory.namespace, INSIDE);
        (text(inside), host)
    }
}

fn with(command: &mut Command, protocol: Protocol) {
    let websockets = matches!(protocol, Protocol::WebSocket).to_string();
    command
        .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", &websockets)
        .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", &websockets);
}

/// Runs a command to its end with some input.
pub fn run(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _may_end_early = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// A command that goes on; killed when dropped.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (tell, lines) = channel();
        let stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take().unwrap();
        let tell_errors = tell.clone();
        std::thread::spawn(move || {
            BufReader::new(stdout)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| tell.send(line))
        });
        std::thread::spawn(move || {
            BufReader::new(stderr)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| tell_errors.send(line))
        });
        Running { child, lines }
    }

    /// Waits for a line that holds `text`.
    pub fn line_with(&self, text: &str) -> String {
        let mut others = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => others.push(line),
                Err(error) => panic!("no line with {text:?} ({error}) after {others:#?}"),
            }
        }
    }

    /// Whether a line comes within some time that holds `text`.
    pub fn has_line_with(&self, text: &str, within: Duration) -> bool {
        let end = Instant::now() + within;
        let left = || end.saturating_duration_since(Instant::now());
        std::iter::from_fn(|| self.lines.recv_timeout(left()).ok()).any(|line| line.contains(text))
    }

    /// Types a line.
    pub fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    /// Whether it goes on.
    pub fn goes_on(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
