//! Leader election over a `coordination.k8s.io` Lease of the host, for virtual clusters with more than one replica.
//!
//! A lease is not a fence: two syncers may believe they lead for a moment (a paused process), and every write carries
//! preconditions for that. The lease only saves the work of doing everything twice. With one replica there is no lease at
//! all, so that an idle virtual cluster writes nothing.
//!
//! Times are observed, not read: a holder is gone when *we* have not seen its record change for a whole lease duration by
//! our own steady clock. Wrong clocks on either side cannot make two leaders.

mod record;

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, Patch, PatchParams, PostParams};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use vcluster_syncer_core::json::Value;

use record::{Seen, Standing};
use vcluster_syncer_core::Rule;

/// What an election takes of the host. A right to create cannot be one to create something of a certain name.
pub const RULES: &[Rule] = &[Rule {
    group: "coordination.k8s.io",
    resources: &["leases"],
    verbs: &["create"],
    in_admin: true,
}];

/// And what it takes on the Lease of [that name](lease_name) only.
pub const OWN_RULES: &[Rule] = &[Rule {
    group: "coordination.k8s.io",
    resources: &["leases"],
    verbs: &["get", "patch"],
    in_admin: true,
}];

/// How long things take. The default is upstream's 60/40/15 s, except that followers look more often: a look is a read,
/// and a leader that stops in order hands over within one.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// A record that has not changed for this long has no holder any more.
    pub duration: Duration,
    /// A leader that could not renew for this long stops leading. Less than `duration`.
    pub renew_within: Duration,
    /// Between two renewals.
    pub renew_every: Duration,
    /// Between two looks of a follower, and before a failed request is tried again.
    pub look_every: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            duration: Duration::from_secs(60),
            renew_within: Duration::from_secs(40),
            renew_every: Duration::from_secs(15),
            look_every: Duration::from_secs(5),
        }
    }
}

/// The name of the Lease of a virtual cluster, upstream's.
pub fn lease_name(virtual_cluster: &str) -> String {
    format!("vcluster-{virtual_cluster}-controller")
}

/// A request that takes longer was sent into the void: the next one uses a new connection.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);

/// Between two looks at a lease that ought to be free.
const SOONEST: Duration = Duration::from_millis(50);

/// What a replica knows of an election.
pub struct Standings {
    /// Whether it leads itself.
    pub leading: watch::Receiver<bool>,
    /// The identity of who leads, or why nobody is known to.
    pub leader: watch::Receiver<Result<String, String>>,
}

/// Takes part in an election.
pub struct Election {
    leases: Api<Lease>,
    name: String,
    owner: Option<OwnerReference>,
    identity: String,
    timing: Timing,
}

impl Election {
    /// An election on the host Lease `name` in `namespace`. `identity` must differ between replicas and should change
    /// with the pod: `POD-NAME_POD-UID`.
    pub fn new(
        host: kube::Client,
        namespace: &str,
        name: &str,
        identity: &str,
        timing: Timing,
    ) -> Self {
        Election {
            leases: Api::namespaced(host, namespace),
            name: name.to_owned(),
            owner: None,
            identity: identity.to_owned(),
            timing,
        }
    }

    /// A lease that is made now goes with this object of its namespace.
    #[must_use]
    pub fn owned_by(self, owner: OwnerReference) -> Self {
        Election { owner: Some(owner), ..self }
    }

    /// The future runs until `stop` fires, then gives the lease back. Whether this process leads turns `false` before
    /// anybody else can become leader. Who lost the lease stays a follower and may win again.
    ///
    /// Who is not `fit` to lead only looks on, and gives back what it has.
    pub fn start(
        self,
        mut fit: watch::Receiver<bool>,
        stop: CancellationToken,
    ) -> (Standings, impl Future<Output = ()> + Send) {
        let (leading, told) = watch::channel(false);
        let (leader, known) = watch::channel(Err("nobody has looked yet".to_owned()));
        (Standings { leading: told, leader: known }, async move {
            let mut seen = Seen::default();
            let campaign = self.campaign(&leading, &leader, &mut fit, &mut seen);
            let led = stop.run_until_cancelled(campaign).await;
            debug_assert!(led.is_none(), "a campaign has no end of its own");
            let led = *leading.borrow();
            self.tell(&leading, false);
            if led {
                self.give_back(&seen).await;
            }
        })
    }

