//! Secrets that something in the virtual cluster refers to.

use crate::json::Value;

use crate::mirror::{Keep, Rule};
use crate::resource::SECRETS;
use crate::{Host, Key, Mirror, NotNow, Object, Plan, Resource, Settings, View, Virtual, World};

use super::copied;

/// Secrets: copied to the host while referenced (or always, with `sync.toHost.secrets.all`).
pub struct Secrets;

/// Secrets of this type are filled in, and deleted, by the controllers of the cluster that they are in.
const SERVICE_ACCOUNT_TOKEN: &str = "kubernetes.io/service-account-token";

impl Mirror for Secrets {
    fn kind(&self) -> &'static Resource {
        &SECRETS
    }

    fn host_key(&self, key: &Virtual<Key>, settings: &Settings) -> Option<Host<Key>> {
        Some(super::namespaced_host_key(key, settings))
    }

    fn keep(&self) -> Keep {
        Keep::WhenReferenced
    }

    fn rules(&self) -> &'static [Rule] {
        &[Rule { group: "", resources: &["secrets"], verbs: super::MIRRORED, in_admin: true }]
    }

    fn plan(&self, view: &View, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
        let wanted = settings.all_secrets || world.is_referenced(&SECRETS, &view.key());
        let host = self.host_key(&view.key(), settings);
        copied::plan(&SECRETS, view, wanted, host, settings, translate)
    }
}

/// The token of a virtual service account is a plain secret on the host: the host has no such account, and would
/// delete it.
fn translate(virt: &Virtual<Object>, _metadata: &mut Value) -> copied::Fields {
    let kind = match virt.str_at(&["type"]) {
        None | Some(SERVICE_ACCOUNT_TOKEN) => "Opaque",
        Some(other) => other,
    };
    vec![
        ("data", virt.at(&["data"]).cloned()),
        ("immutable", virt.at(&["immutable"]).cloned()),
        ("type", Some(kind.into())),
    ]
}
