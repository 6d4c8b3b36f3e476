//! Fake nodes: one virtual node for each host node that runs pods of ours.
//!
//! The virtual API server asks a node's address for logs, exec and the like. That address is the ClusterIP of a host
//! Service of its own, which leads to a port of its own on the syncer: by the port the syncer knows which node is meant.

mod object;
mod service;

pub use service::KUBELET_PORTS;

use jiff::{SignedDuration, Timestamp};

use crate::mirror::Rule;
use crate::resource::{NODES, SERVICES};
use crate::{
    AfterLoss, Host, Key, Mirror, NodeUse, NotNow, Object, Op, Plan, Resource, Settings, Side,
    View, Virtual, World, labels, names,
};

/// Nodes that pods of ours run on.
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

    fn host_key(&self, key: &Virtual<Key>, settings: &Settings) -> Option<Host<Key>> {
        let name = names::node_service(key.name(), &settings.name);
        Some(Host(Key::new(&settings.host_namespace, &name)))
    }

    fn after_loss(&self) -> AfterLoss {
        AfterLoss::Ours
    }

    fn rules(&self) -> &'static [Rule] {
        &[Rule { group: "", resources: &["services"], verbs: super::MIRRORED, in_admin: true }]
    }

    fn plan(&self, view: &View, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
        let key = view.key();
        match world.node_use(key.name()) {
            NodeUse::Used => present(view, world, settings),
            NodeUse::UnusedSince(since) => {
                let until = since.checked_add(STAYS).unwrap_or(Timestamp::MAX);
                if world.now() >= until {
                    return Ok(removed(view));
                }
                Ok(Plan { again_at: Some(until), ..Plan::nothing() })
            }
            // Plans are made when all host pods are known, so this is left from an earlier run.
            NodeUse::Unknown => Ok(removed(view)),
        }
    }
}

/// The host node that a host pod of ours keeps in use: the one it is bound to. Ended pods count, since their logs are
/// asked of the node. A DaemonSet's pods do not: it puts one on every node there is, so they would keep each for ever.
pub fn node_of(pod: &Host<Object>) -> Option<&str> {
    let of_daemon_set = pod.annotation(labels::OWNER_SET_KIND) == Some("DaemonSet");
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
    let address = host.str_at(&["spec", "clusterIP"]).filter(|ip| !ip.is_empty() && *ip != "None");
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

fn removed(view: &View) -> Plan {
    let node = view.virt().filter(|node| object::is_ours(node) && !node.is_deleting());
    let service = view.host().filter(|service| !service.is_deleting());
    Plan::of(
        node.map(|node| Op::delete(Side::Virtual, &NODES, node, None))
            .into_iter()
            .chain(service.map(|service| Op::delete_host(&SERVICES, service))),
    )
}
