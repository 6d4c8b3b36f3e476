//! Takes keys from the queue, has them decided, and sends the writes on their way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use vcluster_syncer_core::{Act, Key, NotNow, Note, Op, Plan, Resource, Side, kept};

use super::Shared;
use super::api::ApiError;
use super::apply;
use super::flights::{Flights, Place};
use super::outcome::{self, Next};
use super::queue::PlanKey;
use super::session::Session;
use super::state::State;

/// When a host name that somebody else has is looked at again.
const TAKEN_AGAIN: Duration = Duration::from_secs(30);

/// How long writes under way may take to end when the syncer does.
const LANDED_WITHIN: Duration = Duration::from_secs(5);

/// After so long without anything to do, objects are folded.
const QUIET: Duration = Duration::from_secs(1);

/// What a decision leads to.
enum Job {
    /// Carry out these writes.
    Write(Plan),
    /// Read an object past the cache first.
    Read(Side, &'static Resource, Key),
}

/// A key, what is to be done about it, and since when it is due.
struct Flight {
    key: PlanKey,
    job: Job,
    since: Instant,
}

/// Runs until told to stop, then lets what is under way finish.
pub async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let flights = Flights::new();
    loop {
        let (place, flight) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            begun = begin(&shared, &flights) => begun,
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            place.take(fly(&shared, flight)).await;
            shared.wake();
        });
    }
    flights.land(LANDED_WITHIN).await;
}

/// Waits for a place, and then for who takes it.
async fn begin(shared: &Shared, flights: &Flights) -> (Place, Flight) {
    let place = flights.place().await;
    (place, next(shared).await)
}

/// Waits for a key that leads to something to do.
async fn next(shared: &Shared) -> Flight {
    loop {
        let woken = shared.woken();
        let (timer, warm) = {
            let mut state = shared.state();
            let mut timer = None;
            if shared.may_write() {
                if let Some(found) = decide_next(shared, &mut state) {
                    return found;
                }
                timer = state.queue.next_timer();
            } else if shared.gate.is_open() {
                // Before the caches are filled much looks gone.
                state.forget_what_is_gone();
            }
            (timer, state.is_warm())
        };
        tokio::select! {
            () = woken => {}
            () = at(timer) => {}
            () = tokio::time::sleep(QUIET), if warm => shared.state().rest(),
        }
    }
}

/// Waits until a time, or for ever.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

fn decide_next(shared: &Shared, state: &mut State) -> Option<Flight> {
    let mut now = Instant::now();
    while let Some((key, since)) = state.queue.pop(now) {
        let began = now;
        let job = decide(shared, state, &key);
        now = Instant::now();
        let kind = state.mirror(&key).map_or("", |mirror| mirror.kind().plural);
        shared.metrics.duration(kind, now.saturating_duration_since(began));
        match job {
            Some(job) => return Some(Flight { key, job, since }),
            None => {
                state.settle(&key);
                state.queue.land(&key);
            }
        }
    }
    None
}

fn decide(shared: &Shared, state: &mut State, key: &PlanKey) -> Option<Job> {
    state.warm(key);
    let mirror = state.mirror(key)?;
    let kind = mirror.kind();
    if state.lacks_body(key) {
        return Some(Job::Read(Side::Virtual, kind, key.key.0.clone()));
    }
    let view = state.view(key)?;
    let session = Session::new(state, key);
    let decided = kept::plan(mirror, &view, &session, &state.settings);
    let looked = session.into_looked();
    state.keep_warm(&looked);
    state.lookups.remember(key, looked);
    let (outcome, job) = match decided {
        Ok(plan) => {
            plan.notes.iter().for_each(|note| shared.notes.say(state, key, note));
            if let Some(at) = plan.again_at {
                state.queue.push_at(key.clone(), instant_of(at));
            }
            if plan.ops.is_empty() { ("nothing", None) } else { ("write", Some(Job::Write(plan))) }
        }
        Err(NotNow::Refused(note)) => {
            shared.notes.say(state, key, &note);
            ("refused", None)
        }
        Err(NotNow::Waiting { on }) => {
            tracing::debug!(kind = %kind, key = %key.key.0, %on, "waiting");
            ("waiting", None)
        }
        Err(NotNow::Orphaned { why }) => {
            tracing::warn!(kind = %kind, key = %key.key.0, %why, "orphaned, left alone");
            ("orphaned", None)
        }
        Err(NotNow::ProveTwinGone) => {
            let twin = mirror_twin(state, key);
            ("prove", twin.map(|(kind, key)| Job::Read(Side::Host, kind, key)))
        }
        Err(NotNow::ProveGone) => {
            ("prove", Some(Job::Read(Side::Virtual, kind, key.key.0.clone())))
        }
    };
    shared.metrics.plan(kind.plural, outcome);
    job
}

fn mirror_twin(state: &State, key: &PlanKey) -> Option<(&'static Resource, Key)> {
    let mirror = state.mirror(key)?;
    Some((mirror.host_kind(), mirror.host_key(&key.key, &state.settings)?.0))
}

