//! Services: the host's load balancing, reached at the same addresses inside.
//!
//! The virtual API server chooses ClusterIPs and node ports from the host's ranges, and the host is asked for exactly
//! those. Where the host has given them away, the virtual Service moves to what the host gives instead ([`moving`]).

mod addresses;
mod api_server;
mod both;
mod merge;
mod moving;
mod spec;
mod taken;

use crate::json::{Map, Value, json};

use crate::mirror::{Rule, is_twin};
use crate::resource::SERVICES;
use crate::{
    Gone, Host, Key, Mirror, NotNow, Object, Op, Plan, Resource, Settings, View, Virtual, World,
    metadata,
};

pub use addresses::settled;
pub use api_server::API_SERVER;
pub use moving::wish;

/// Services of any type, and the address of `default/kubernetes`.
pub struct Services;

/// Annotation on a host Service: the spec that both sides last agreed on, so that it can be told which one changed.
const AGREED: &str = "vcluster.loft.sh/synced-spec";

impl Mirror for Services {
    fn kind(&self) -> &'static Resource {
        &SERVICES
    }

    /// `default/kubernetes` stands for host Service `NAME`, which is the chart's.
    fn host_key(&self, key: &Virtual<Key>, settings: &Settings) -> Option<Host<Key>> {
        (!api_server::is(key)).then(|| super::namespaced_host_key(key, settings))
    }

    fn rules(&self) -> &'static [Rule] {
        &[Rule { group: "", resources: &["services"], verbs: super::MIRRORED, in_admin: true }]
    }

    fn plan(&self, view: &View, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
        match view {
            View::VirtualOnly { virt } if api_server::is(&view.key()) => {
                api_server::plan(virt, world, settings)
            }
            View::VirtualOnly { virt } if !virt.is_deleting() => create(virt, world, settings),
            View::Both { host, .. } if host.is_deleting() => {
                Err(NotNow::waiting("its Service on the host is being deleted"))
            }
            View::Both { virt, host } if is_twin(virt, host) => {
                both::plan(virt, host, world, settings)
            }
            View::HostOnly { gone: Gone::Unproven, .. } => Err(NotNow::ProveGone),
            View::Both { host, .. } | View::HostOnly { host, .. } if !host.is_deleting() => {
                Ok(Op::delete_host(&SERVICES, host).into())
            }
            _ => Ok(Plan::nothing()),
        }
    }
}

fn create(virt: &Virtual<Object>, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
    let wish = moving::wish(virt);
    let host = super::namespaced_host_key(&Virtual(virt.key()), settings);
    let wanted = spec::to_host(&wish, settings);
    let mut asked = wanted.clone();
    taken::leave_out(&mut asked, &world.refusals());
    if moving::saved(virt).is_some() {
        // Its address was given up already: whatever the host gives is as good.
        spec::without_addresses(&mut asked);
    }
    let object = json!({
        "apiVersion": SERVICES.api_version(),
        "kind": SERVICES.kind,
        "metadata": host_metadata(&wish, &host, &merge::agreed_from(&wanted), settings),
        "spec": asked,
    });
    let mut plan = Plan::from(Op::create_host(&SERVICES, Host(Object::new(object))));
    plan.notes.extend(spec::dropped(&wish));
    Ok(plan)
}

fn host_metadata(
    wish: &Virtual<Object>,
    host: &Host<Key>,
    agreed: &Map,
    settings: &Settings,
) -> Value {
    let agreed = Value::Object(agreed.clone());
    let mut made = Object::new(json!({
        "metadata": metadata::to_host(wish, &SERVICES, host, settings),
    }));
    made.set(&["metadata", "annotations", AGREED], agreed.to_string());
    made.at(&["metadata"]).cloned().unwrap_or_default()
}
