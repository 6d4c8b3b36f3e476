//! The certificates of a virtual cluster, as Secret `NAME-certs` of the host holds them.
//!
//! The syncer renews them by itself, with thirty days left. `rotate` takes the leaves out of the Secret and asks the
//! syncer to look: what is missing is made anew, as at start. `rotate-ca` takes the authorities out as well, which needs
//! a restart of the control plane.

mod read;
mod renew;
mod show;

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use crate::discover::Found;
use crate::error::{CliError, Kind, Result};
use crate::host::within;
use crate::names;

pub use read::Certificate;
pub use renew::{rotate, rotate_authorities};
pub use show::text;

/// The Secret, as far as we need it.
#[derive(Clone, Debug)]
struct Kept {
    uid: String,
    version: String,
    data: BTreeMap<String, ByteString>,
}

/// The certificates in the Secret, authorities first.
///
/// # Errors
/// When the host refuses, or there is no such Secret.
pub async fn kept(found: &Found) -> Result<Vec<Certificate>> {
    secret(found).await.map(|secret| read::certificates(&secret.data))
}

async fn secret(found: &Found) -> Result<Kept> {
    let (name, namespace) = (&found.cluster.name, &found.cluster.namespace);
    let secret = names::certs_secret(name);
    let doing = format!("read secret {secret} in namespace {namespace}");
    let secrets = found.host.api::<Secret>(namespace);
    let Some(kept) = within(&doing, secrets.get_opt(&secret)).await? else {
        return Err(CliError::new(Kind::NotFound, format!("cannot {doing}"))
            .because(
                "this virtual cluster has not started yet, or keeps its certificates elsewhere",
            )
            .hint(format!("kubectl --context {} -n {namespace} get secret", found.host.context)));
    };
    Ok(Kept {
        uid: kept.metadata.uid.unwrap_or_default(),
        version: kept.metadata.resource_version.unwrap_or_default(),
        data: kept.data.unwrap_or_default(),
    })
}