async fn fly(shared: &Shared, Flight { key, job, since }: Flight) {
    let key = &key;
    match job {
        Job::Write(plan) => {
            let settled = plan.settles.then_some(key);
            let failure = if plan.together {
                let writes = plan.ops.iter().map(|op| write(shared, op, settled, since));
                futures::future::join_all(writes).await.into_iter().find_map(Result::err)
            } else {
                one_by_one(shared, &plan.ops, settled, since).await.err()
            };
            if let Some((op, error)) = failure {
                failed(shared, key, op, &error).await;
                return;
            }
            let mut state = shared.state();
            let kind = state.mirror(key).map_or("", |mirror| mirror.kind().plural);
            tracing::debug!(kind, key = %key.key.0, writes = %apply::Writes(&plan.ops), "written");
            if plan.settles {
                state.settle(key);
            }
            state.queue.land(key);
        }
        Job::Read(side, kind, object) => match shared.reread(side, kind, &object).await {
            Ok(found) => {
                let mut state = shared.state();
                let foreign = side == Side::Host
                    && found.as_ref().is_some_and(|found| !state.is_owned_by(kind, found, key));
                if foreign {
                    // Nothing that is read again at once would change that.
                    taken(shared, &mut state, key);
                    return;
                }
                if side == Side::Host && found.is_none() {
                    state.absences.twin_read(key);
                }
                state.refresh(side, kind, &object, found);
                state.queue.push(key.clone());
                state.queue.land(key);
            }
            Err(error) => {
                tracing::warn!(kind = %kind, key = %object, %error, "cannot read, will retry");
                shared.state().queue.fail(key, None, Instant::now());
            }
        },
    }
}

async fn one_by_one<'a>(
    shared: &Shared,
    ops: &'a [Op],
    settled: Option<&PlanKey>,
    since: Instant,
) -> Result<(), (&'a Op, ApiError)> {
    for op in ops {
        write(shared, op, settled, since).await?;
    }
    Ok(())
}

async fn write<'a>(
    shared: &Shared,
    op: &'a Op,
    settled: Option<&PlanKey>,
    since: Instant,
) -> Result<(), (&'a Op, ApiError)> {
    apply::carry_out(shared, op, settled).await.map_err(|error| (op, error))?;
    shared.metrics.lag(op.kind.plural, op.side, since.elapsed());
    Ok(())
}

async fn failed(shared: &Shared, key: &PlanKey, op: &Op, error: &ApiError) {
    let next = outcome::judge(op, error);
    tracing::debug!(kind = %op.kind, side = %op.side, key = %op.key, %error, ?next, "write failed");
    match next {
        Next::Reread => reread_after(shared, key, op, error).await,
        Next::Replan(refused) => {
            let mut state = shared.state();
            let known = state.refusals.entry(key.clone()).or_default();
            if known.contains(&refused) {
                // The plan came out the same although it knows.
                tell(shared, &state, key, op, &refused.message);
                state.queue.fail(key, None, Instant::now());
            } else {
                known.push(refused);
                state.queue.push(key.clone());
                state.queue.land(key);
            }
        }
        Next::Tell(note) => {
            tracing::warn!(kind = %op.kind, side = %op.side, key = %op.key, %error, "refused");
            let mut state = shared.state();
            let message = virtual_names(&note.message, key, op);
            shared.notes.say(&state, key, &Note { message, ..note });
            state.queue.fail(key, None, Instant::now());
        }
        Next::Close => {
            shared.gate.close("the host namespace is being deleted".into());
            shared.state().queue.fail(key, None, Instant::now());
        }
        Next::Wait(wait) => {
            tracing::warn!(kind = %op.kind, side = %op.side, key = %op.key, %error, "write failed, will retry");
            shared.state().queue.fail(key, wait, Instant::now());
        }
    }
}

/// The cache was behind, or a name is taken: look, and plan again.
async fn reread_after(shared: &Shared, key: &PlanKey, op: &Op, error: &ApiError) {
    let found = match shared.reread(op.side, op.kind, &op.key).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(kind = %op.kind, key = %op.key, %error, "cannot read, will retry");
            shared.state().queue.fail(key, None, Instant::now());
            return;
        }
    };
    let mut state = shared.state();
    let foreign = op.side == Side::Host
        && matches!(op.act, Act::Create(_) | Act::WithTokens { .. })
        && found.as_ref().is_some_and(|object| !state.is_owned_by(op.kind, object, key));
    if foreign {
        taken(shared, &mut state, key);
        return;
    }
    tracing::debug!(kind = %op.kind, key = %op.key, %error, "cache was behind");
    state.refresh(op.side, op.kind, &op.key, found);
    let again = state.queue.has_failed(key);
    state.queue.fail(key, (!again).then_some(Duration::ZERO), Instant::now());
}

/// Somebody else's object has the host name of this key, or ours lost its marks.
fn taken(shared: &Shared, state: &mut State, key: &PlanKey) {
    let message = "an object that does not belong to it has the name it would have on the host; \
                   that object is left alone";
    let note = Note { warning: true, reason: "SyncError", message: message.into() };
    shared.notes.say(state, key, &note);
    state.queue.fail(key, Some(TAKEN_AGAIN), Instant::now());
}

fn tell(shared: &Shared, state: &State, key: &PlanKey, op: &Op, message: &str) {
    let message =
        format!("the host refused the {}: {}", op.kind.kind, virtual_names(message, key, op));
    shared.notes.say(state, key, &Note { warning: true, reason: "SyncError", message });
}

/// Host names do not belong in a tenant's events.
fn virtual_names(message: &str, key: &PlanKey, op: &Op) -> String {
    if op.side == Side::Host {
        message.replace(op.key.name(), key.key.name())
    } else {
        message.to_owned()
    }
}

fn instant_of(at: jiff::Timestamp) -> Instant {
    let wait = at.duration_since(jiff::Timestamp::now());
    Instant::now() + Duration::try_from(wait).unwrap_or_default()
}
