//! The engine: watches both clusters, queues what changed, has it decided by `core`, and writes.
//!
//! ```text
//!  watch ─► store ─► queue ─► dispatch ─► core::Mirror::plan ─► apply ─► store
//!                      ▲                                                   │
//!                      └─────────────── what it concerns ──────────────────┘
//! ```
//!
//! Its one public door is [`Engine`].

mod absences;
pub mod api;
pub mod apply;
mod concerns;
mod dispatch;
mod echoes;
mod flights;
mod gate;
mod host_events;
mod hot;
mod lookups;
mod node_use;
mod notes;
mod outcome;
mod owners;
mod packed;
mod parse;
mod queue;
mod references;
mod rollback;
mod session;
pub mod sources;
pub mod state;
mod store;
mod view;
mod watch;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch as latest};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::resource::PODS;
use vcluster_syncer_core::{Host, Key, Mirror, Object, Resource, Settings, Side, Virtual};

use self::api::{Api, ApiError};
use self::gate::Gate;
use self::host_events::HostEvents;
use self::notes::Notes;
use self::queue::PlanKey;
use self::rollback::Reached;
use self::state::State;
use self::watch::Source;
use crate::admin::{Check, Gate as Probe, Health, Metrics};

/// How often the engine looks whether it has caught up at start.
const CATCHING_UP: Duration = Duration::from_millis(20);
/// In a busy virtual cluster the queue may never be empty; after this time it counts as caught up.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(15);

/// The running engine.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

/// What the engine's tasks share.
pub struct Shared {
    state: Mutex<State>,
    virt: Api,
    host: Api,
    gate: Gate,
    reached: Reached,
    notes: Notes,
    events: HostEvents,
    /// Metrics.
    pub metrics: Metrics,
    wake: Notify,
    /// Counts changes of virtual nodes and host Services, for those who follow them.
    changes: latest::Sender<u64>,
    /// Whether this replica writes. The caches of the others are filled too, so that a new leader starts at once.
    leading: latest::Receiver<bool>,
    round: latest::Sender<Round>,
    virtual_check: Check,
    host_check: Check,
}

/// From empty caches to a decision that has everything looked at afresh; as a rule there is one round.
#[derive(Clone, Debug)]
struct Round {
    number: u64,
    /// Sources whose first list is not in yet.
    unlisted: BTreeSet<String>,
}

