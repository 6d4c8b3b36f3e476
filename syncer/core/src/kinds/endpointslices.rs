//! Endpoint slices that no selector makes: of Services without one, by their owner's own hand or controller.
//!
//! Slices of Services with a selector are not mirrored: the host makes them of the host pods.
//!
//! Addresses pass as they are. A Service without selector is how a database outside the cluster gets a name, so they
//! cannot be held to pods of this virtual cluster. What a tenant gains is what CVE-2021-25740 describes: node ports and
//! load balancers forward to any address from the node's. Kubernetes' answer to it holds here too: the built-in role
//! `admin` may not write slices, so whether a tenant may is the host's decision, made by granting the second Role.
//! Loopback and link-local addresses are refused by the host's API server itself.

use crate::json::{Value, json};

use crate::mirror::Rule;
use crate::object::members;
use crate::resource::{ENDPOINT_SLICES, PODS, SERVICES};
use crate::{
    Host, Key, Mirror, NotNow, Object, Op, Plan, Resource, Settings, View, Virtual, World,
};

use super::{copied, services};

/// Endpoint slices of Services without selectors, and the slice of the virtual API server.
pub struct EndpointSlices;

/// Label: the Service that a slice belongs to.
const SERVICE: &str = "kubernetes.io/service-name";
/// Label: who made a slice, and so who else must let it be.
const MADE_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// The controller that makes slices of pods, by a Service's selector.
const OF_SELECTOR: &str = "endpointslice-controller.k8s.io";
/// What we say on the host: its controllers would take slices that bear their own name for theirs, and delete them.
const BY_US: &str = "vcluster.loft.sh";

impl Mirror for EndpointSlices {
    fn kind(&self) -> &'static Resource {
        &ENDPOINT_SLICES
    }

    fn standing(&self) -> Vec<Virtual<Key>> {
        vec![api_server_key()]
    }

    fn neighbours(&self) -> &'static [&'static Resource] {
        static NEIGHBOURS: [&Resource; 1] = [&SERVICES];
        &NEIGHBOURS
    }

    fn virtual_query(&self) -> &'static str {
        "&labelSelector=endpointslice.kubernetes.io%2Fmanaged-by%21%3Dendpointslice-controller.k8s.io"
    }

    /// The host's own controller copies a Service's labels, the marker with them, to the slices that it makes.
    fn also_labelled(&self) -> Option<(&'static str, &'static str)> {
        Some((MADE_BY, BY_US))
    }

    fn host_key(&self, key: &Virtual<Key>, settings: &Settings) -> Option<Host<Key>> {
        (*key != api_server_key()).then(|| super::namespaced_host_key(key, settings))
    }

    fn rules(&self) -> &'static [Rule] {
        const GROUP: &str = "discovery.k8s.io";
        const SLICES: &[&str] = &["endpointslices"];
        const READ: &[&str] = &["get", "list", "watch"];
        const WRITE: &[&str] = &["create", "delete", "patch"];
        &[
            Rule { group: GROUP, resources: SLICES, verbs: READ, in_admin: true },
            Rule { group: GROUP, resources: SLICES, verbs: WRITE, in_admin: false },
        ]
    }

    fn plan(&self, view: &View, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
        let key = view.key();
        if key == api_server_key() {
            return api_server(view, world, settings);
        }
        let wanted = view.virt().is_some_and(|slice| is_wanted(slice, world));
        let host = self.host_key(&key, settings);
        copied::plan(&ENDPOINT_SLICES, view, wanted, host, settings, |virt, metadata| {
            translate(virt, metadata, settings)
        })
    }
}

/// A slice counts while its Service is there and has addresses or pods of its own to lead to.
fn is_wanted(slice: &Virtual<Object>, world: &dyn World) -> bool {
    let service = slice.label(SERVICE).map(|name| Virtual(Key::new(slice.namespace(), name)));
    let service = service.filter(|key| *key != api_server_key());
    let service = service.and_then(|key| world.virt(&SERVICES, &key));
    slice.label(MADE_BY) != Some(OF_SELECTOR)
        && service.is_some_and(|service| {
            services::wish(&service).str_at(&["spec", "type"]) != Some("ExternalName")
        })
}

fn translate(virt: &Virtual<Object>, metadata: &mut Value, settings: &Settings) -> copied::Fields {
    let host_name = |name: &str| {
        super::namespaced_host_key(&Virtual(Key::new(virt.namespace(), name)), settings)
    };
    let labels = members(metadata).entry("labels").or_insert_with(|| json!({}));
    if let Some(service) = virt.label(SERVICE) {
        members(labels).insert(SERVICE, host_name(service).name().into());
    }
    members(labels).insert(MADE_BY, BY_US.into());
    let mut endpoints = virt.at(&["endpoints"]).cloned();
    let items = endpoints.as_mut().and_then(Value::as_array_mut).into_iter().flatten();
    for endpoint in items.filter(|endpoint| endpoint.is_object()) {
        let Some(target) = members(endpoint).remove("targetRef").map(Object::new) else { continue };
        // Of other kinds there is no twin to name.
        if target.str_at(&["kind"]) == Some(PODS.kind) {
            let twin = host_name(target.str_at(&["name"]).unwrap_or_default());
            let target =
                json!({"kind": PODS.kind, "name": twin.name(), "namespace": twin.namespace()});
            members(endpoint).insert("targetRef", target);
        }
    }
    vec![
        ("addressType", virt.at(&["addressType"]).cloned()),
        ("endpoints", endpoints),
        ("ports", virt.at(&["ports"]).cloned()),
    ]
}

