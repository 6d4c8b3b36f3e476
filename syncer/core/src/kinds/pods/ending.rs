//! How pods end. Whichever side a pod is deleted on, the other follows with the same grace; the virtual pod goes last,
//! when nothing of it runs any more.

use crate::json::Value;
use jiff::{SignedDuration, Timestamp};

use crate::resource::PODS;
use crate::{Gone, Host, Key, NotNow, Object, Op, Plan, Settings, Side, Virtual, World};

use super::tokens;

/// How long after the end of its grace period a host pod may still be there before it is taken for stuck.
const SLACK: SignedDuration = SignedDuration::from_secs(10);

/// Whether a pod has run to its end.
pub fn is_finished(pod: &Object) -> bool {
    matches!(pod.str_at(&["status", "phase"]), Some("Succeeded" | "Failed"))
}

/// Both are there, and at least one is being deleted; `status` is the patch that brings the status inside.
pub fn together(
    virt: &Virtual<Object>,
    host: &Host<Object>,
    status: Option<Op>,
    now: Timestamp,
) -> Plan {
    let mut plan = Plan::of(status);
    if !virt.is_deleting() {
        // The host evicts, preempts, drains or deletes it. A finished pod is kept for its result.
        if !is_finished(virt) && !is_finished(host) {
            plan.ops.push(delete_virtual(virt, grace(host).unwrap_or_default().max(0)));
        }
        return plan;
    }
    // The kubelet gives at least one second; zero would take the host pod away before its containers.
    let wanted = grace(virt).map(|seconds| seconds.max(1));
    let shorter = wanted.is_some() && wanted < grace(host);
    if !host.is_deleting() || shorter {
        plan.ops.push(Op::delete(Side::Host, &PODS, host, wanted));
        // The kubelet's word is awaited, unless it has little time for it.
        plan.settles = grace(virt) != Some(0);
    } else if grace(virt) == Some(0) {
        // Forced inside, and only kept by a finalizer.
        force(&mut plan, host, now);
    }
    plan
}

/// Only the host pod is there, or it belongs to a virtual pod that had this key before.
///
/// # Errors
/// That the virtual pod's absence must be proven first.
pub fn host_alone(host: &Host<Object>, gone: Gone, now: Timestamp) -> Result<Plan, NotNow> {
    if gone == Gone::Unproven {
        return Err(NotNow::ProveGone);
    }
    Ok(off(host, now))
}

/// Gets a host pod out of the way that no virtual pod stands for any more.
pub fn off(host: &Host<Object>, now: Timestamp) -> Plan {
    let mut plan = Plan::nothing();
    if host.is_deleting() {
        // It outlives its virtual pod only if that was deleted by force, which means: do not wait for its node.
        force(&mut plan, host, now);
    } else {
        plan.ops.push(Op::delete_host(&PODS, host));
    }
    plan
}

/// The virtual pod is being deleted and its host pod is gone: now it may go.
pub fn last_of(virt: &Virtual<Object>, world: &dyn World, settings: &Settings) -> Plan {
    if waits_for_finalizers(virt) {
        return Plan::of(tokens::leftovers(&Virtual(virt.key()), None, world, settings));
    }
    lost(virt, world, settings)
}

/// The virtual pod's host pod is gone, and with it the pod.
pub fn lost(virt: &Virtual<Object>, world: &dyn World, settings: &Settings) -> Plan {
    let mut ops = tokens::leftovers(&Virtual(virt.key()), None, world, settings);
    ops.push(delete_virtual(virt, 0));
    // In any order: a Secret that outlives its pod is found by `nothing_left`.
    Plan { together: true, settles: true, ..Plan::of(ops) }
}

/// Neither pod is there: nothing of theirs may be left.
///
/// # Errors
/// That the virtual pod's absence must be proven first.
pub fn nothing_left(
    key: &Virtual<Key>,
    gone: Gone,
    world: &dyn World,
    settings: &Settings,
) -> Result<Plan, NotNow> {
    let ops = tokens::leftovers(key, None, world, settings);
    match gone {
        Gone::Unproven if !ops.is_empty() => Err(NotNow::ProveGone),
        _ => Ok(Plan::of(ops)),
    }
}

/// Deletes a host pod without grace when it is stuck, or says when it will be.
fn force(plan: &mut Plan, host: &Host<Object>, now: Timestamp) {
    let end = host.str_at(&["metadata", "deletionTimestamp"]);
    let end = end.and_then(|end| end.parse::<Timestamp>().ok()).unwrap_or(now);
    match end.checked_add(SLACK) {
        _ if waits_for_finalizers(host) => {}
        Ok(end) if end > now => plan.again_at = Some(end),
        _ => plan.ops.push(Op::delete(Side::Host, &PODS, host, Some(0))),
    }
}

fn delete_virtual(virt: &Virtual<Object>, grace_seconds: i64) -> Op {
    Op::delete(Side::Virtual, &PODS, virt, Some(grace_seconds))
}

/// Whether it was deleted without grace and is only kept by finalizers. Without any it ought not to be there: an API server
/// first writes the grace period and then removes the pod, and may lose its store in between. Nobody else tries again.
fn waits_for_finalizers(pod: &Object) -> bool {
    let finalizers = pod.at(&["metadata", "finalizers"]).and_then(Value::as_array);
    grace(pod) == Some(0) && finalizers.is_some_and(|list| !list.is_empty())
}

/// The grace period of a pod that is being deleted, in seconds.
fn grace(pod: &Object) -> Option<i64> {
    pod.at(&["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64)
}