impl Engine {
    /// Starts to mirror, as soon as all first lists are in.
    ///
    /// `settings` and both APIs belong to one virtual cluster; `kinds` are the ones that its configuration turns on.
    /// Only while `leading` holds `true` anything is written.
    #[expect(clippy::too_many_arguments, reason = "called once, by the wiring")]
    pub fn start(
        settings: Settings,
        kinds: Vec<Box<dyn Mirror>>,
        virt: Api,
        host: Api,
        health: &Health,
        metrics: Metrics,
        leading: latest::Receiver<bool>,
        stop: CancellationToken,
    ) -> Engine {
        let sources = sources::all(&settings, &kinds);
        let names: BTreeSet<String> = sources.iter().map(Source::name).collect();
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(settings, kinds)),
            notes: Notes::start(virt.clone()),
            events: HostEvents::default(),
            reached: Reached::default(),
            gate: Gate::new(health.register("store", Probe::Ready)),
            virtual_check: health.register("virtual-api", Probe::Ready),
            host_check: health.register("host-api", Probe::Ready),
            virt,
            host,
            metrics,
            wake: Notify::new(),
            changes: latest::Sender::new(0),
            leading,
            round: latest::Sender::new(Round { number: 0, unlisted: names.clone() }),
        });
        for source in sources {
            let watching = watch::run(Arc::clone(&shared), source);
            tokio::spawn(stopped_by(stop.clone(), watching));
        }
        tokio::spawn(stopped_by(stop.clone(), host_events::run(Arc::clone(&shared))));
        tokio::spawn(stopped_by(stop.clone(), mirror_in_rounds(Arc::clone(&shared), names)));
        tokio::spawn(stopped_by(stop.clone(), wake_the_leader(Arc::clone(&shared))));
        let tasks = TaskTracker::new();
        tasks.spawn(dispatch::run(Arc::clone(&shared), stop));
        tasks.close();
        Engine { shared, tasks }
    }

    /// After the engine was told to stop: waits until the writes that are under way have ended.
    pub async fn finish(&self) {
        self.tasks.wait().await;
    }

    /// Waits until the caches are filled for the first time.
    pub async fn knows_all(&self) {
        let mut round = self.shared.round.subscribe();
        // Fails only when the sender is gone, with the engine.
        let _gone = round.wait_for(|round| round.unlisted.is_empty()).await;
    }

    /// The host twin of a virtual pod, for those who pass streams through to it.
    pub fn host_pod(&self, pod: &Virtual<Key>) -> Option<Host<Object>> {
        let state = self.shared.state();
        let key = PlanKey { kind: state.kind_of(&PODS)?, key: pod.clone() };
        state.view(&key)?.host().cloned()
    }

    /// A virtual object as the cache has it.
    pub fn virtual_object(
        &self,
        kind: &'static Resource,
        key: &Virtual<Key>,
    ) -> Option<Virtual<Object>> {
        self.shared.state().store(Side::Virtual, kind)?.get(key).map(Virtual)
    }

    /// The virtual objects of a resource in a namespace (empty: without one), as the cache has them.
    pub fn virtual_objects(
        &self,
        kind: &'static Resource,
        namespace: &str,
    ) -> Vec<Virtual<Object>> {
        let state = self.shared.state();
        let Some(store) = state.store(Side::Virtual, kind) else { return Vec::new() };
        store.in_namespace(namespace).map(Virtual).collect()
    }

    /// All host objects of a resource that belong to virtual objects of one kind.
    pub fn host_objects(
        &self,
        host_kind: &'static Resource,
        of: &'static Resource,
    ) -> Vec<Host<Object>> {
        self.shared.state().all_owned(host_kind, of)
    }

    /// Follows virtual nodes and host Services: the value changes with them.
    pub fn node_changes(&self) -> latest::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Sizes of the caches, for `/metrics`.
    pub fn store_sizes(&self) -> Vec<(&'static str, Side, usize)> {
        let state = self.shared.state();
        state.stores().map(|((side, kind), store)| (kind.plural, *side, store.len())).collect()
    }

    /// How many keys of each kind wait or are under way, for `/metrics`.
    pub fn queue_depths(&self) -> Vec<(&'static str, usize)> {
        let state = self.shared.state();
        let depths = state.queue.depths();
        let kinds = (0u8..).zip(&state.kinds);
        kinds
            .map(|(index, kind)| {
                (kind.kind().plural, depths.get(&index).copied().unwrap_or_default())
            })
            .collect()
    }

    /// What is going on, for `/debug/state`.
    pub fn debug_state(&self) -> Value {
        let state = self.shared.state();
        let stores = state.stores().map(|((side, kind), store)| {
            json!({"side": side.to_string(), "kind": kind.plural, "objects": store.len()})
        });
        json!({
            "queue": state.queue.under_way(),
            "readOnly": self.shared.gate.reason(),
            "unlisted": &self.shared.round.borrow().unlisted,
            "untoldEvents": self.shared.events.waiting(),
            "stores": stores.collect::<Vec<_>>(),
        })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held would have ended the process: release builds abort.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn api(&self, side: Side) -> &Api {
        match side {
            Side::Virtual => &self.virt,
            Side::Host => &self.host,
        }
    }

    /// Something changed: whoever waits for work looks again.
    fn wake(&self) {
        self.wake.notify_one();
        let now = self.state().node_changes;
        self.changes.send_if_modified(|seen| std::mem::replace(seen, now) != now);
    }

    /// Whether anything may be written now.
    fn may_write(&self) -> bool {
        self.gate.is_open() && *self.leading.borrow()
    }

    fn woken(&self) -> impl Future<Output = ()> + '_ {
        self.wake.notified()
    }

    fn round(&self) -> u64 {
        self.round.borrow().number
    }

    /// A list is in that was asked for in this round.
    fn listed(&self, source: &Source, round: u64) {
        self.reachable(source.side);
        let name = source.name();
        self.round.send_if_modified(|now| now.number == round && now.unlisted.remove(&name));
        self.wake();
    }

    /// Waits until all first lists of the host are in.
    async fn host_listed(&self) {
        let mut round = self.round.subscribe();
        let host = Side::Host.to_string();
        // Fails only when the sender is gone, with the engine.
        let _gone = round
            .wait_for(|round| !round.unlisted.iter().any(|name| name.starts_with(&host)))
            .await;
    }

    /// Forgets everything, and lists it again: as at start, but logs and exec go on.
    fn begin_afresh(&self, sources: &BTreeSet<String>) {
        self.state().forget();
        self.round.send_modify(|round| {
            *round = Round { number: round.number.wrapping_add(1), unlisted: sources.clone() };
        });
    }

    fn reachable(&self, side: Side) {
        match side {
            Side::Virtual => self.virtual_check.ok(),
            Side::Host => self.host_check.ok(),
        }
    }

    fn unreachable(&self, side: Side, error: &ApiError) {
        match side {
            Side::Virtual => self.virtual_check.failing(error.to_string()),
            Side::Host => self.host_check.failing(error.to_string()),
        }
    }
}

/// Each round begins with empty caches, and ends when someone has decided about a store that is not the one it was.
async fn mirror_in_rounds(shared: Arc<Shared>, sources: BTreeSet<String>) {
    loop {
        open_when_listed(&shared).await;
        shared.decided().await;
        tracing::info!("someone decided about the store, everything is looked at afresh");
        shared.begin_afresh(&sources);
    }
}

async fn open_when_listed(shared: &Shared) {
    let mut round = shared.round.subscribe();
    if round.wait_for(|round| round.unlisted.is_empty()).await.is_ok() {
        shared.gate.open(shared.round());
        shared.wake();
        tracing::info!("all caches are filled, mirroring begins");
        // Until what changed while nobody looked is caught up with, statuses inside are those of the past.
        let enough = Instant::now() + CAUGHT_UP_WITHIN;
        while shared.may_write() && shared.state().queue.under_way() > 0 && Instant::now() < enough
        {
            tokio::time::sleep(CATCHING_UP).await;
        }
        shared.gate.ready();
    }
}

async fn wake_the_leader(shared: Arc<Shared>) {
    let mut leading = shared.leading.clone();
    while leading.changed().await.is_ok() {
        shared.wake();
    }
}

async fn stopped_by(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}
