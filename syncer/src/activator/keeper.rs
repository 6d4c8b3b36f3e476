//! Follows the state of the virtual cluster and the clock.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use vcluster_syncer_core::sleep::{Rest, Standing, State, Verdict};

use super::plane::{Door, Plane};
use super::sweep;
use crate::namespace::Denied;

/// Before something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// Between two looks at a control plane that starts.
const STARTING: Duration = Duration::from_millis(250);

/// Who has not started in this time is looked at less often.
const SLOW_START: SignedDuration = SignedDuration::from_secs(60);

/// Keeps at it for as long as the program runs.
pub async fn keep(plane: &Plane, rest: &Rest) {
    let (states, mut changes) = watch::channel(None);
    let work = async {
        let mut awake_since = None;
        loop {
            // Without a state there is nothing to follow yet. The sender lives as long as this does.
            let Some(state) = *changes.borrow_and_update() else {
                let _ = changes.changed().await;
                continue;
            };
            if state != State::Awake {
                awake_since = None;
            } else if awake_since.is_none() {
                awake_since = Some(Timestamp::now());
            }
            let step = async {
                let pause = match step(plane, rest, state, awake_since).await {
                    Ok(pause) => pause,
                    Err(error) => {
                        tracing::warn!(%error, "will try again");
                        AGAIN
                    }
                };
                tokio::time::sleep(pause).await;
            };
            tokio::select! {
                () = step => {}
                _ = changes.changed() => {}
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = follow(plane, &states) => {}
    }
}

/// Does what the state asks for. Answers how long nothing else is to be done.
async fn step(
    plane: &Plane,
    rest: &Rest,
    state: State,
    awake_since: Option<Timestamp>,
) -> Result<Duration, Denied> {
    let standing = match state {
        State::Paused => {
            plane.lead(Door::Plane).await?;
            Standing::Paused
        }
        State::Asleep(since) => {
            if !sweep::plane_is_gone(plane).await? {
                return Ok(STARTING);
            }
            plane.settle().await?;
            sweep::free(plane).await?;
            // Not before: its own pods, CoreDNS first, would wake it as soon as they miss the API server.
            sweep::until_ended(plane).await?;
            plane.lead(Door::Activator).await?;
            Standing::Asleep { since }
        }
        State::Awake => {
            let since = awake_since.unwrap_or_else(Timestamp::now);
            if plane.address().await?.is_none() {
                let long = Timestamp::now().duration_since(since) > SLOW_START;
                return Ok(if long { AGAIN } else { STARTING });
            }
            // Whoever woke it: the marks go, and clients need no detour any more.
            plane.wake().await?;
            plane.lead(Door::Plane).await?;
            let idle = if rest.after_inactivity.is_some() { plane.idle().await } else { None };
            Standing::Awake { since, idle }
        }
    };
    match rest.judge(Timestamp::now(), standing) {
        Verdict::Sleep(why) => {
            tracing::info!(?why, "the virtual cluster falls asleep");
            plane.sleep().await?;
            Ok(AGAIN)
        }
        Verdict::Wake => {
            tracing::info!("the virtual cluster wakes up by schedule");
            plane.wake().await?;
            Ok(AGAIN)
        }
        Verdict::Nothing(wait) => Ok(Duration::try_from(wait).unwrap_or(AGAIN).max(STARTING)),
    }
}

/// Passes on each state of the virtual cluster.
async fn follow(plane: &Plane, states: &watch::Sender<Option<State>>) {
    loop {
        match plane.namespace.watch("statefulsets", &plane.name).await {
            Ok(events) => {
                let mut events = pin!(events);
                while let Some(set) = events.next().await {
                    let state = Some(State::of(&set));
                    states.send_if_modified(|known| std::mem::replace(known, state) != state);
                }
            }
            Err(error) => tracing::warn!(%error, "will try again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}
