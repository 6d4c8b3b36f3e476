//! What a Lease says and what may be written next. No IO; the clock is handed in.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use tokio::time::Instant;
use vcluster_syncer_core::json::{Value, json};

/// The lease as last seen, and since when it has looked like this.
#[derive(Default)]
pub(super) struct Seen {
    lease: Option<Lease>,
    changed: Option<Instant>,
}

/// Whose a lease is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is none yet.
    Absent,
    /// Ours already.
    Mine,
    /// Nobody's, or its holder has been silent for too long.
    Free,
    /// Somebody else's.
    Held,
}

impl Seen {
    /// Takes note of what a request returned.
    pub(super) fn look(&mut self, lease: Option<Lease>, now: Instant) {
        let version = |lease: &Option<Lease>| {
            lease.as_ref().and_then(|lease| {
                Some((lease.metadata.uid.clone()?, lease.metadata.resource_version.clone()?))
            })
        };
        if self.changed.is_none() || version(&self.lease) != version(&lease) {
            self.changed = Some(now);
        }
        self.lease = lease;
    }

    /// Whose the lease is for `me`. `duration` counts where the record has none.
    pub(super) fn standing(&self, me: &str, duration: Duration, now: Instant) -> Standing {
        let Some(lease) = &self.lease else { return Standing::Absent };
        let Some(spec) = &lease.spec else { return Standing::Free };
        match spec.holder_identity.as_deref() {
            None | Some("") => return Standing::Free,
            Some(holder) if holder == me => return Standing::Mine,
            Some(_) => {}
        }
        match self.ends(duration) {
            Some(end) if end <= now => Standing::Free,
            _ => Standing::Held,
        }
    }

    /// Who holds it. `duration` counts where the record has none.
    pub(super) fn leader(&self, duration: Duration, now: Instant) -> Option<&str> {
        let holder = self.lease.as_ref()?.spec.as_ref()?.holder_identity.as_deref()?;
        (!holder.is_empty() && self.ends(duration)? > now).then_some(holder)
    }

    /// When its holder loses it, unless the record changes. `duration` counts where the record has none.
    pub(super) fn ends(&self, duration: Duration) -> Option<Instant> {
        let spec = self.lease.as_ref()?.spec.as_ref()?;
        let valid = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(duration, Duration::from_secs);
        Some(self.changed? + valid)
    }

    /// A patch that says "still here"; none before the lease was seen.
    pub(super) fn renewal(&self, me: &str) -> Option<Value> {
        self.patch(json!({ "holderIdentity": me, "renewTime": now() }))
    }

    /// A patch that makes the lease ours.
    pub(super) fn takeover(&self, me: &str, duration: Duration) -> Option<Value> {
        let transitions = self
            .lease
            .as_ref()
            .and_then(|lease| lease.spec.as_ref()?.lease_transitions)
            .unwrap_or(0)
            .saturating_add(1);
        self.patch(json!({
            "holderIdentity": me,
            "leaseDurationSeconds": seconds(duration),
            "acquireTime": now(),
            "renewTime": now(),
            "leaseTransitions": transitions,
        }))
    }

    /// A patch that gives it back.
    pub(super) fn release(&self) -> Option<Value> {
        self.patch(json!({ "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now() }))
    }

    /// Every write names the version it changes: of two that take a free lease, one gets 409.
    fn patch(&self, spec: Value) -> Option<Value> {
        let metadata = &self.lease.as_ref()?.metadata;
        let version = metadata.resource_version.as_ref()?;
        Some(json!({ "metadata": { "resourceVersion": version }, "spec": spec }))
    }
}

/// A lease that does not exist yet, and goes with its owner.
pub(super) fn first(
    name: &str,
    owner: Option<&OwnerReference>,
    me: &str,
    duration: Duration,
) -> Lease {
    Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            owner_references: owner.map(|owner| vec![owner.clone()]),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(me.to_owned()),
            lease_duration_seconds: Some(seconds(duration)),
            acquire_time: Some(MicroTime(Timestamp::now())),
            renew_time: Some(MicroTime(Timestamp::now())),
            lease_transitions: Some(0),
            ..LeaseSpec::default()
        }),
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX).max(1)
}

/// Only for people to read; see the module's text about time.
fn now() -> Value {
    Value::of(&MicroTime(Timestamp::now())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURATION: Duration = Duration::from_secs(60);

    fn lease(holder: &str, version: &str) -> Lease {
        let mut lease = first("l", None, holder, DURATION);
        lease.metadata.uid = Some("u".to_owned());
        lease.metadata.resource_version = Some(version.to_owned());
        lease
    }

    #[test]
    fn a_silent_holder_loses_it_after_the_duration_that_we_observed() {
        let start = Instant::now();
        let mut seen = Seen::default();
        seen.look(Some(lease("other", "1")), start);
        assert_eq!(seen.standing("me", DURATION, start + DURATION / 2), Standing::Held);
        seen.look(Some(lease("other", "1")), start + DURATION / 2);
        assert_eq!(seen.standing("me", DURATION, start + DURATION), Standing::Free);
    }

    #[test]
    fn a_renewal_starts_the_time_again_whatever_its_clock_says() {
        let start = Instant::now();
        let mut seen = Seen::default();
        seen.look(Some(lease("other", "1")), start);
        let mut renewed = lease("other", "2");
        if let Some(spec) = &mut renewed.spec {
            spec.renew_time = Some(MicroTime(Timestamp::UNIX_EPOCH));
        }
        seen.look(Some(renewed), start + DURATION / 2);
        assert_eq!(seen.standing("me", DURATION, start + DURATION), Standing::Held);
    }

    #[test]
    fn who_holds_it_decides() {
        let start = Instant::now();
        let mut seen = Seen::default();
        seen.look(None, start);
        assert_eq!(seen.standing("me", DURATION, start), Standing::Absent);
        seen.look(Some(lease("me", "1")), start);
        assert_eq!(seen.standing("me", DURATION, start), Standing::Mine);
        seen.look(Some(lease("", "2")), start);
        assert_eq!(seen.standing("me", DURATION, start), Standing::Free);
        seen.look(Some(Lease::default()), start);
        assert_eq!(seen.standing("me", DURATION, start), Standing::Free);
    }

    #[test]
    fn nobody_leads_when_nobody_holds_it_any_more() {
        let start = Instant::now();
        let mut seen = Seen::default();
        assert_eq!(seen.leader(DURATION, start), None);
        seen.look(Some(lease("", "1")), start);
        assert_eq!(seen.leader(DURATION, start), None);
        seen.look(Some(lease("other", "2")), start);
        assert_eq!(seen.leader(DURATION, start + DURATION / 2), Some("other"));
        assert_eq!(seen.leader(DURATION, start + DURATION), None);
    }

    #[test]
    fn every_write_names_the_version_and_a_takeover_counts() {
        let mut seen = Seen::default();
        assert_eq!(seen.renewal("me"), None);
        seen.look(Some(lease("other", "7")), Instant::now());
        let taken = seen.takeover("me", DURATION).unwrap();
        assert_eq!(taken["metadata"]["resourceVersion"], "7");
        assert_eq!(taken["spec"]["leaseTransitions"], 1);
        assert_eq!(taken["spec"]["leaseDurationSeconds"], 60);
        for patch in [seen.renewal("me").unwrap(), seen.release().unwrap()] {
            assert_eq!(patch["metadata"]["resourceVersion"], "7");
            assert!(patch["spec"]["renewTime"].as_str().unwrap().ends_with('Z'));
        }
    }
}
