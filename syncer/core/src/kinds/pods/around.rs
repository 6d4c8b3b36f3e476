//! What a host pod must be told of its surroundings, and cannot be made without.

use crate::kinds::configmaps;
use crate::resource::{CONFIG_MAPS, NAMESPACES, SERVICES};
use crate::{Key, NotNow, Object, Settings, Virtual, World};

use super::service_links::{self, Variables};
use super::{dns, namespaced_host_key, references};

/// The surroundings of one new pod.
pub struct Around {
    /// The virtual namespace: its labels go onto the pod.
    pub namespace: Virtual<Object>,
    /// Where containers find the virtual API server.
    pub api_ip: String,
    /// How the pod finds names.
    pub dns: Dns,
    /// Variables for every container.
    pub variables: Variables,
}

/// Where a pod's names are resolved.
#[derive(Debug, PartialEq, Eq)]
pub enum Dns {
    /// As its own policy says: it does not ask the cluster.
    Own,
    /// By the virtual cluster's DNS, at this address.
    Cluster(String),
    /// It asks for the cluster's DNS, and there is none: by its node's, as a kubelet without cluster DNS has it.
    Missing,
}

/// Looks around.
///
/// # Errors
/// [`NotNow::Waiting`] for what is not there yet.
pub fn look(
    virt: &Virtual<Object>,
    world: &dyn World,
    settings: &Settings,
) -> Result<Around, NotNow> {
    let namespace = namespace(virt, world)
        .ok_or_else(|| NotNow::waiting(format!("namespace {}", virt.namespace())))?;
    let api_ip = api_ip(world, settings)?;
    let uses_dns = virt.at(&["spec"]).is_some_and(dns::uses_cluster);
    let dns = if uses_dns { cluster_dns(world, settings)? } else { Dns::Own };
    authority(virt, world, settings)?;
    let variables = variables(virt, &api_ip, world);
    Ok(Around { namespace, api_ip, dns, variables })
}

/// The virtual namespace of a pod.
pub fn namespace(virt: &Virtual<Object>, world: &dyn World) -> Option<Virtual<Object>> {
    world.virt(&NAMESPACES, &Virtual(Key::cluster(virt.namespace())))
}

/// The address of the virtual API server: that of host Service `NAME`.
///
/// # Errors
/// [`NotNow::Waiting`] until it has one.
pub fn api_ip(world: &dyn World, settings: &Settings) -> Result<String, NotNow> {
    let key = settings.api_service();
    cluster_ip(world.host(&SERVICES, &key).as_deref())
        .ok_or_else(|| NotNow::waiting(format!("an address of host Service {key}", key = *key)))
}

/// The variables for a pod's containers: the API's, and those of the Services of its namespace unless it wants none.
pub fn variables(virt: &Virtual<Object>, api_ip: &str, world: &dyn World) -> Variables {
    let mut variables = service_links::of_api(api_ip);
    let links = virt.at(&["spec", "enableServiceLinks"]).and_then(crate::json::Value::as_bool);
    if links != Some(false) {
        let services = world.virt_in(&SERVICES, virt.namespace());
        variables.extend(service_links::of_services(&services));
    }
    variables
}

/// The address of the virtual cluster's DNS. Until both sides agree on it, the Service may still move.
fn cluster_dns(world: &dyn World, settings: &Settings) -> Result<Dns, NotNow> {
    let key = Virtual(Key::new("kube-system", "kube-dns"));
    let service = world.virt(&SERVICES, &key);
    if service.is_none() && !settings.own_dns {
        return Ok(Dns::Missing);
    }
    let inside = cluster_ip(service.as_deref());
    let outside =
        cluster_ip(world.host(&SERVICES, &namespaced_host_key(&key, settings)).as_deref());
    match (inside, outside) {
        (Some(inside), Some(outside)) if inside == outside => Ok(Dns::Cluster(inside)),
        (None, _) => Err(NotNow::waiting("Service kube-system/kube-dns")),
        _ => Err(NotNow::waiting("Service kube-system/kube-dns to have one address on both sides")),
    }
}

/// Waits for the config map with the cluster's CA, if the pod mounts it. Nearly every pod does, the first ones are
/// quicker than the controller that makes it, and a kubelet that misses it looks again only after a second or two.
fn authority(virt: &Virtual<Object>, world: &dyn World, settings: &Settings) -> Result<(), NotNow> {
    let needed = references::of(virt)
        .into_iter()
        .find(|(kind, key)| **kind == CONFIG_MAPS && key.name() == configmaps::ROOT_CA);
    let twin = needed.and_then(|(_, key)| configmaps::host_key(&key, settings));
    match twin {
        Some(twin) if world.host(&CONFIG_MAPS, &twin).is_none() => {
            Err(NotNow::waiting(format!("config map {} on the host", configmaps::ROOT_CA)))
        }
        _ => Ok(()),
    }
}

fn cluster_ip(service: Option<&Object>) -> Option<String> {
    let ip = service?.str_at(&["spec", "clusterIP"])?;
    (!ip.is_empty() && ip != "None").then(|| ip.to_owned())
}
