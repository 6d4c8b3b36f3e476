//! What helm's own records say about a release. Read from their labels: the records themselves stay untouched.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, ListParams, Preconditions};

use tokio::time::Instant;

use crate::error::{Kind, Result};
use crate::host::{Host, within};
use crate::ui::Step;

/// A helm that has been silent for so long died.
const DEAD_AFTER: Duration = Duration::from_secs(60);

/// The newest revision of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Label `status`: `deployed`, `failed`, `pending-install` ...
    pub status: String,
    /// Its number.
    pub number: u64,
    /// Name and UID of the record.
    pub record: (String, String),
    /// Seconds since it was last touched.
    pub idle_seconds: i64,
    /// Record of the newest revision that helm finished: this one, or one before it.
    pub finished: Option<String>,
}

impl Revision {
    /// Helm wrote this before it was stopped, or is writing it.
    pub fn pending(&self) -> bool {
        self.status.starts_with("pending") || self.status == "uninstalling"
    }

    /// The record that the next change builds on.
    pub fn base(&self) -> &str {
        self.finished.as_deref().unwrap_or(&self.record.0)
    }

    /// The helm that wrote it is surely gone.
    pub fn abandoned(&self) -> bool {
        self.pending() && self.idle_seconds > DEAD_AFTER.as_secs().cast_signed()
    }
}

async fn newest(host: &Host, name: &str, namespace: &str) -> Result<Option<Revision>> {
    let secrets: Api<Secret> = host.api(namespace);
    let selector = ListParams::default().labels(&format!("owner=helm,name={name}"));
    let request = secrets.list_metadata(&selector);
    let list = within(format!("list helm releases in namespace {namespace}"), request).await?;
    let now = Timestamp::now();
    Ok(newest_of(list.items.into_iter().filter_map(|item| revision(item.metadata, now)).collect()))
}

/// The newest, and what it knows of those before it. Helm leaves `deployed` on the last one that it finished.
fn newest_of(mut revisions: Vec<Revision>) -> Option<Revision> {
    revisions.sort_by_key(|it| it.number);
    let finished = revisions.iter().rfind(|it| it.status == "deployed");
    let finished = finished.map(|it| it.record.0.clone());
    revisions.pop().map(|newest| Revision { finished, ..newest })
}

/// Reads the newest revision, once whoever writes it has finished or has been silent for too long to be alive.
///
/// # Errors
/// When the host refuses.
pub async fn settled(
    host: &Host,
    name: &str,
    namespace: &str,
    step: &mut Step,
) -> Result<Option<Revision>> {
    // By the own clock too: the host's may be ahead.
    let end = Instant::now() + DEAD_AFTER;
    loop {
        let revision = newest(host, name, namespace).await?;
        match &revision {
            Some(revision)
                if revision.pending() && !revision.abandoned() && Instant::now() < end =>
            {
                step.note(format!("helm noted {} and may still be at it", revision.status));
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            _ => return Ok(revision),
        }
    }
}

/// Removes the record of a revision that was never finished, so that helm takes the release up again.
///
/// # Errors
/// When the host refuses.
pub async fn forget(host: &Host, namespace: &str, revision: &Revision) -> Result<()> {
    let secrets: Api<Secret> = host.api(namespace);
    let (name, uid) = &revision.record;
    let only = DeleteParams::default()
        .preconditions(Preconditions { uid: Some(uid.clone()), resource_version: None });
    match within(format!("remove the unfinished helm record {name}"), secrets.delete(name, &only))
        .await
    {
        Err(error) if error.kind != Kind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn revision(metadata: ObjectMeta, now: Timestamp) -> Option<Revision> {
    let labels = metadata.labels?;
    // Helm notes the time of its last write here; the record's own time stands in for it.
    let modified = labels.get("modifiedAt").and_then(|text| text.parse::<i64>().ok());
    let touched = modified.or_else(|| metadata.creation_timestamp.map(|time| time.0.as_second()));
    Some(Revision {
        status: labels.get("status")?.clone(),
        number: labels.get("version")?.parse().ok()?,
        record: (metadata.name?, metadata.uid?),
        idle_seconds: touched.map_or(i64::MAX, |touched| now.as_second() - touched),
        finished: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_are_read_by_their_labels() {
        let now: Timestamp = "2026-08-01T10:01:30Z".parse().unwrap();
        let record = |status: &str| {
            let metadata = json!({
                "name": "sh.helm.release.v1.a.v3", "uid": "u", "creationTimestamp": "2026-08-01T10:00:00Z",
                "labels": { "owner": "helm", "name": "a", "status": status, "version": "3" },
            });
            revision(serde_json::from_value(metadata).unwrap(), now).unwrap()
        };
        assert_eq!((record("deployed").number, record("deployed").idle_seconds), (3, 90));
        assert!(!record("deployed").pending() && !record("failed").pending());
        assert!(record("pending-install").abandoned() && record("pending-upgrade").abandoned());
    }

    #[test]
    fn the_newest_knows_the_last_one_that_was_finished() {
        let revision = |number: u64, status: &str| Revision {
            status: status.into(),
            number,
            record: (format!("v{number}"), "u".into()),
            idle_seconds: 0,
            finished: None,
        };
        let newest = |statuses: &[&str]| {
            let all = (1..).zip(statuses).map(|(number, status)| revision(number, status));
            let newest = newest_of(all.collect()).unwrap();
            (newest.number, newest.finished)
        };
        assert_eq!(newest(&["deployed"]), (1, Some("v1".into())));
        assert_eq!(newest(&["superseded", "deployed", "failed", "failed"]), (4, Some("v2".into())));
        assert_eq!(newest(&["failed", "pending-upgrade"]), (2, None));
    }
}
