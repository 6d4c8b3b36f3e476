//! When somebody last used the virtual cluster, as its API server's audit events tell.
//!
//! Which requests are told at all is said by the audit policy that `syncer init` writes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// Requests that are somebody's presence for as long as they last.
const PRESENCE: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];

/// Whose end is not told in this time has lost it: with an API server that was killed, for example.
const LONGEST: SignedDuration = SignedDuration::from_hours(4);

/// More requests that last than anybody has open; those that began first are forgotten.
const MOST: usize = 1000;

/// The answer to whoever did not say who they are, or not so that it could be believed.
const UNAUTHORIZED: i64 = 401;

/// A list of audit events: <https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/>.
#[derive(Debug, Deserialize)]
struct EventList {
    #[serde(default)]
    items: Vec<Event>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID", default)]
    id: String,
    #[serde(default)]
    stage: String,
    #[serde(default)]
    user: User,
    #[serde(default)]
    object_ref: Option<ObjectRef>,
    #[serde(default)]
    response_status: Option<ResponseStatus>,
    #[serde(default)]
    stage_timestamp: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct ObjectRef {
    #[serde(default)]
    subresource: String,
}

#[derive(Debug, Default, Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Debug, Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: i64,
}

impl Event {
    /// Anybody who reaches the API server can make events without a user: they must not keep it awake.
    fn is_somebodys(&self) -> bool {
        let refused = self.response_status.as_ref().is_some_and(|it| it.code == UNAUTHORIZED);
        !self.user.username.is_empty() && !refused
    }
}

/// The last request, and those that last.
#[derive(Debug)]
pub struct Activity {
    last: Timestamp,
    lasting: BTreeMap<String, Timestamp>,
}

impl Activity {
    /// Nobody has asked anything; the control plane starts just now.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Activity { last: now, lasting: BTreeMap::new() }
    }

    /// What was before this does not count as idle: the control plane is ready only now.
    pub fn begin(&mut self, now: Timestamp) {
        self.last = self.last.max(now);
    }

    /// Takes note of a list of audit events. Answers how many it was, or nothing if it is no such list.
    pub fn hear(&mut self, list: &[u8]) -> Option<usize> {
        let list: EventList = serde_json::from_slice(list).ok()?;
        let count = list.items.len();
        for event in list.items {
            if !event.is_somebodys() {
                continue;
            }
            self.last = event.stage_timestamp.map_or(self.last, |time| time.max(self.last));
            let presence =
                event.object_ref.is_some_and(|it| PRESENCE.contains(&it.subresource.as_str()));
            if presence && event.stage == "ResponseStarted" {
                self.lasting.insert(event.id, self.last);
            } else {
                self.lasting.remove(&event.id);
            }
        }
        self.prune();
        Some(count)
    }

    fn prune(&mut self) {
        let last = self.last;
        self.lasting.retain(|_, began| last.duration_since(*began) < LONGEST);
        while self.lasting.len() > MOST {
            let first = self.lasting.iter().min_by_key(|(_, began)| **began);
            let Some(id) = first.map(|(id, _)| id.clone()) else { return };
            self.lasting.remove(&id);
        }
    }

    /// For how long nobody has used it.
    #[must_use]
    pub fn idle(&self, now: Timestamp) -> SignedDuration {
        if self.lasting.values().any(|began| now.duration_since(*began) < LONGEST) {
            return SignedDuration::ZERO;
        }
        now.duration_since(self.last).max(SignedDuration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use crate::json::{Value, json};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn event(id: &str, stage: &str, subresource: &str, second: i64) -> Value {
        json!({
            "auditID": id,
            "stage": stage,
            "user": { "username": "alice" },
            "objectRef": { "resource": "pods", "subresource": subresource },
            "stageTimestamp": format!("{:.6}", at(second)),
        })
    }

    fn hear(activity: &mut Activity, events: &[Value]) {
        let list = json!({ "kind": "EventList", "items": events }).to_string();
        assert_eq!(activity.hear(list.as_bytes()), Some(events.len()));
    }

    #[test]
    fn each_request_begins_the_wait_anew() {
        let mut activity = Activity::new(at(0));
        assert_eq!(activity.idle(at(5)), SignedDuration::from_secs(5));
        hear(
            &mut activity,
            &[event("a", "ResponseComplete", "", 10), event("b", "ResponseComplete", "", 7)],
        );
        assert_eq!(activity.idle(at(12)), SignedDuration::from_secs(2));
        assert_eq!(activity.idle(at(9)), SignedDuration::ZERO, "clocks differ a little");
    }

    #[test]
    fn a_shell_is_presence_and_a_watch_is_not() {
        let mut activity = Activity::new(at(0));
        hear(
            &mut activity,
            &[event("w", "ResponseStarted", "", 1), event("e", "ResponseStarted", "exec", 2)],
        );
        assert_eq!(activity.idle(at(1000)), SignedDuration::ZERO);
        hear(&mut activity, &[event("e", "ResponseComplete", "exec", 1000)]);
        assert_eq!(activity.idle(at(1010)), SignedDuration::from_secs(10));
        hear(&mut activity, &[event("f", "ResponseStarted", "exec", 1020)]);
        let late = 1020 + LONGEST.as_secs();
        assert_eq!(activity.idle(at(late)), LONGEST, "its end was lost");
    }

    #[test]
    fn who_is_nobody_does_not_keep_it_awake() {
        let mut activity = Activity::new(at(0));
        let mut unnamed = event("a", "ResponseComplete", "", 10);
        unnamed["user"] = json!({});
        let mut refused = event("b", "ResponseStarted", "exec", 11);
        refused["responseStatus"] = json!({ "code": 401 });
        hear(&mut activity, &[unnamed, refused]);
        assert_eq!(activity.idle(at(20)), SignedDuration::from_secs(20));
        let mut forbidden = event("c", "ResponseComplete", "", 12);
        forbidden["responseStatus"] = json!({ "code": 403 });
        hear(&mut activity, &[forbidden]);
        assert_eq!(
            activity.idle(at(20)),
            SignedDuration::from_secs(8),
            "somebody, though without the right"
        );
    }

    #[test]
    fn ends_that_are_lost_take_no_memory() {
        let mut activity = Activity::new(at(0));
        for batch in 0..3 {
            let events: Vec<_> = (0..MOST)
                .map(|n| event(&format!("{batch}-{n}"), "ResponseStarted", "exec", batch))
                .collect();
            hear(&mut activity, &events);
            assert_eq!(activity.lasting.len(), MOST);
        }
        assert!(activity.lasting.keys().all(|id| id.starts_with("2-")), "the newest stay");
        hear(&mut activity, &[event("w", "ResponseComplete", "", LONGEST.as_secs() + 2)]);
        assert_eq!(activity.lasting.len(), 0);
    }

    #[test]
    fn odd_lists_change_nothing() {
        let mut activity = Activity::new(at(0));
        for odd in ["", "3", "{\"items\":3}"] {
            assert_eq!(activity.hear(odd.as_bytes()), None, "{odd}");
        }
        hear(&mut activity, &[json!({}), json!({ "stage": "Panic" })]);
        assert_eq!(activity.idle(at(5)), SignedDuration::from_secs(5));
    }
}
