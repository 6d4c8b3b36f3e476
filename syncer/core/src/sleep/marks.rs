//! What a workload of the control plane says of itself: `loft.sh/paused*`, which `vcluster pause` writes too.

use crate::json::{Value, json};
use jiff::Timestamp;

use crate::object::members;

/// `"true"`: the workload is paused.
pub const PAUSED: &str = "loft.sh/paused";
/// How many replicas it had.
pub const PAUSED_REPLICAS: &str = "loft.sh/paused-replicas";
/// When it was paused, RFC 3339.
pub const PAUSED_DATE: &str = "loft.sh/paused-date";
/// The [`PAUSED_DATE`] of a workload that fell asleep by itself. With another date, or none, a person paused it: nobody
/// who resumes or pauses has to know of this annotation.
pub const ASLEEP_SINCE: &str = "vcluster.loft.sh/asleep-since";

/// How a workload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has replicas.
    Awake,
    /// It fell asleep by itself, then.
    Asleep(Timestamp),
    /// A person paused it, or scaled it to nothing.
    Paused,
}

impl State {
    /// The state of a StatefulSet.
    #[must_use]
    pub fn of(workload: &Value) -> State {
        if workload.pointer("/spec/replicas").and_then(Value::as_i64) != Some(0) {
            return State::Awake;
        }
        let date = annotation(workload, PAUSED_DATE).and_then(|date| date.parse().ok());
        let own = annotation(workload, ASLEEP_SINCE) == annotation(workload, PAUSED_DATE);
        match date {
            Some(date) if own && annotation(workload, PAUSED) == Some("true") => {
                State::Asleep(date)
            }
            _ => State::Paused,
        }
    }
}

/// The merge patch that puts a workload to sleep. None: it has no replicas already.
#[must_use]
pub fn fall_asleep(workload: &Value, now: Timestamp) -> Option<Value> {
    let replicas = workload.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    if replicas == 0 {
        return None;
    }
    let now =
        jiff::fmt::temporal::DateTimePrinter::new().precision(Some(0)).timestamp_to_string(&now);
    Some(json!({
        "metadata": {
            "resourceVersion": workload.pointer("/metadata/resourceVersion"),
            "annotations": {
                PAUSED: "true",
                PAUSED_REPLICAS: replicas.to_string(),
                PAUSED_DATE: &now,
                ASLEEP_SINCE: now,
            },
        },
        "spec": { "replicas": 0 },
    }))
}

/// The merge patch that gives a sleeper its replicas back, or takes the marks off one that somebody else has given
/// replicas. None: it does not sleep, or a person paused it.
#[must_use]
pub fn wake_up(workload: &Value) -> Option<Value> {
    annotation(workload, ASLEEP_SINCE)?;
    let mut patch = json!({
        "metadata": {
            "resourceVersion": workload.pointer("/metadata/resourceVersion"),
            "annotations": { ASLEEP_SINCE: null },
        },
    });
    let own = annotation(workload, ASLEEP_SINCE) == annotation(workload, PAUSED_DATE);
    match State::of(workload) {
        State::Paused => return None,
        State::Awake if !own => return Some(patch),
        State::Awake => {}
        State::Asleep(_) => {
            let noted =
                annotation(workload, PAUSED_REPLICAS).and_then(|text| text.parse::<i32>().ok());
            let replicas = noted.filter(|replicas| *replicas > 0).unwrap_or(1);
            members(&mut patch).insert("spec".to_owned(), json!({ "replicas": replicas }));
        }
    }
    if let Some(annotations) = patch.pointer_mut("/metadata/annotations") {
        let gone = [PAUSED, PAUSED_REPLICAS, PAUSED_DATE];
        members(annotations).extend(gone.map(|key| (key.to_owned(), Value::Null)));
    }
    Some(patch)
}

fn annotation<'a>(workload: &'a Value, key: &str) -> Option<&'a str> {
    workload.pointer("/metadata/annotations")?.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "2026-08-01T20:00:00Z";

    fn workload(replicas: i64, annotations: Value) -> Value {
        json!({
            "metadata": { "resourceVersion": "7", "annotations": annotations },
            "spec": { "replicas": replicas },
        })
    }

    /// What a merge patch makes of an object.
    fn merged(mut object: Value, patch: &Value) -> Value {
        fn merge(into: &mut Value, patch: &Value) {
            let (Value::Object(into), Value::Object(patch)) = (into, patch) else { return };
            for (key, value) in patch {
                match (into.get_mut(key), value) {
                    (_, Value::Null) => drop(into.remove(key)),
                    (Some(below), Value::Object(_)) => merge(below, value),
                    _ => drop(into.insert(key.clone(), value.clone())),
                }
            }
        }
        merge(&mut object, patch);
        object
    }

    #[test]
    fn what_fell_asleep_wakes_as_it_was() {
        let awake = workload(3, json!({ "other": "stays" }));
        assert_eq!(State::of(&awake), State::Awake);
        let patch = fall_asleep(&awake, "2026-08-01T20:00:00.5Z".parse().unwrap()).unwrap();
        let asleep = merged(awake.clone(), &patch);
        assert_eq!(State::of(&asleep), State::Asleep(DATE.parse().unwrap()));
        assert_eq!(asleep["metadata"]["annotations"][PAUSED_REPLICAS], "3");
        assert_eq!(fall_asleep(&asleep, DATE.parse().unwrap()), None);
        assert_eq!(merged(asleep.clone(), &wake_up(&asleep).unwrap()), awake);
        assert_eq!(wake_up(&awake), None);
    }

    #[test]
    fn what_a_person_paused_nobody_else_wakes() {
        let by_hand = json!({ PAUSED: "true", PAUSED_REPLICAS: "1", PAUSED_DATE: DATE });
        // The mark of an earlier sleep, which `vcluster resume` does not know.
        let mut later = by_hand.clone();
        later[ASLEEP_SINCE] = "2026-07-01T20:00:00Z".into();
        for annotations in [by_hand, later, json!({})] {
            let paused = workload(0, annotations);
            assert_eq!(State::of(&paused), State::Paused, "{paused}");
            assert_eq!(wake_up(&paused), None, "{paused}");
        }
    }

    #[test]
    fn what_somebody_else_woke_loses_the_marks() {
        let asleep = json!({
            PAUSED: "true", PAUSED_REPLICAS: "3", PAUSED_DATE: DATE, ASLEEP_SINCE: DATE,
        });
        // `helm upgrade` gives it the chart's replicas and leaves annotations alone.
        let upgraded = workload(1, asleep);
        assert_eq!(merged(upgraded.clone(), &wake_up(&upgraded).unwrap()), workload(1, json!({})));
        let resumed = workload(1, json!({ ASLEEP_SINCE: DATE }));
        assert_eq!(merged(resumed.clone(), &wake_up(&resumed).unwrap()), workload(1, json!({})));
    }
}
