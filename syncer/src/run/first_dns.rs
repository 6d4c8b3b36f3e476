//! When CoreDNS inside is there to be asked for the first time.

use std::net::IpAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use vcluster_syncer_core::json::Value;
use vcluster_syncer_core::object::members;
use vcluster_syncer_core::resource::{PODS, SERVICES};
use vcluster_syncer_core::{Object, Virtual};

use crate::admin::Check;
use crate::coredns::{self, Selector};
use crate::engine::Engine;

/// Between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// How long a connection to its Service may take: a packet that is dropped is not asked for again sooner.
const CONNECTED: Duration = Duration::from_millis(200);
/// A kube-proxy looks once a second at most. Where the Service cannot be reached from here for longer, it is for another
/// reason, such as a network policy, and pods may reach it all the same.
const PATIENCE: Duration = Duration::from_secs(2);
/// The port of its Service.
const PORT: u16 = 53;

/// Has the Service lead to the pods before they are ready, as long as none is; gives back what it is to be as soon as one
/// has answered.
///
/// A kube-proxy that has just heard of a pod, which was not ready, looks again a second later. CoreDNS is ready some 30
/// milliseconds after its address is known, and would be waited for all that second at every start.
pub fn lead_early(engine: &Engine, selector: &Selector, objects: &mut [Value]) -> Option<Value> {
    if pods(engine, selector).iter().any(is_ready) {
        return None;
    }
    let service = objects.iter_mut().find(|object| is_service(object))?;
    let usual = service.clone();
    let spec = members(service).get_mut("spec")?;
    members(spec).insert("publishNotReadyAddresses", true.into());
    Some(usual)
}

/// Waits for a pod of CoreDNS that is ready, and until its Service leads there: a node refuses what is sent to a Service
/// that it knows no pods of yet, and who asks for a name then is not told to ask again.
pub async fn wait(engine: Engine, selector: Selector, check: Check) {
    while !pods(&engine, &selector).iter().any(is_ready) {
        sleep(BETWEEN_LOOKS).await;
    }
    if let Some(address) = address(&engine)
        && timeout(PATIENCE, answers(address)).await.is_err()
    {
        tracing::debug!(%address, "the Service of CoreDNS cannot be reached from here");
    }
    check.ok();
}

/// The pods of CoreDNS inside.
pub fn pods(engine: &Engine, selector: &Selector) -> Vec<Virtual<Object>> {
    let mut pods = engine.virtual_objects(&PODS, coredns::NAMESPACE);
    pods.retain(|pod| selector.selects(pod.labels()));
    pods
}

/// The address of its Service, which is the same inside and on the host.
fn address(engine: &Engine) -> Option<IpAddr> {
    let services = engine.virtual_objects(&SERVICES, coredns::NAMESPACE);
    let service = services.iter().find(|service| service.name() == coredns::SERVICE)?;
    service.str_at(&["spec", "clusterIP"])?.parse().ok()
}

async fn answers(address: IpAddr) {
    while !matches!(timeout(CONNECTED, TcpStream::connect((address, PORT))).await, Ok(Ok(_))) {
        sleep(BETWEEN_LOOKS).await;
    }
}

fn is_service(object: &Value) -> bool {
    let object = Object::new(object.clone());
    object.str_at(&["kind"]) == Some("Service") && object.name() == coredns::SERVICE
}

fn is_ready(pod: &Virtual<Object>) -> bool {
    pod.items_at(&["status", "conditions"]).iter().any(|condition| {
        let is = |member: &str, value: &str| {
            condition.get(member).and_then(Value::as_str) == Some(value)
        };
        is("type", "Ready") && is("status", "True")
    })
}
