//! A client for the virtual API server, for commands that look inside themselves.

use std::net::IpAddr;
use std::time::Duration;

use kube::Client;
use tokio::time::Instant;

use super::{API_PATIENCE, Plane, endpoint, ready, stanza};
use crate::discover::Found;
use crate::error::Result;
use crate::forwarder;
use crate::kubeconfig::{Origin, context_name};
use crate::progress::{self, Need, Progress};
use crate::ui::Step;

/// Opens a way through the host to the API server of a virtual cluster that runs, and waits until it answers. Neither
/// the kubeconfig nor another forwarder is touched; connections end with this program.
///
/// # Errors
/// When there are no credentials, or the API does not answer in time.
pub async fn client(found: &Found, step: &mut Step, patience: Duration) -> Result<Client> {
    let (host, cluster) = (&found.host, &found.cluster);
    let (name, namespace) = (cluster.name.as_str(), cluster.namespace.as_str());
    let deadline = Instant::now() + patience.min(API_PATIENCE);
    let mut progress = Progress::start(host, name, namespace);
    let kubeconfig = progress.wait(Need::Credentials, step, deadline).await;
    let kubeconfig = kubeconfig.map_err(|error| progress::after(error, patience))?;
    let (authority, user) = super::credentials(Plane { host, name, namespace }, &kubeconfig)?;
    let listening = forwarder::listen(IpAddr::from([127, 0, 0, 1]), None, None).await?;
    let server = endpoint::local_url(listening.at);
    let target = forwarder::Target::new(host.clone(), name, namespace, None);
    tokio::spawn(forwarder::serve(listening, target));
    let origin = Origin {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        host_context: host.context.clone(),
    };
    let context = context_name(name, namespace, &host.context);
    let stanza = stanza::build(authority, user, &server, false, context, origin);
    ready::answering(&stanza, deadline).await
}
