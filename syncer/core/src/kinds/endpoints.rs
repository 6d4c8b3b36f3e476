//! Endpoints of `default/kubernetes`: where the virtual API server is.
//!
//! Endpoints of other Services are not mirrored as such. The virtual cluster turns them into endpoint slices, which are
//! ([`super::endpointslices`]); mirrored too, the host would make slices of them a second time, and one left over from
//! a Service that had a selector would block the name.

use crate::json::{Value, json};

use crate::mirror::Rule;
use crate::resource::ENDPOINTS;
use crate::{
    Host, Key, Mirror, NotNow, Object, Op, Plan, Resource, Settings, View, Virtual, World,
};

use super::endpointslices::{ApiServers, api_server_key};

/// Endpoints of the virtual API server.
pub struct Endpoints;

/// Keeps the virtual cluster's controllers from making a slice of them: the slice is made beside them.
const SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";

impl Mirror for Endpoints {
    fn kind(&self) -> &'static Resource {
        &ENDPOINTS
    }

    fn has_twins(&self) -> bool {
        false
    }

    fn standing(&self) -> Vec<Virtual<Key>> {
        vec![api_server_key()]
    }

    fn virtual_query(&self) -> &'static str {
        "&fieldSelector=metadata.namespace%3Ddefault,metadata.name%3Dkubernetes"
    }

    fn host_key(&self, _key: &Virtual<Key>, _settings: &Settings) -> Option<Host<Key>> {
        None
    }

    fn rules(&self) -> &'static [Rule] {
        &[]
    }

    fn plan(&self, view: &View, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
        if view.key() != api_server_key() {
            return Ok(Plan::nothing());
        }
        let wanted = wanted(&ApiServers::found(world, settings)?);
        let Some(have) = view.virt() else {
            return Ok(Op::create_virtual(&ENDPOINTS, Virtual(Object::new(wanted))).into());
        };
        if have.is_deleting() {
            return Err(NotNow::waiting("they are being deleted"));
        }
        let label = (have.label(SKIP_MIRROR) != Some("true"))
            .then(|| ("metadata".to_owned(), json!({"labels": {SKIP_MIRROR: "true"}})));
        let subsets = (have.at(&["subsets"]) != wanted.get("subsets"))
            .then(|| ("subsets".to_owned(), wanted.get("subsets").cloned().unwrap_or_default()));
        let body: crate::json::Map = label.into_iter().chain(subsets).collect();
        Ok(match body.is_empty() {
            true => Plan::nothing(),
            false => Op::patch_virtual(&ENDPOINTS, have, Value::Object(body)).into(),
        })
    }
}

fn wanted(servers: &ApiServers) -> Value {
    let addresses: Vec<_> = servers.addresses.iter().map(|ip| json!({ "ip": ip })).collect();
    let key = api_server_key();
    json!({
        "apiVersion": ENDPOINTS.api_version(),
        "kind": ENDPOINTS.kind,
        "metadata": {
            "name": key.name(),
            "namespace": key.namespace(),
            "labels": {SKIP_MIRROR: "true"},
        },
        "subsets": [{"addresses": addresses, "ports": [servers.port()]}],
    })
}
