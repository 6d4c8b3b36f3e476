//! One list and watch: keeps one cache at the state of its API server, through every fault.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::timeout;
use vcluster_syncer_core::json::Value;
use vcluster_syncer_core::resource::EVENTS;
use vcluster_syncer_core::{Resource, Side};

use super::Shared;
use super::api::ApiError;
use super::parse;
use super::rollback;
use super::store::Lane;

/// How long a watch is asked for; the server closes it then, and it goes on from where it was.
const WATCH_FOR: Duration = Duration::from_secs(290);
/// Silence after which a watch is taken for dead. Bookmarks come once a minute.
const SILENCE: Duration = Duration::from_secs(310);

/// What a watch is of.
#[derive(Clone, Debug)]
pub struct Source {
    /// Which cluster.
    pub side: Side,
    /// Which resource.
    pub kind: &'static Resource,
    /// Which namespace, `""` for all.
    pub namespace: String,
    /// Selectors, `&labelSelector=...`, or nothing.
    pub query: String,
    /// Which part of the cache it fills.
    pub lane: Lane,
}

impl Source {
    /// Tells it from the others.
    pub fn name(&self) -> String {
        format!("{} {} {}", self.side, self.kind, self.query)
    }
}

enum End {
    /// Go on from this version.
    Resume(String),
    /// The version is too old, or the past changed: list afresh.
    Relist(&'static str),
}

/// Runs for ever.
pub async fn run(shared: Arc<Shared>, source: Source) {
    let mut failures = 0u32;
    let mut resume: Option<String> = None;
    let mut rounds = shared.round.subscribe();
    let mut round = shared.round();
    loop {
        if std::mem::replace(&mut round, shared.round()) != round {
            resume = None;
        }
        let start = match resume.take() {
            Some(version) => goes_on(&shared, &source, version, round).await,
            None => list(&shared, &source, round).await.map(Some).map_err(|error| (error, None)),
        };
        let outcome = match start {
            Ok(None) => Ok(End::Relist("the virtual store went back")),
            Ok(Some(version)) => tokio::select! {
                outcome = watch(&shared, &source, version) => outcome,
                // Fails only when the sender is gone, with the engine.
                _next_round = rounds.wait_for(|now| now.number != round) => continue,
            },
            Err(failure) => Err(failure),
        };
        match outcome {
            Ok(End::Resume(version)) => {
                failures = 0;
                resume = Some(version);
            }
            Ok(End::Relist(reason)) => {
                failures = failures.saturating_add(1);
                shared.metrics.watch_restarted(source.kind.plural, source.side);
                tracing::info!(side = %source.side, kind = %source.kind, reason, "watch starts afresh");
                pause(failures).await;
            }
            Err((error, version)) => {
                failures = failures.saturating_add(1);
                resume = version;
                shared.unreachable(source.side, &error);
                tracing::warn!(side = %source.side, kind = %source.kind, error = %error, "watch failed, will retry");
                pause(failures).await;
            }
        }
    }
}

async fn pause(failures: u32) {
    let grown = Duration::from_millis(50).saturating_mul(1 << failures.saturating_sub(1).min(10));
    tokio::time::sleep(grown.min(Duration::from_secs(5))).await;
}

/// After a break: the version that the watch had reached, unless the store went back.
async fn goes_on(
    shared: &Shared,
    source: &Source,
    version: String,
    round: u64,
) -> Result<Option<String>, (ApiError, Option<String>)> {
    match shared.goes_on_from(source, &version, round).await {
        Ok(true) => Ok(Some(version)),
        Ok(false) => {
            tracing::warn!(kind = %source.kind, version, "the virtual store went back");
            Ok(None)
        }
        Err(error) => Err((error, Some(version))),
    }
}

async fn list(shared: &Shared, source: &Source, round: u64) -> Result<String, ApiError> {
    let api = shared.api(source.side);
    let noted = shared.noted_before(source.side).await;
    let listed =
        timeout(Duration::from_secs(120), api.list(source.kind, &source.namespace, &source.query))
            .await
            .map_err(|_| ApiError::Transport("the list took longer than two minutes".into()))??;
    shared.gate_list(source.side, &listed.version, noted, round).await?;
    if source.side == Side::Virtual {
        shared.reached.listed(&listed.version);
    }
    if *source.kind == EVENTS {
        shared.events.listed(listed.items);
        shared.listed(source, round);
        return Ok(listed.version);
    }
    let mut state = shared.state();
    let mut changes = Vec::with_capacity(listed.items.len());
    for item in listed.items {
        match state.parse(source.side, source.kind, &item) {
            Ok(change) => changes.push(change),
            // One malformed object must not stall a whole kind.
            Err(error) => {
                tracing::warn!(kind = %source.kind, %error, "an object cannot be read and is left out")
            }
        }
    }
    state.replace(source.side, source.kind, source.lane, changes);
    drop(state);
    shared.listed(source, round);
    Ok(listed.version)
}

async fn watch(
    shared: &Shared,
    source: &Source,
    version: String,
) -> Result<End, (ApiError, Option<String>)> {
    let api = shared.api(source.side);
    let mut at = version;
    let opening = api.watch(source.kind, &source.namespace, &source.query, &at, WATCH_FOR);
    let opened = timeout(Duration::from_secs(30), opening).await;
    let lines = match opened
        .unwrap_or_else(|_| Err(ApiError::Transport("no answer to the watch in 30 s".into())))
    {
        Ok(lines) => lines,
        Err(error) if error.code() == 410 => return Ok(End::Relist("version expired")),
        Err(error) => return Err((error, Some(at))),
    };
    shared.reachable(source.side);
    let mut lines = std::pin::pin!(lines);
    loop {
        let line = match timeout(SILENCE, lines.next()).await {
            Ok(Some(Ok(line))) => line,
            Ok(Some(Err(error))) => return Err((error, Some(at))),
            Ok(None) => return Ok(End::Resume(at)),
            Err(_) => return Ok(End::Resume(at)),
        };
        match take(shared, source, &line, &at) {
            Ok(Some(version)) => at = version,
            Ok(None) => {}
            Err(reason) => return Ok(End::Relist(reason)),
        }
    }
}

/// Takes in one line. Returns the version that it brings the watch to, or why the watch cannot go on.
fn take(
    shared: &Shared,
    source: &Source,
    line: &[u8],
    at: &str,
) -> Result<Option<String>, &'static str> {
    let Some(event) = parse::watch_line(line) else {
        return Err("unreadable event");
    };
    let json = event.object;
    if event.kind == "ERROR" {
        let status: Value = serde_json::from_slice(json).unwrap_or_default();
        let expired = status.get("code").and_then(Value::as_u64) == Some(410);
        return Err(if expired {
            "version expired"
        } else {
            "the server ended the watch with an error"
        });
    }
    let Ok(identity) = parse::identity(json) else {
        return Err("event without an object");
    };
    let version = identity.resource_version.clone();
    if rollback::is_below(&version, at) {
        return Err("versions went back: the store was rolled back");
    }
    if source.side == Side::Virtual {
        let is_there = matches!(event.kind, "ADDED" | "MODIFIED");
        shared.reached.watched(&version, is_there.then(|| (source.kind, identity.key())));
    }
    if event.kind == "BOOKMARK" {
        return Ok(Some(version));
    }
    if *source.kind == EVENTS {
        if event.kind != "DELETED" {
            shared.events.seen(json);
        }
        return Ok(Some(version));
    }
    let mut state = shared.state();
    let news = if event.kind == "DELETED" {
        state.deleted(source.side, source.kind, &identity.key(), &identity.uid);
        Ok(true)
    } else {
        state.delivered(source.side, source.kind, source.lane, identity, json)
    };
    drop(state);
    match news {
        Ok(true) => shared.wake(),
        Ok(false) => {}
        Err(error) => {
            tracing::warn!(kind = %source.kind, %error, "an object cannot be read and is left out");
        }
    }
    Ok(Some(version))
}
