//! Follows the state of the virtual cluster and the clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;
use vcluster_syncer_core::sleep::{Rest, Standing, State, Verdict};

use super::plane::{Door, Plane};
use super::shown::Shown;
use super::sweep;
use crate::namespace::Denied;

/// Before something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// Something will be shown before, when a control plane that starts is ready.
const STARTING: Duration = Duration::from_secs(60);

/// The shortest time between two looks at the clock.
const LOOK: Duration = Duration::from_millis(250);

/// One round of sweeping may take so long. Then it is judged again, and the rest is for the next round.
const SWEEP: Duration = Duration::from_secs(30);

/// So long after it fell asleep whoever asks for it is let in, even if a pod cannot end, on a lost node for example.
const LATE: SignedDuration = SignedDuration::from_secs(90);

/// Between two rounds of sweeping.
const ROUND: Duration = Duration::from_millis(500);

/// The same when it is late.
const STUCK: Duration = Duration::from_secs(15);

/// Keeps at it for as long as the program runs.
pub async fn keep(plane: &Plane, mut shown: Shown, rest: &Rest) {
    let mut awake_since = None;
    loop {
        let addresses = shown.addresses.borrow_and_update().clone();
        // Without a state there is nothing to follow yet.
        let Some(state) = *shown.state.borrow_and_update() else {
            shown.changed().await;
            continue;
        };
        awake_since = (state == State::Awake).then(|| awake_since.unwrap_or_else(Timestamp::now));
        let awake = awake_since.map(|since| Awake { since, addresses });
        let step = async {
            let pause = match step(plane, rest, state, awake).await {
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
            () = shown.changed() => {}
        }
    }
}

/// What is known of a control plane that is awake.
struct Awake {
    since: Timestamp,
    /// Where its API servers answer that are ready.
    addresses: BTreeMap<String, SocketAddr>,
}

/// Does what the state asks for. Answers how long nothing else is to be done.
async fn step(
    plane: &Plane,
    rest: &Rest,
    state: State,
    awake: Option<Awake>,
) -> Result<Duration, Denied> {
    let standing = match state {
        State::Paused => {
            plane.lead(Door::Plane).await?;
            Standing::Paused
        }
        State::Asleep(since) => {
            let standing = Standing::Asleep { since };
            // First, for what is swept may take long.
            if rest.judge(Timestamp::now(), standing) != Verdict::Wake {
                let clean = timeout(SWEEP, swept(plane)).await.unwrap_or(Ok(false));
                let late = Timestamp::now().duration_since(since) > LATE;
                // Not before, if it can be: its own pods, CoreDNS first, would wake it as soon as they miss the API server.
                if late || matches!(clean, Ok(true)) {
                    plane.lead(Door::Activator).await?;
                }
                if !clean? {
                    return Ok(if late { STUCK } else { ROUND });
                }
            }
            standing
        }
        State::Awake => {
            let Some(Awake { since, addresses }) = awake else { return Ok(STARTING) };
            if addresses.is_empty() {
                return Ok(STARTING);
            }
            // Whoever woke it: the marks go, and clients need no detour any more.
            plane.wake().await?;
            plane.lead(Door::Plane).await?;
            let counts = rest.after_inactivity.is_some();
            let idle = if counts { plane.idle(&addresses).await } else { None };
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
        Verdict::Nothing(wait) => Ok(Duration::try_from(wait).unwrap_or(AGAIN).max(LOOK)),
    }
}

/// Frees the host of what a sleeper has on it. Answers whether all of it is gone.
async fn swept(plane: &Plane) -> Result<bool, Denied> {
    if !sweep::plane_is_gone(plane).await? {
        return Ok(false);
    }
    plane.settle().await?;
    sweep::free(plane).await
}

#[cfg(test)]
mod tests {
    use vcluster_config::AutoSleep;
    use vcluster_syncer_core::json::{Value, json};

    use super::*;
    use crate::activator::plane::tests::plane;
    use crate::namespace::tests::scripted;

    /// A round of what is to be done `seconds` after it fell asleep, with a pod that cannot end. Answers where the
    /// Service leads to and how long nothing else is to be done.
    async fn round(seconds: i64, wake: &str) -> (Vec<String>, Duration) {
        let since = Timestamp::now() - SignedDuration::from_secs(seconds);
        let date = since.to_string();
        let set = json!({
            "metadata": { "name": "my", "resourceVersion": "1", "annotations": {
                "loft.sh/paused": "true", "loft.sh/paused-date": &date, "vcluster.loft.sh/asleep-since": &date,
            } },
            "spec": { "replicas": 0 },
        });
        let lost = json!({ "items": [{ "metadata": {
            "name": "lost", "deletionTimestamp": date,
            "annotations": { "vcluster.loft.sh/object-name": "lost" },
        } }] });
        let service = json!({ "metadata": { "name": "my", "resourceVersion": "1" }, "spec": { "selector": { "app": "vcluster" } } });
        let led = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = std::sync::Arc::clone(&led);
        let (namespace, _) = scripted(&[("services", service)], move |line, body: &Value| {
            if line.starts_with("PATCH services") {
                heard
                    .lock()
                    .unwrap()
                    .push(body["spec"]["selector"]["app"].as_str().unwrap().to_owned());
            }
            match line {
                _ if line.starts_with("PATCH /apis/apps/v1") => {
                    heard.lock().unwrap().push("awake".to_owned());
                    Some((200, json!({})))
                }
                _ if line.starts_with("GET /apis/apps/v1") => Some((200, set.clone())),
                _ if line.starts_with("GET pods?labelSelector=app") => {
                    Some((200, json!({ "items": [] })))
                }
                _ if line.starts_with("GET pods?") => Some((200, lost.clone())),
                _ => None,
            }
        });
        let options: AutoSleep = json!({ "wakeup": { "schedule": wake } }).to().unwrap();
        let rest = Rest { wake: options.rest().unwrap().wake, ..Rest::default() };
        let pause = step(&plane(namespace), &rest, State::Asleep(since), None).await.unwrap();
        let led = led.lock().unwrap().clone();
        (led, pause)
    }

    #[tokio::test]
    async fn a_pod_that_cannot_end_does_not_keep_the_door_closed_for_ever() {
        assert_eq!(round(10, "").await, (vec![], ROUND));
        assert_eq!(round(100, "").await, (vec!["vcluster-activator".to_owned()], STUCK));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_cannot_end_does_not_keep_it_from_waking_up_in_time() {
        let (done, _) = round(70, "* * * * *").await;
        assert_eq!(done, ["awake"]);
    }
}
