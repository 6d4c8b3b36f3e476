//! A virtual pod without a host pod: it is made, or it ends because its host pod ended.

use crate::resource::PODS;
use crate::{Gone, Host, NotNow, Object, Op, Plan, Settings, Virtual, World};

use super::around::Dns;
use super::paths::text;
use super::{around, dns, ending, judge, marks, spec, status, tokens};

/// The owners that make their pods again by themselves, elsewhere if need be.
const REMAKERS: [(&str, &str); 4] = [
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("v1", "ReplicationController"),
];

/// Decides about a virtual pod that has no host pod.
///
/// # Errors
/// A refusal, what is waited for, or that the host pod's absence must be proven first.
pub fn plan(
    virt: &Virtual<Object>,
    world: &dyn World,
    settings: &Settings,
) -> Result<Plan, NotNow> {
    if virt.is_deleting() {
        return Ok(ending::last_of(virt, world, settings));
    }
    if ending::is_finished(virt) {
        // It ran, and is kept for its result as any finished pod; only its host pod is gone.
        return Ok(Plan::of(tokens::leftovers(&Virtual(virt.key()), None, world, settings)));
    }
    if !has_run(virt) {
        return create(virt, world, settings);
    }
    match (world.twin_gone(), is_remade(virt)) {
        (Gone::Unproven, _) => Err(NotNow::ProveTwinGone),
        // It went before our eyes: its node was lost, or someone on the host deleted it.
        (Gone::Seen, _) | (Gone::Read, true) => Ok(ending::lost(virt, world, settings)),
        // It went while the virtual cluster was paused or the syncer down, and nobody else would make it again.
        (Gone::Read, false) => {
            let mut plan = create(virt, world, settings)?;
            plan.ops.extend(status::reset(virt, settings));
            Ok(plan)
        }
    }
}

/// Whether a virtual pod whose host pod is being deleted is made again as soon as that is gone: its deletion began while the
/// virtual cluster was paused or the syncer down.
pub fn waits_for_its_end(virt: &Virtual<Object>, world: &dyn World) -> bool {
    let stays = !virt.is_deleting() && !ending::is_finished(virt) && !is_remade(virt);
    stays && world.twin_was_ending()
}

fn create(virt: &Virtual<Object>, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
    let placed = virt.str_at(&["spec", "nodeName"]).is_some_and(|node| !node.is_empty());
    if !placed && settings.scheduling.is_inside(virt) {
        return Err(NotNow::waiting("a scheduler inside to place it"));
    }
    let around = around::look(virt, world, settings)?;
    let key: Host<_> = super::namespaced_host_key(&Virtual(virt.key()), settings);
    let pod = spec::host_pod(virt, &key, &around, world, settings);
    judge::pod(&pod, settings)?;
    let mut ops = tokens::leftovers(&Virtual(virt.key()), Some(virt.uid()), world, settings);
    let settles = ops.is_empty() && is_as_made(virt);
    let upkeep = tokens::upkeep(virt, world, settings);
    ops.extend(upkeep.op);
    ops.push(Op::create_host(&PODS, pod));
    // Before the kubelet mounts its tokens the pod must be scheduled, which takes longer than to ask for them.
    let notes = (around.dns == Dns::Missing).then(dns::missing).into_iter().collect();
    Ok(Plan { together: true, settles, notes, again_at: upkeep.due, ..Plan::of(ops) })
}

/// Whether a kubelet took it on.
fn has_run(virt: &Virtual<Object>) -> bool {
    virt.at(&["status", "startTime"]).is_some()
}

/// Whether nothing happened to a pod since it was made: both sides say then that it is pending, and the host's next word is
/// where.
fn is_as_made(virt: &Virtual<Object>) -> bool {
    virt.str_at(&["status", "phase"]) == Some("Pending")
        && !has_run(virt)
        && virt.items_at(&["status", "conditions"]).is_empty()
        && virt.items_at(&["spec", "ephemeralContainers"]).is_empty()
}

/// Whether something inside makes another pod in this one's place.
fn is_remade(virt: &Virtual<Object>) -> bool {
    marks::controller(virt)
        .is_some_and(|owner| REMAKERS.contains(&(text(owner, "apiVersion"), text(owner, "kind"))))
}
