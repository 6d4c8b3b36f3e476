//! The addresses of a Service: what the host is asked for, and who follows whom when they differ.

use crate::json::Map;

use crate::{Host, Key, Object, Refusal, Settings, Side, Virtual, World};

use super::{api_server, moving, spec, taken};

/// What to do about addresses that differ.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// Nothing, or these members of the host's spec.
    Ask(Map),
    /// The virtual Service moves to what the host has.
    Move,
    /// The host Service is made anew: its address cannot be changed, and the virtual one cannot follow.
    MakeAnew,
    /// Neither side can take the other's address.
    Apart,
}

/// Compares the addresses of both sides. `agreed` is what both last agreed on.
pub fn compare(
    wish: &Virtual<Object>,
    host: &Host<Object>,
    agreed: &Map,
    refusals: &[Refusal],
) -> Verdict {
    let external = |service: &Object| spec::kind(service) == "ExternalName";
    match (external(wish), external(host)) {
        // The API server gives the host's addresses up by itself.
        (true, _) => return Verdict::Ask(Map::new()),
        (false, true) => return Verdict::Ask(ask_afresh(wish, refusals)),
        (false, false) => {}
    }
    let (wants, has) = (spec::cluster_ips(wish), spec::cluster_ips(host));
    if spec::is_headless(wish) != spec::is_headless(host) {
        return Verdict::MakeAnew;
    }
    let differ = wants.iter().zip(&has).any(|(wants, has)| wants != has);
    let health = spec::health_port(wish).zip(spec::health_port(host));
    if differ
        && moving::could_not_follow(wish)
        && taken::addresses_out_of_range(refusals, Side::Host)
    {
        return Verdict::Apart;
    }
    if differ && has.first().is_some_and(|address| moving::cannot_follow(wish, address)) {
        return Verdict::MakeAnew;
    }
    if differ || health.is_some_and(|(wants, has)| wants != has) {
        return Verdict::Move;
    }
    Verdict::Ask(ask_for_stacks(wish, host, agreed, refusals))
}

/// A Service that had no address asks for the one that the virtual API server chose.
fn ask_afresh(wish: &Virtual<Object>, refusals: &[Refusal]) -> Map {
    let fields = ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"];
    let mut asked = take(wish, &fields);
    taken::leave_out(&mut asked, refusals);
    asked
}

/// A Service gets or loses its second address in place, when its owner changed the policy. A host that gave it a
/// second one of its own accord may: only the virtual API server cannot then follow.
fn ask_for_stacks(
    wish: &Virtual<Object>,
    host: &Host<Object>,
    agreed: &Map,
    refusals: &[Refusal],
) -> Map {
    let mut asked = Map::new();
    for (name, wants) in take(wish, &["ipFamilies", "ipFamilyPolicy"]) {
        if agreed.get(&name) != Some(&wants) && host.at(&["spec", &name]) != Some(&wants) {
            asked.insert(name, wants);
        }
    }
    let (wants, has) = (spec::cluster_ips(wish).len(), spec::cluster_ips(host).len());
    let single = wish.str_at(&["spec", "ipFamilyPolicy"]) == Some("SingleStack");
    if !spec::is_headless(wish) && (wants > has && !asked.is_empty() || wants < has && single) {
        asked.extend(take(wish, &["clusterIPs", "ipFamilies", "ipFamilyPolicy"]));
        taken::leave_out(&mut asked, refusals);
    }
    asked
}

fn take(wish: &Virtual<Object>, fields: &[&str]) -> Map {
    let found = fields
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), wish.at(&["spec", name])?.clone())));
    found.collect()
}

/// The address of a virtual Service, once both sides agree on it: what a pod may be told for as long as it lives.
pub fn settled(key: &Virtual<Key>, world: &dyn World, settings: &Settings) -> Option<String> {
    let virt = world.virt(&crate::resource::SERVICES, key)?;
    let host_key = match api_server::is(key) {
        true => settings.api_service(),
        false => crate::kinds::namespaced_host_key(key, settings),
    };
    let host = world.host(&crate::resource::SERVICES, &host_key)?;
    let (inside, outside) = (spec::cluster_ips(&virt), spec::cluster_ips(&host));
    let agree = !inside.is_empty() && inside.first() == outside.first();
    let settled = agree && moving::saved(&virt).is_none() && !spec::is_headless(&virt);
    settled.then(|| (*inside.first().unwrap_or(&"")).to_owned())
}

/// Whether the virtual API server refused a node port that the host gave.
pub fn node_port_held_inside(refusals: &[Refusal]) -> bool {
    !taken::node_ports(refusals, Side::Virtual).is_empty()
}
