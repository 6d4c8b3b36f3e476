//! Nodes: by default a stand-in for each host node that runs pods of ours, or the host's own nodes as they are.
//!
//! The virtual API server asks a node's address for logs, exec and the like. That address is the ClusterIP of a host
//! Service of its own, which leads to a port of its own on the syncer: by the port the syncer knows which node is meant.

mod object;
mod real;
mod service;

pub use service::KUBELET_PORTS;

use jiff::{SignedDuration, Timestamp};

use crate::mirror::Rule;
use crate::resource::{NODES, SERVICES};
use crate::{
    AfterLoss, Host, HostNodes, Key, Mirror, NodeUse, NotNow, Object, Op, Plan, Resource,
    Scheduling, Settings, Side, View, Virtual, World, labels, names,
};

/// Nodes.
pub struct Nodes;

/// How long a node stays after its last pod left: a pod that is made again often comes back to it.
const STAYS: SignedDuration = SignedDuration::from_secs(4);

impl Mirror for Nodes {
    fn kind(&self) -> &'static Resource {
        &NODES
    }

    fn host_kind(&self) -> &'static Resource {
        &SERVICES
    }

    fn original(&self, scheduling: &Scheduling) -> Option<&'static Resource> {
        scheduling.nodes.as_ref().map(|_| &NODES)
    }

    fn host_key(&self, key: &Virtual<Key>, settings: &Settings) -> Option<Host<Key>> {
        let name = names::node_service(key.name(), &settings.name);
        Some(Host(Key::new(&settings.host_namespace, &name)))
    }

    fn after_loss(&self) -> AfterLoss {
        AfterLoss::Ours
    }

    fn slim(&self, host: &mut Object) {
        real::slim(host);
    }

    fn rules(&self) -> &'static [Rule] {
        &[Rule { group: "", resources: &["services"], verbs: super::MIRRORED, in_admin: true }]
    }

    fn plan(&self, view: &View, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
        let usage = usage(view.key().name(), world);
        match &settings.scheduling.nodes {
            Some(nodes) => as_it_is(view, nodes, usage, world, settings),
            None => stand_in(view, usage, world, settings),
        }
    }
}

/// Whether pods of ours run on a node.
enum Usage {
    Used,
    /// They did just now.
    Until(Timestamp),
    Unused,
}

fn usage(node: &str, world: &dyn World) -> Usage {
    match world.node_use(node) {
        NodeUse::Used => Usage::Used,
        NodeUse::UnusedSince(since) => {
            let until = since.checked_add(STAYS).unwrap_or(Timestamp::MAX);
            if world.now() >= until { Usage::Unused } else { Usage::Until(until) }
        }
        // Plans are made when all host pods are known, so what is there is left from an earlier run.
        NodeUse::Unknown => Usage::Unused,
    }
}

fn stand_in(
    view: &View,
    usage: Usage,
    world: &dyn World,
    settings: &Settings,
) -> Result<Plan, NotNow> {
    match usage {
        Usage::Used => present(view, world, settings),
        Usage::Until(until) => Ok(Plan { again_at: Some(until), ..Plan::nothing() }),
        Usage::Unused => Ok(removed(view)),
    }
}

/// Logs and the like are asked of nodes that run pods, so only these have a Service.
fn as_it_is(
    view: &View,
    nodes: &HostNodes,
    usage: Usage,
    world: &dyn World,
    settings: &Settings,
) -> Result<Plan, NotNow> {
    let key = view.key();
    let used = !matches!(usage, Usage::Unused);
    let original = world.host(&NODES, &Host(key.0.clone()));
    let Some(original) = original.filter(|original| nodes.which.has(original, used)) else {
        return Ok(removed(view));
    };
    let mut plan = Plan::nothing();
    let mut service = view.host().filter(|service| !service.is_deleting());
    match usage {
        Usage::Used => {
            let others = world.all_owned(&SERVICES, &NODES);
            match service {
                Some(service) => plan.ops.extend(service::healed(&key, service, &others, settings)),
                None if view.host().is_some() => {}
                None => {
                    let made = service::made_for(&key, &others, settings);
                    plan.ops.push(Op::create_host(&SERVICES, made));
                }
            }
        }
        Usage::Until(until) => plan.again_at = Some(until),
        Usage::Unused => {
            plan.ops.extend(service.take().map(|service| Op::delete_host(&SERVICES, service)));
        }
    }
    let service = service.filter(|service| address(service).is_some());
    match view.virt() {
        None => {
            let node = real::made_for(&key, &original, service, nodes, settings);
            plan.ops.push(Op::create_virtual(&NODES, node));
        }
        Some(node) if node.is_deleting() => {}
        Some(node) => {
            plan.ops.extend(real::healed(node, &original, service, nodes, world, settings))
        }
    }
    Ok(plan)
}

/// The host node that a host pod of ours keeps in use: the one it is bound to. Ended pods count, since their logs are
/// asked of the node. A DaemonSet's pods do not where nodes come and go with the pods on them: it puts one on every node
/// there is, so they would keep each for ever.
pub fn node_of<'a>(pod: &'a Host<Object>, scheduling: &Scheduling) -> Option<&'a str> {
    let of_daemon_set = pod.annotation(labels::OWNER_SET_KIND) == Some("DaemonSet")
        && !scheduling.shows_unused_nodes();
    let ours = pod.label(labels::MANAGED_BY).is_some();
    pod.str_at(&["spec", "nodeName"]).filter(|node| !node.is_empty() && ours && !of_daemon_set)
}

fn present(view: &View, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
    let key = view.key();
    let others = world.all_owned(&SERVICES, &NODES);
    let Some(host) = view.host() else {
        return Ok(Op::create_host(&SERVICES, service::made_for(&key, &others, settings)).into());
    };
    if host.is_deleting() {
        return Err(NotNow::waiting("its Service on the host is being deleted"));
    }
    let address = address(host);
    let mut plan = Plan::of(service::healed(&key, host, &others, settings));
    match (view.virt(), address) {
        (None, Some(_)) => {
            let node = object::made_for(&key, host, world.now(), settings);
            plan.ops.push(Op::create_virtual(&NODES, node));
        }
        (Some(node), Some(_)) if !node.is_deleting() => {
            plan.ops.extend(object::healed(node, host, world, settings));
        }
        _ => {}
    }
    Ok(plan)
}

fn address(service: &Host<Object>) -> Option<&str> {
    service.str_at(&["spec", "clusterIP"]).filter(|ip| !ip.is_empty() && *ip != "None")
}

fn removed(view: &View) -> Plan {
    let node = view.virt().filter(|node| object::is_ours(node) && !node.is_deleting());
    let service = view.host().filter(|service| !service.is_deleting());
    Plan::of(
        node.map(|node| Op::delete(Side::Virtual, &NODES, node, None))
            .into_iter()
            .chain(service.map(|service| Op::delete_host(&SERVICES, service))),
    )
}
