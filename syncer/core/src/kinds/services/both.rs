//! A Service that is there on both sides.

use crate::json::{Map, Value, json};

use crate::object::members;
use crate::resource::SERVICES;
use crate::{
    Host, NotNow, Object, Op, Plan, Settings, Side, Virtual, World, kinds::status, metadata,
};

use super::addresses::{self, Verdict};
use super::{host_metadata, merge, moving, spec};

pub fn plan(
    virt: &Virtual<Object>,
    host: &Host<Object>,
    world: &dyn World,
    settings: &Settings,
) -> Result<Plan, NotNow> {
    let refusals = world.refusals();
    let wish = moving::wish(virt);
    let mut plan = Plan { notes: spec::dropped(&wish).into_iter().collect(), ..Plan::nothing() };
    if let Some(saved) = moving::saved(virt) {
        plan.ops.push(moving::end(virt, &saved, host, &refusals));
        return Ok(plan);
    }
    let agreed = merge::last_agreed(host);
    let mut to_host = match addresses::compare(&wish, host, &agreed, &refusals) {
        Verdict::Ask(fields) => fields,
        Verdict::Move => {
            plan.ops.push(moving::begin(virt));
            return Ok(plan);
        }
        Verdict::MakeAnew => {
            plan.ops.push(Op::delete_host(&SERVICES, host));
            return Ok(plan);
        }
        Verdict::Apart => return Err(NotNow::refused("SyncError", apart(&wish, host))),
    };
    let mut dropped = world.drops(Side::Host, &SERVICES);
    dropped.extend(world.drops(Side::Virtual, &SERVICES));
    let wanted = spec::to_host(&wish, settings);
    let merge = merge::three_way(&wanted, host, &agreed, &refusals, &dropped);
    if addresses::node_port_held_inside(&refusals) {
        // Another virtual Service holds the node port that the host gave to this one, and may wait for one of its own.
        plan.ops.push(moving::begin(virt));
        return Ok(plan);
    }
    to_host.extend(merge.to_host);
    // The status first: it names the version that was looked at, which the other writes would change.
    plan.ops.extend(status_back(virt, host, world));
    plan.ops.extend(moving::leftover(virt));
    if !merge.to_virtual.is_empty() {
        let body = json!({ "spec": merge.to_virtual });
        plan.ops.push(Op::patch_virtual(&SERVICES, virt, body));
    }
    plan.ops.extend(host_patch(&wish, host, to_host, &merge.agreed, settings));
    Ok(plan)
}

fn apart(wish: &Virtual<Object>, host: &Host<Object>) -> String {
    let first =
        |service| spec::cluster_ips(service).first().copied().unwrap_or_default().to_owned();
    format!(
        "the address {} inside and {} on the host cluster come from different ranges, so pods cannot reach this \
         Service by its address; start the control plane again, so that it takes over the host cluster's range",
        first(wish),
        first(host)
    )
}

fn host_patch(
    wish: &Virtual<Object>,
    host: &Host<Object>,
    spec: Map,
    agreed: &Map,
    settings: &Settings,
) -> Option<Op> {
    let wanted = host_metadata(wish, &Host(host.key()), agreed, settings);
    let mut body = Map::new();
    if let Some(metadata) = metadata::patch(host, &wanted) {
        body.insert("metadata", metadata);
    }
    if !spec.is_empty() {
        body.insert("spec", Value::Object(spec));
    }
    (!body.is_empty()).then(|| Op::patch_host(&SERVICES, host, Value::Object(body)))
}

/// The API takes a load balancer's status on that type only.
fn status_back(virt: &Virtual<Object>, host: &Host<Object>, world: &dyn World) -> Option<Op> {
    let mut wanted = host.at(&["status"]).cloned().unwrap_or_else(|| json!({}));
    if spec::kind(virt) != "LoadBalancer" {
        let kept = virt.at(&["status", "loadBalancer"]).cloned().unwrap_or_default();
        members(&mut wanted).insert("loadBalancer", kept);
    }
    status::follow(&SERVICES, virt, wanted, world)
}
