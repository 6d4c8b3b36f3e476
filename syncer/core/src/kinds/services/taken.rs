//! What an API server has given away already, read from its refusals.

use crate::json::{Map, Value};

use crate::object::members;
use crate::{Refusal, Side};

/// Takes out of a spec what the host refused: then it chooses.
pub fn leave_out(spec: &mut Map, refusals: &[Refusal]) {
    if addresses(refusals, Side::Host) {
        super::spec::without_addresses(spec);
    }
    if health_port(refusals, Side::Host) {
        spec.remove("healthCheckNodePort");
    }
    let taken = node_ports(refusals, Side::Host);
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten();
    for (_, port) in ports.enumerate().filter(|(place, _)| taken.contains(place)) {
        members(port).remove("nodePort");
    }
}

/// Whether the ClusterIPs that were asked for were refused.
pub fn addresses(refusals: &[Refusal], side: Side) -> bool {
    about(refusals, side, "spec.clusterIP").next().is_some()
}

/// Whether the ClusterIPs were refused for good: they lie outside what the API server may give. Otherwise another
/// Service holds them, which may let go.
pub fn addresses_out_of_range(refusals: &[Refusal], side: Side) -> bool {
    about(refusals, side, "spec.clusterIP").any(|message| !message.contains("already allocated"))
}

/// Whether the health check port was refused. There is no cause with a field for that, and the code is 500.
pub fn health_port(refusals: &[Refusal], side: Side) -> bool {
    let of_side = refusals.iter().filter(|refusal| refusal.side == side);
    of_side.into_iter().any(|refusal| refusal.message.contains("HealthCheck NodePort"))
}

/// The places of the ports whose node port was refused.
pub fn node_ports(refusals: &[Refusal], side: Side) -> Vec<usize> {
    node_ports_where(refusals, side, |_| true)
}

/// The places of the ports whose node port was refused for good.
pub fn node_ports_out_of_range(refusals: &[Refusal], side: Side) -> Vec<usize> {
    node_ports_where(refusals, side, |message| !message.contains("already allocated"))
}

fn node_ports_where(refusals: &[Refusal], side: Side, counts: impl Fn(&str) -> bool) -> Vec<usize> {
    let of_side = refusals.iter().filter(|refusal| refusal.side == side);
    let causes = of_side.flat_map(|refusal| &refusal.causes);
    causes
        .filter(|cause| counts(&cause.message))
        .filter_map(|cause| {
            let (place, field) = cause.field.strip_prefix("spec.ports[")?.split_once(']')?;
            (field == ".nodePort").then(|| place.parse().ok())?
        })
        .collect()
}

/// Whether a write was refused for any reason in the spec.
pub fn anything(refusals: &[Refusal], side: Side) -> bool {
    about(refusals, side, "spec").next().is_some()
}

fn about<'a>(refusals: &'a [Refusal], side: Side, field: &'a str) -> impl Iterator<Item = &'a str> {
    let of_side = refusals.iter().filter(move |refusal| refusal.side == side);
    of_side.flat_map(move |refusal| refusal.about(field)).map(|cause| cause.message.as_str())
}
