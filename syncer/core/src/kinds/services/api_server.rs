//! `default/kubernetes`: how pods reach the virtual API server. It gets the address of host Service `NAME`, and is never
//! mirrored itself.

use crate::resource::SERVICES;
use crate::{Key, NotNow, Object, Plan, Settings, Virtual, World};

use super::{moving, spec};

/// Namespace and name of the virtual API server's own Service.
pub const API_SERVER: (&str, &str) = ("default", "kubernetes");

/// Whether a virtual Service is the API server's own.
pub fn is(key: &Virtual<Key>) -> bool {
    (key.namespace(), key.name()) == API_SERVER
}

/// Moves `default/kubernetes` to the host Service's address. The API server makes the object, and lets it be then.
pub fn plan(
    virt: &Virtual<Object>,
    world: &dyn World,
    settings: &Settings,
) -> Result<Plan, NotNow> {
    let key = settings.api_service();
    let host = world.host(&SERVICES, &key);
    let Some(host) = host.filter(|host| !spec::cluster_ips(host).is_empty()) else {
        return Err(NotNow::waiting(format!("Service {} on the host", *key)));
    };
    let (has, wants) = (spec::cluster_ips(virt), spec::cluster_ips(&host));
    let address = wants.first().copied().unwrap_or_default();
    if let Some(saved) = moving::saved(virt) {
        return Ok(moving::end(virt, &saved, &host, &world.refusals()).into());
    }
    if has.iter().zip(&wants).all(|(has, wants)| has == wants) {
        return Ok(moving::leftover(virt).map(Plan::from).unwrap_or_default());
    }
    if moving::cannot_follow(virt, address) {
        return Err(NotNow::refused(
            "SyncError",
            format!(
                "the API server's address {address} is not in the range of Service addresses, so pods cannot find it \
                 by this Service; start the control plane again, so that it takes over the host cluster's range"
            ),
        ));
    }
    Ok(moving::begin(virt).into())
}
