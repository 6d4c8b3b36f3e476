//! Logs and debugging.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::suite::holds::holds;
use crate::suite::space::text;
use crate::suite::{Company, Fits, Promise, kind, sample, world::World};

pub const LOGS: Promise = Promise {
    name: "logs-follow",
    about: "kubectl logs shows what a container says, follows it while it speaks, and knows what the one before said",
    company: Company::Any,
    fits: Fits::Smoke,
    run: |world| Box::pin(logs(world)),
};

pub const DEBUG: Promise = Promise {
    name: "debug-with-an-ephemeral-container",
    about: "kubectl debug adds a container to a running pod, which sees the pod's processes and network",
    company: Company::Any,
    fits: Fits::All,
    run: |world| Box::pin(debug(world)),
};

async fn logs(world: World) -> Result<()> {
    let space = world.space("logs").await?;
    let script = "echo one; echo two; until test -e /tmp/go; do sleep 0.1; done; echo three; rm /tmp/go; \
                  until test -e /tmp/go; do sleep 0.1; done; echo four; exit 5";
    let mut speaker = sample::pod("speaker", sample::script(script));
    speaker = sample::with(speaker, "/spec", json!({ "restartPolicy": "OnFailure" }));
    space.apply(&speaker).await?;
    space.ready("speaker").await?;

    let mut child =
        space.command(&["logs", "--follow", "speaker"]).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut next = async || -> Result<String> {
        let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await;
        line.context("no line came")??.context("the log ended")
    };
    for word in ["one", "two"] {
        ensure!(next().await? == word, "{word} is missing");
    }
    for word in ["three", "four"] {
        space.sh("speaker", "touch /tmp/go").await?;
        ensure!(next().await? == word, "{word} did not follow");
    }
    // The container has ended, and so does the stream.
    tokio::time::timeout(Duration::from_secs(30), child.wait())
        .await
        .context("logs -f goes on")??;
    holds("the container runs again", || async {
        let pod = space.get(kind::PODS, "speaker").await?;
        let container = pod.pointer("/status/containerStatuses/0").context("no status")?;
        // Right after its end the status is still that of before.
        let restarts = container.get("restartCount").and_then(Value::as_i64);
        let runs = container.pointer("/state/running").is_some();
        ensure!(restarts == Some(1) && runs, "not yet: {container}");
        Ok(())
    })
    .await?;
    let tail = space.kubectl(&["logs", "speaker", "--previous", "--tail=2"]).await?;
    ensure!(tail == "three\nfour\n", "the previous one said {tail:?}");
    let stamped = space.kubectl(&["logs", "speaker", "--timestamps", "--limit-bytes=31"]).await?;
    ensure!(stamped.starts_with("20") && stamped.contains('T'), "no time stamps: {stamped:?}");
    let unknown = space.kubectl(&["logs", "speaker", "--container", "nobody"]).await;
    ensure!(unknown.is_err(), "there is a log of a container that is not there");
    Ok(())
}

async fn debug(world: World) -> Result<()> {
    let space = world.space("debug").await?;
    space.apply(&sample::pod("web", sample::web())).await?;
    let before = space.ready("web").await?;
    let fetch = format!(
        "wget -q -O - http://localhost:{}/hostname; echo; ps | grep -c netexec",
        sample::WEB_PORT
    );
    let image = format!("--image={}", sample::BUSYBOX);
    let args =
        ["debug", "web", &image, "--target=main", "--container=doctor", "--", "sh", "-c", &fetch];
    space.kubectl(&args).await?;
    holds("the ephemeral container has ended", || async {
        let pod = space.get(kind::PODS, "web").await?;
        let ended = pod.pointer("/status/ephemeralContainerStatuses/0/state/terminated");
        ensure!(ended.is_some(), "{:?}", pod.pointer("/status/ephemeralContainerStatuses"));
        Ok(())
    })
    .await?;
    let said = space.kubectl(&["logs", "web", "--container", "doctor"]).await?;
    let mut lines = said.lines();
    ensure!(lines.next() == Some("web"), "it does not share the pod's network: {said:?}");
    let count: u32 = lines.next().unwrap_or_default().trim().parse().unwrap_or_default();
    ensure!(count >= 1, "it does not see the pod's processes: {said:?}");
    let after = space.get(kind::PODS, "web").await?;
    ensure!(
        text(&after, "/metadata/uid") == text(&before, "/metadata/uid"),
        "the pod was replaced"
    );
    Ok(())
}
