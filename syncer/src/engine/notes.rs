//! Posts what plans have to say as events on virtual objects, each once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::names::short_hash;
use vcluster_syncer_core::resource::EVENTS;
use vcluster_syncer_core::{Key, Note, PatchForm, Side};

use super::api::Api;
use super::queue::PlanKey;
use super::state::State;

/// How long a note is not repeated. API servers forget events after an hour; what still holds then is said again before.
const REPEATED: Duration = Duration::from_secs(30 * 60);
/// How many last notes are remembered, to not repeat them; then all are forgotten at once.
const REMEMBERED: usize = 4096;

/// Where notes are dropped for posting. Posting never holds up a plan.
pub struct Notes {
    last: Mutex<HashMap<PlanKey, Said>>,
    sender: mpsc::UnboundedSender<Posting>,
}

/// The last note about a key.
struct Said {
    note: Note,
    /// Of the virtual object: the next one of its name has heard nothing yet.
    uid: Option<String>,
    at: Instant,
}

impl Said {
    fn still_holds(&self, note: &Note, uid: Option<&str>, now: Instant) -> bool {
        let fresh = now.saturating_duration_since(self.at) < REPEATED;
        fresh && self.note == *note && self.uid.as_deref() == uid
    }
}

struct Posting {
    key: Key,
    event: Value,
}

impl Notes {
    /// Starts the task that posts to the virtual API.
    pub fn start(api: Api) -> Notes {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(post_all(api, receiver));
        Notes { last: Mutex::default(), sender }
    }

    /// Says a note as an event on the virtual object of a key, unless it was the last that was said about it.
    pub fn say(&self, state: &State, key: &PlanKey, note: &Note) {
        let Some(mirror) = state.mirror(key) else { return };
        let kind = mirror.kind();
        let uid = state
            .store(Side::Virtual, kind)
            .and_then(|store| Some(store.entry(&key.key)?.uid.to_string()));
        if !self.is_new(key, note, uid.as_deref(), Instant::now()) {
            return;
        }
        let namespace =
            if key.key.namespace().is_empty() { "default" } else { key.key.namespace() };
        let hash = short_hash(&format!(
            "{}{}{}",
            uid.as_deref().unwrap_or_default(),
            note.reason,
            note.message
        ));
        let name = format!("{}.{hash}", key.key.name());
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": &name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": kind.api_version(), "kind": kind.kind, "name": key.key.name(),
                "namespace": key.key.namespace(), "uid": uid,
            },
            "type": if note.warning { "Warning" } else { "Normal" },
            "reason": note.reason,
            "message": &note.message,
            "source": {"component": format!("{}-syncer", kind.kind.to_lowercase())},
            "firstTimestamp": &now, "lastTimestamp": now, "count": 1,
        });
        // Fails only when the syncer is stopping.
        let _stopping = self.sender.send(Posting { key: Key::new(namespace, &name), event });
    }

    /// Whether a note was not the last one about this object, or that is long ago. From now on it is.
    fn is_new(&self, key: &PlanKey, note: &Note, uid: Option<&str>, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(key).is_some_and(|said| said.still_holds(note, uid, now)) {
            return false;
        }
        if last.len() >= REMEMBERED {
            last.clear();
        }
        let said = Said { note: note.clone(), uid: uid.map(str::to_owned), at: now };
        last.insert(key.clone(), said);
        true
    }
}

async fn post_all(api: Api, mut receiver: mpsc::UnboundedReceiver<Posting>) {
    let api = Arc::new(api);
    while let Some(Posting { key, event }) = receiver.recv().await {
        match api.create_unread(&EVENTS, &key, &event).await {
            Ok(_) => {}
            // Said before, by an earlier run or long ago: say it again.
            Err(error) if error.code() == 409 => {
                let last = json!({"lastTimestamp": event.get("lastTimestamp")});
                if let Err(error) =
                    api.patch_unread(&EVENTS, &key, None, PatchForm::Merge, &last).await
                {
                    tracing::debug!(%key, %error, "event not repeated");
                }
            }
            Err(error) => tracing::debug!(%key, %error, "event not posted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vcluster_syncer_core::Virtual;

    #[test]
    fn a_note_is_said_once_to_each_object_and_again_before_it_is_forgotten() {
        let (sender, _receiver) = mpsc::unbounded_channel();
        let notes = Notes { last: Mutex::default(), sender };
        let key = PlanKey { kind: 0, key: Virtual(Key::new("shop", "web-0")) };
        let note = Note { warning: true, reason: "SyncError", message: "refused".into() };
        let start = Instant::now();
        for (uid, after, new) in [
            ("a", Duration::ZERO, true),
            ("a", REPEATED / 2, false),
            ("b", REPEATED / 2, true),
            ("b", REPEATED, false),
            ("b", REPEATED * 2, true),
        ] {
            assert_eq!(notes.is_new(&key, &note, Some(uid), start + after), new, "{uid} {after:?}");
        }
    }
}
