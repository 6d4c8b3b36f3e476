//! A virtual pod with its host pod: the host says where and how it runs, the virtual cluster what may change.

use crate::json::{Value, json};

use crate::mirror::is_twin;
use crate::resource::{NODES, PODS};
use crate::{Act, Host, Key, NotNow, Object, Op, PatchForm, Plan, Settings, Side, Virtual, World};

use super::{around, conditions, ending, judge, marks, spec, start, status, tokens, update};

/// Decides about a pair.
///
/// # Errors
/// What is waited for.
pub fn plan(
    virt: &Virtual<Object>,
    host: &Host<Object>,
    world: &dyn World,
    settings: &Settings,
) -> Result<Plan, NotNow> {
    if !is_twin(virt, host) {
        return Ok(ending::off(host, world.now()));
    }
    if host.is_deleting() && start::waits_for_its_end(virt, world) {
        // What it says as it ends is no result of the virtual pod's.
        return Ok(Plan::nothing());
    }
    if virt.is_deleting() || host.is_deleting() {
        let status = status::patch(virt, host, false, world, settings);
        return Ok(ending::together(virt, host, status, world.now()));
    }
    let node = |pod: &Object| {
        pod.str_at(&["spec", "nodeName"]).filter(|node| !node.is_empty()).map(str::to_owned)
    };
    let (bind, bound) = match (node(virt), node(host)) {
        (None, Some(node)) => {
            (Some(bind(virt, &node, world)?), Some(conditions::bound(virt, &node)))
        }
        (Some(inside), Some(outside)) if inside != outside => {
            // A pod cannot move. Whoever owns it makes another.
            return Ok(Op::delete(Side::Virtual, &PODS, virt, None).into());
        }
        _ => (None, None),
    };
    let namespace = around::namespace(virt, world);
    let key = Host(host.key());
    let wanted = marks::wanted(virt, namespace.as_ref(), &key, settings);
    let metadata = marks::patch(host, &wanted, namespace.as_ref());
    let changes = update::changes(virt, host, metadata, settings);
    let mut plan = Plan { notes: changes.notes, ..Plan::nothing() };
    let added = added_containers(virt, host, world, settings, &mut plan);

    // What the tenant sees first; and a host that refuses a change must not keep the status from him.
    let pending = changes.of_spec || added.is_some();
    plan.ops.extend(bind);
    let then = bound.as_ref().unwrap_or(virt);
    plan.ops.extend(status::patch(then, host, pending, world, settings));
    let told = plan.ops.len();
    plan.ops.extend(changes.ops);
    plan.ops.extend(added);
    plan.ops.extend(gates(virt, host));
    if !ending::is_finished(host) {
        let upkeep = tokens::upkeep(virt, world, settings);
        plan.again_at = upkeep.due;
        if let Some(op) = upkeep.op {
            plan.ops.push(op);
            plan.ops.push(tokens::announce(host, world.now()));
        }
    }
    // Where and how a pod runs is told, and that is all. But of what is done on the host more may have to be told.
    plan.settles = plan.ops.len() == told;
    Ok(plan)
}

/// The virtual node must be there first: controllers inside delete pods that are bound to none.
fn bind(virt: &Virtual<Object>, node: &str, world: &dyn World) -> Result<Op, NotNow> {
    if world.virt(&NODES, &Virtual(Key::cluster(node))).is_none() {
        return Err(NotNow::waiting(format!("node {node}")));
    }
    let act = Act::Bind { uid: virt.uid().to_owned(), node: node.to_owned() };
    Ok(Op { side: Side::Virtual, kind: &PODS, key: virt.key(), act })
}

/// Ephemeral containers of `kubectl debug`: translated and judged like those of a new pod.
fn added_containers(
    virt: &Virtual<Object>,
    host: &Host<Object>,
    world: &dyn World,
    settings: &Settings,
    plan: &mut Plan,
) -> Option<Op> {
    let mut added = update::added_containers(virt, host).peekable();
    added.peek()?;
    // Without an address yet: whatever was looked up plans this again.
    let api_ip = around::api_ip(world, settings).ok()?;
    let variables = around::variables(virt, &api_ip, world);
    let mut containers: Vec<Value> = Vec::new();
    for container in added {
        let container = spec::added_container(container, virt, &variables, settings);
        match judge::added(&container, host, settings) {
            Ok(()) => containers.push(container),
            // One at a time: an event is told once as long as it is the last one.
            Err(NotNow::Refused(note)) if plan.notes.is_empty() => plan.notes.push(note),
            Err(_) => {}
        }
    }
    (!containers.is_empty()).then(|| update::add_containers(host, containers))
}

/// Readiness gates that are answered inside.
fn gates(virt: &Virtual<Object>, host: &Host<Object>) -> Option<Op> {
    let conditions = conditions::outside(virt, host);
    let body = json!({"status": {"conditions": &conditions}});
    (!conditions.is_empty())
        .then(|| Op::patch(Side::Host, &PODS, host, PatchForm::Strategic, Some("status"), body))
}
