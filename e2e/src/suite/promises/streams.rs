//! What kubectl streams: over SPDY, and over WebSocket as newer versions do.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::suite::holds::holds;
use crate::suite::said::Said;
use crate::suite::space::Space;
use crate::suite::{Company, Fits, Promise, sample, world::World};

pub const EXEC: Promise = Promise {
    name: "exec-attach-and-cp",
    about: "kubectl exec, exec -it, attach and cp work as on any cluster, over SPDY and WebSocket",
    company: Company::Any,
    fits: Fits::Smoke,
    run: |world| Box::pin(exec(world)),
};

pub const FORWARD: Promise = Promise {
    name: "port-forward",
    about: "kubectl port-forward to a pod and to a Service works, over SPDY and WebSocket",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(forward(world)),
};

/// Which of kubectl's two protocols, by the variables that choose it.
fn over(command: &mut Command, websocket: bool) -> &mut Command {
    for variable in ["KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "KUBECTL_PORT_FORWARD_WEBSOCKETS"] {
        command.env(variable, websocket.to_string());
    }
    command
}

async fn exec(world: World) -> Result<()> {
    let space = world.space("streams").await?;
    let home = world.home(world.host())?;
    let mut shell = sample::pod("shell", sample::script("sleep 100000"));
    shell = sample::with(shell, "/metadata", serde_json::json!({ "labels": { "app": "shell" } }));
    space.apply(&shell).await?;
    let listener = sample::script("while read line; do echo heard $line; done");
    let listener = sample::with(listener, "", serde_json::json!({ "stdin": true }));
    space.apply(&sample::pod("listener", listener)).await?;
    space.ready("shell").await?;
    space.ready("listener").await?;
    for websocket in [false, true] {
        let run = async |args: &[&str], input: &str| -> Result<Said> {
            let mut command = space.command(args);
            over(&mut command, websocket);
            feed(&mut command, input).await
        };
        let script = "cat; echo aside >&2; exit 3";
        let said = run(&["exec", "-i", "shell", "--", "sh", "-c", script], "some input").await?;
        ensure!(said.code == Some(3), "the exit code is lost: {said}");
        ensure!(
            said.stdout == "some input" && said.stderr.contains("aside"),
            "the streams are mixed: {said}"
        );

        // A terminal, which `script` provides.
        let config = space.cluster.kubeconfig.display();
        let line = format!(
            "kubectl --kubeconfig {config} -n {} exec -it shell -- sh -c 'stty size; tty; exit 4'",
            space.name
        );
        let mut terminal = home.command("script");
        terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        let said = home.hear(over(&mut terminal, websocket)).await?;
        ensure!(
            said.code == Some(4) && said.stdout.contains("/dev/"),
            "exec -it has no terminal: {said}"
        );

        let said = run(&["attach", "-i", "listener"], &format!("hello {websocket}\n")).await?;
        ensure!(said.code == Some(0), "attach failed: {said}");
        let heard = format!("heard hello {websocket}");
        holds("the attached process heard", || async {
            let log = space.kubectl(&["logs", "listener"]).await?;
            ensure!(log.contains(&heard), "it said {log:?}");
            Ok(())
        })
        .await?;
        copy(&space, &home, websocket).await?;
    }
    Ok(())
}

/// A file of a megabyte, there and back.
async fn copy(space: &Space, home: &crate::suite::home::Home, websocket: bool) -> Result<()> {
    let data: Vec<u8> = (0..1_000_000_u32)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .take(1_000_000)
        .collect();
    let (there, back) = (home.path("there"), home.path("back"));
    std::fs::write(&there, &data)?;
    for (from, to) in [("there", "shell:/tmp/file"), ("shell:/tmp/file", "back")] {
        let mut command = space.command(&["cp", from, to]);
        command.current_dir(there.parent().context("no folder")?);
        let said = feed(over(&mut command, websocket), "").await?;
        ensure!(said.code == Some(0), "cp failed: {said}");
    }
    ensure!(std::fs::read(&back)? == data, "the file that came back differs");
    std::fs::remove_file(back).context("cannot remove the copy")
}

async fn forward(world: World) -> Result<()> {
    let space = world.space("ports").await?;
    space.apply(&sample::pod("web", sample::web())).await?;
    space.apply(&sample::service("web")).await?;
    space.ready("web").await?;
    for websocket in [false, true] {
        for target in ["pod/web :8080", "service/web :80"] {
            let args: Vec<&str> = ["port-forward"].into_iter().chain(target.split(' ')).collect();
            let mut command = space.command(&args);
            let mut child = over(&mut command, websocket).stdout(Stdio::piped()).spawn()?;
            let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
            let line = lines.next_line().await?.unwrap_or_default();
            let port = line.split([':', ' ']).find_map(|word| word.parse::<u16>().ok());
            let port = port.with_context(|| format!("kubectl said {line:?}"))?;
            // More than one connection, and more than a few bytes.
            for _ in 0..3 {
                let answer = http(port, "/hostname").await?;
                ensure!(answer.ends_with("\r\n\r\nweb"), "{target} answers {answer:?}");
            }
            let word = "x".repeat(100_000);
            let answer = http(port, &format!("/echo?msg={word}")).await?;
            ensure!(answer.ends_with(&word), "{target} answers {} bytes", answer.len());
            child.kill().await?;
        }
    }
    Ok(())
}

async fn http(port: u16, path: &str) -> Result<String> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Runs a command with something to read.
async fn feed(command: &mut Command, input: &str) -> Result<Said> {
    let line = format!("{:?}", command.as_std());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("no input")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    Ok(Said {
        line,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
