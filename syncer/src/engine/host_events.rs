//! Carries the host's events about our objects into the virtual cluster: what the scheduler and the kubelets say.

mod untold;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use vcluster_syncer_core::kinds::events;
use vcluster_syncer_core::resource::{CLAIMS, EVENTS, PODS, SERVICES};
use vcluster_syncer_core::{Host, Key, Object, PatchForm, Resource, Side, Virtual};

use super::Shared;
use super::api::ApiError;
use super::parse;
use untold::Untold;

/// The kinds whose host events are carried over.
static TOLD: [&Resource; 3] = [&PODS, &CLAIMS, &SERVICES];
/// Events on their way at once: they must not crowd out the pods that they are about.
const AT_ONCE: usize = 2;
/// With more keys than these under way there is other work. Ordinary events then wait: each costs the API servers as much
/// as a step of a pod, for which somebody waits.
const CALM: usize = 4;
/// How often it is looked whether the other work is done.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How often an event is tried again whose object is not in the cache yet, and how far apart: the scheduler may be
/// quicker than the answer to our own create.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// Of longer names the start of the virtual cluster's may be cut off (`names::safe_concat` in the core).
const LONGEST_KEPT: usize = 52;

/// Events on their way from the watch.
pub struct HostEvents {
    sender: mpsc::UnboundedSender<News>,
    receiver: Mutex<Option<mpsc::UnboundedReceiver<News>>>,
    untold: Mutex<Untold>,
    noted: Notify,
}

/// An event on its way.
struct News {
    json: Bytes,
    /// How often its object was looked for in vain.
    tried: u32,
}

impl Default for HostEvents {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        HostEvents {
            sender,
            receiver: Mutex::new(Some(receiver)),
            untold: Mutex::default(),
            noted: Notify::new(),
        }
    }
}

impl HostEvents {
    /// A list of the host's events came in. What is older than a few minutes was carried over by an earlier run, or has
    /// lost its interest.
    pub fn listed(&self, items: Vec<Bytes>) {
        let recent = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(5);
        for item in items {
            let last = parse::object(&item).ok().and_then(|event| {
                let last = event
                    .str_at(&["lastTimestamp"])
                    .or(event.str_at(&["metadata", "creationTimestamp"]));
                last?.parse::<jiff::Timestamp>().ok()
            });
            if last.is_some_and(|last| last > recent) {
                self.seen(&item);
            }
        }
    }

    /// An event is new, or was repeated.
    pub fn seen(&self, json: &[u8]) {
        // Fails only when the syncer is stopping.
        let _stopping = self.sender.send(News { json: Bytes::copy_from_slice(json), tried: 0 });
    }

    /// How many wait to be told: for other work to be done, or for this replica to lead.
    pub fn waiting(&self) -> usize {
        self.untold().len()
    }

    fn untold(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries events over until the sender is gone.
pub async fn run(shared: Arc<Shared>) {
    let taken = shared.events.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(receiver) = taken else { return };
    let tellers = (0..AT_ONCE).map(|_| tell(&shared));
    tokio::join!(note(&shared, receiver), futures::future::join_all(tellers));
}

/// Makes of what the watch sees what is to be told.
async fn note(shared: &Shared, mut receiver: mpsc::UnboundedReceiver<News>) {
    while let Some(news) = receiver.recv().await {
        let Ok(event) = parse::object(&news.json).map(Host) else { continue };
        let Some(key) = involved(&event) else { continue };
        let Some(twin) = twin(shared, &key) else {
            if news.tried < TRIES && may_be_ours(key.1.name(), &shared.state().settings.name) {
                look_again(shared, news);
            }
            continue;
        };
        let translated = events::to_virtual(&event, &twin, &shared.state().settings);
        if let Some(translated) = translated {
            shared.events.untold().note(&translated, Instant::now());
            shared.events.noted.notify_one();
        }
    }
}

/// Tells what is untold while this replica leads. What a leader saw and did not live to tell is told by the next one;
/// telling what it did tell changes nothing.
async fn tell(shared: &Shared) {
    let mut leading = shared.leading.clone();
    while leading.wait_for(|leads| *leads).await.is_ok() {
        let busy = shared.state().queue.under_way() > CALM;
        let next = shared.events.untold().next(Instant::now(), busy);
        match next {
            Some(event) => {
                if let Err(error) = post(shared, &event).await {
                    tracing::debug!(key = %event.key(), %error, "event not carried over");
                }
            }
            None if shared.events.waiting() > 0 => tokio::time::sleep(LOOK_AGAIN).await,
            None => shared.events.noted.notified().await,
        }
    }
}

/// Which host object an event is about, if it is of a kind whose events are told.
fn involved(event: &Host<Object>) -> Option<(&'static Resource, Key)> {
    let kind = event.str_at(&["involvedObject", "kind"])?;
    let kind = TOLD.iter().find(|told| told.kind == kind)?;
    let name = event.str_at(&["involvedObject", "name"])?;
    let namespace = event.str_at(&["involvedObject", "namespace"]).unwrap_or_default();
    Some((kind, Key::new(namespace, name)))
}

/// The host object of ours that has this key.
fn twin(shared: &Shared, (kind, key): &(&'static Resource, Key)) -> Option<Host<Object>> {
    shared.state().store(Side::Host, kind).and_then(|store| store.get(key)).map(Host)
}

/// Whether we could have given this name: a hash may follow the virtual cluster's, or stand for it.
fn may_be_ours(name: &str, cluster: &str) -> bool {
    name.contains(&format!("-x-{cluster}")) || name.len() > LONGEST_KEPT
}

/// Puts an event off. Nobody waits meanwhile: the namespace may be full of other people's events.
fn look_again(shared: &Shared, news: News) {
    let sender = shared.events.sender.clone();
    tokio::spawn(async move {
        tokio::time::sleep(BETWEEN_TRIES).await;
        // Fails only when the syncer is stopping.
        let _stopping = sender.send(News { tried: news.tried + 1, ..news });
    });
}

/// Posts an event, or brings the one of that name up to date when it was posted before.
async fn post(shared: &Shared, event: &Virtual<Object>) -> Result<(), ApiError> {
    let api = shared.api(Side::Virtual);
    match api.create_unread(&EVENTS, &event.key(), event.value()).await {
        Err(error) if error.code() == 409 => {
            let members = ["count", "lastTimestamp", "message", "series"];
            let changed = members
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), event.at(&[name])?.clone())));
            let body = vcluster_syncer_core::json::Value::Object(changed.collect());
            api.patch_unread(&EVENTS, &event.key(), None, PatchForm::Merge, &body).await.map(|_| ())
        }
        other => other.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::may_be_ours;
    use vcluster_syncer_core::names::host_name;

    #[test]
    fn only_what_could_be_ours_is_looked_for_again() {
        assert!(may_be_ours("web-x-shop-x-mine", "mine"));
        assert!(!may_be_ours("web-x-shop-x-yours", "mine"));
        assert!(!may_be_ours("web-x-shop-x-not-mine", "mine"));
        assert!(!may_be_ours("mine", "mine"));
        assert!(may_be_ours(&"long-".repeat(12), "mine"));
        for name in ["web", "web-x-1", &"long-".repeat(12)] {
            assert!(may_be_ours(&host_name(name, "shop", "mine"), "mine"), "{name}");
        }
    }
}