    async fn campaign(
        &self,
        leading: &watch::Sender<bool>,
        leader: &watch::Sender<Result<String, String>>,
        fit: &mut watch::Receiver<bool>,
        seen: &mut Seen,
    ) {
        // When the request of the last successful renewal was sent: others cannot have seen it earlier.
        let mut renewed: Option<Instant> = None;
        loop {
            let able = *fit.borrow();
            if !able {
                self.tell(leading, false);
                if renewed.take().is_some() {
                    self.give_back(seen).await;
                }
            }
            let began = Instant::now();
            // Who waits for an answer longer than a leader may finds out too late that nobody leads.
            let mut limit = began + REQUEST_WITHIN.min(self.timing.renew_within);
            if let Some(at) = renewed {
                limit = limit.min(at + self.timing.renew_within);
            }
            let mut next = began + self.timing.look_every;
            let mut trouble = None;
            match timeout_at(limit, self.round(seen, renewed.is_some(), able)).await {
                Ok(Ok(true)) => {
                    renewed = Some(began);
                    next = began + self.timing.renew_every;
                }
                Ok(Ok(false)) => {
                    renewed = None;
                    // Not a look later than that: meanwhile nobody leads.
                    if able && let Some(at) = seen.ends(self.timing.duration) {
                        next = next.min(at.max(began + SOONEST));
                    }
                }
                Ok(Err(error)) => {
                    trouble = Some(error.to_string());
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(lease = self.name, error, "lease request failed");
                }
                Err(_) => {
                    trouble = Some("the host does not answer".to_owned());
                    tracing::warn!(lease = self.name, "lease request took too long");
                }
            }
            let known = seen.leader(self.timing.duration, Instant::now()).map(str::to_owned);
            let known = known.ok_or_else(|| {
                let why = trouble
                    .as_deref()
                    .unwrap_or("it is free for the first replica that is able to lead");
                format!("nobody holds Lease {}: {why}", self.name)
            });
            leader.send_if_modified(|told| std::mem::replace(told, known.clone()) != known);
            if let Some(at) = renewed {
                let deadline = at + self.timing.renew_within;
                if deadline <= Instant::now() {
                    renewed = None;
                }
                next = next.min(deadline);
            }
            self.tell(leading, renewed.is_some());
            tokio::select! {
                () = sleep_until(next) => {}
                Ok(_) = fit.wait_for(|fit| *fit != able) => {}
            }
        }
    }

    /// Renews, takes or only looks at the lease; true when it is ours now. Who is not able to lead looks too: otherwise it
    /// would wait for a silent leader from the moment on at which it is.
    async fn round(&self, seen: &mut Seen, leads: bool, able: bool) -> Result<bool, kube::Error> {
        let duration = self.timing.duration;
        let free = seen.standing(&self.identity, duration, Instant::now()) == Standing::Free;
        // What was seen last is enough to try: a write names the version that it changes.
        let change = match (leads, able && free) {
            (true, _) => seen.renewal(&self.identity),
            (false, true) => seen.takeover(&self.identity, duration),
            (false, false) => None,
        };
        if let Some(change) = change {
            match self.patch(&change).await {
                Ok(lease) => {
                    seen.look(Some(lease), Instant::now());
                    return Ok(true);
                }
                // Somebody wrote it: look who.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                Err(error) => return Err(error),
            }
        }
        seen.look(self.leases.get_opt(&self.name).await?, Instant::now());
        if !able {
            return Ok(false);
        }
        let change = match seen.standing(&self.identity, duration, Instant::now()) {
            Standing::Held => return Ok(false),
            Standing::Absent => None,
            Standing::Mine => seen.renewal(&self.identity),
            Standing::Free => seen.takeover(&self.identity, duration),
        };
        let written = match change {
            Some(change) => self.patch(&change).await,
            None => {
                let lease =
                    record::first(&self.name, self.owner.as_ref(), &self.identity, duration);
                self.leases.create(&PostParams::default(), &lease).await
            }
        };
        match written {
            Ok(lease) => {
                seen.look(Some(lease), Instant::now());
                Ok(true)
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                tracing::debug!(lease = self.name, "another replica was faster");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn patch(&self, change: &Value) -> Result<Lease, kube::Error> {
        self.leases.patch(&self.name, &PatchParams::default(), &Patch::Merge(change)).await
    }

    fn tell(&self, leading: &watch::Sender<bool>, leads: bool) {
        if leading.send_replace(leads) != leads {
            tracing::info!(
                lease = self.name,
                identity = self.identity,
                leads,
                "leadership changed"
            );
        }
    }

    async fn give_back(&self, seen: &Seen) {
        let Some(release) = seen.release() else { return };
        // The others find out by themselves, only later: no reason to hold up the exit.
        match tokio::time::timeout(Duration::from_secs(2), self.patch(&release)).await {
            Ok(Ok(_)) => tracing::info!(lease = self.name, "lease given back"),
            Ok(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(lease = self.name, error, "lease could not be given back");
            }
            Err(_) => tracing::debug!(lease = self.name, "giving the lease back took too long"),
        }
    }
}

#[cfg(test)]
mod tests;