/// The key of the virtual API server's Service, Endpoints and slice.
pub fn api_server_key() -> Virtual<Key> {
    Virtual(Key::new(services::API_SERVER.0, services::API_SERVER.1))
}

/// Where virtual API servers serve.
pub struct ApiServers {
    /// `IPv4` or `IPv6`.
    pub family: String,
    /// Their addresses, sorted.
    pub addresses: Vec<String>,
    port: Value,
}

impl ApiServers {
    /// Reads them off the host's slices of Service `NAME`, in the family of its first address. Those that are ready
    /// count; when none is, all do: they may be waiting for what only they can serve.
    ///
    /// # Errors
    /// [`NotNow::Waiting`] while the host has none.
    pub fn found(world: &dyn World, settings: &Settings) -> Result<ApiServers, NotNow> {
        let service = world.host(&SERVICES, &settings.api_service());
        let families = service.as_ref().map(|of| of.items_at(&["spec", "ipFamilies"]));
        let family = families.and_then(<[Value]>::first).and_then(Value::as_str).unwrap_or("IPv4");
        let slices: Vec<_> = world
            .control_plane_slices()
            .into_iter()
            .filter(|slice| slice.str_at(&["addressType"]) == Some(family))
            .collect();
        let mut addresses = addresses(&slices, true);
        if addresses.is_empty() {
            addresses = self::addresses(&slices, false);
        }
        let ports = slices.iter().flat_map(|slice| slice.items_at(&["ports"]));
        let https = |port: &&Value| port.get("name").and_then(Value::as_str) == Some("https");
        let port = ports.clone().find(https).or_else(|| ports.clone().next());
        match port.and_then(|port| port.get("port")) {
            Some(port) if !addresses.is_empty() => {
                Ok(ApiServers { family: family.to_owned(), addresses, port: port.clone() })
            }
            _ => Err(NotNow::waiting(format!(
                "endpoint slices of Service {} on the host",
                settings.name
            ))),
        }
    }

    /// The port, under the name that it has in `default/kubernetes`.
    pub fn port(&self) -> Value {
        json!({"name": "https", "port": &self.port, "protocol": "TCP"})
    }
}

fn addresses(slices: &[Host<Object>], ready: bool) -> Vec<String> {
    let endpoints = slices.iter().flat_map(|slice| slice.items_at(&["endpoints"]));
    let counted = endpoints.filter(|endpoint| {
        // Absent means ready.
        !ready || endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false))
    });
    let lists = counted.filter_map(|endpoint| endpoint.get("addresses")?.as_array());
    let mut found: Vec<_> =
        lists.flatten().filter_map(|address| address.as_str().map(str::to_owned)).collect();
    found.sort();
    found.dedup();
    found
}

fn api_server(view: &View, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
    let servers = ApiServers::found(world, settings)?;
    let key = api_server_key();
    let endpoints = servers
        .addresses
        .iter()
        .map(|address| json!({"addresses": [address], "conditions": {"ready": true}}));
    let wanted = json!({
        "apiVersion": ENDPOINT_SLICES.api_version(),
        "kind": ENDPOINT_SLICES.kind,
        "metadata": {
            "name": key.name(),
            "namespace": key.namespace(),
            "labels": {SERVICE: services::API_SERVER.1},
        },
        "addressType": &servers.family,
        "endpoints": endpoints.collect::<Vec<_>>(),
        "ports": [servers.port()],
    });
    let Some(have) = view.virt() else {
        return Ok(Op::create_virtual(&ENDPOINT_SLICES, Virtual(Object::new(wanted))).into());
    };
    if have.is_deleting() {
        return Err(NotNow::waiting("it is being deleted"));
    }
    if have.str_at(&["addressType"]) != Some(&servers.family) {
        return Ok(Op::delete(crate::Side::Virtual, &ENDPOINT_SLICES, have, None).into());
    }
    let mut body = json!({});
    for field in ["endpoints", "ports"] {
        if have.at(&[field]) != wanted.get(field) {
            members(&mut body).insert(field, wanted.get(field).cloned().unwrap_or_default());
        }
    }
    if have.label(SERVICE) != Some(services::API_SERVER.1) {
        members(&mut body).insert("metadata", json!({"labels": {SERVICE: services::API_SERVER.1}}));
    }
    Ok(match body == json!({}) {
        true => Plan::nothing(),
        false => Op::patch_virtual(&ENDPOINT_SLICES, have, body).into(),
    })
}
