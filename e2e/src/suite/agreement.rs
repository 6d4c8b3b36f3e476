//! Whether host and virtual cluster agree: nothing lost, nothing orphaned, nothing twice.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::holds::holds_within;
use super::kind::{self, Kind};
use super::space::text;
use super::virtual_cluster::{VirtualCluster, origin, origin_uid};

/// How long both sides may take to agree once nothing disturbs them any more.
const REST: std::time::Duration = std::time::Duration::from_secs(180);

/// Kinds that stand for each other on both sides.
const MIRRORED: [Kind; 6] = [
    kind::PODS,
    kind::SERVICES,
    kind::CONFIG_MAPS,
    kind::SECRETS,
    kind::CLAIMS,
    kind::ENDPOINT_SLICES,
];

/// Kinds of which every object inside must have its twin on the host.
const ALWAYS: [Kind; 3] = [kind::PODS, kind::SERVICES, kind::CLAIMS];

/// Waits until both sides agree.
///
/// # Errors
/// With what differs, when they still do not after [`REST`].
pub async fn reached(cluster: &VirtualCluster) -> Result<()> {
    holds_within(REST, "host and virtual cluster agree", || async {
        let differences = differences(cluster).await?;
        ensure!(differences.is_empty(), "{}", differences.join("\n"));
        Ok(())
    })
    .await
}

/// What differs, one line each.
///
/// # Errors
/// When one side does not answer.
pub async fn differences(cluster: &VirtualCluster) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    // Virtual objects by UID, of all kinds: a Secret with tokens stands for a pod.
    let mut inside: BTreeMap<String, (Kind, Value)> = BTreeMap::new();
    for kind in MIRRORED {
        for object in cluster.inside.list(kind, "", "").await? {
            inside.insert(text(&object, "/metadata/uid").to_owned(), (kind, object));
        }
    }
    // A Service that leads to a virtual node goes by the node's name; nodes come and go with another UID.
    let nodes = cluster.inside.list(kind::NODES, "", "").await?;
    for kind in MIRRORED {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for twin in cluster.twins(kind).await?.into_iter().filter(ours) {
            let name = text(&twin, "/metadata/name").to_owned();
            if text(&twin, "/metadata/annotations/vcluster.loft.sh~1object-kind")
                == "/v1, Kind=Node"
            {
                let node = origin(&twin).1;
                if !nodes.iter().any(|found| text(found, "/metadata/name") == node) {
                    differences.push(format!("orphan: host {} {name}, of node {node}", kind.name));
                }
                continue;
            }
            let uid = origin_uid(&twin).to_owned();
            match inside.get(&uid) {
                None => differences.push(format!(
                    "orphan: host {} {name}, of {:?}",
                    kind.name,
                    origin(&twin)
                )),
                Some((_, object)) if origin(&twin) != place(object) => {
                    differences.push(format!(
                        "host {} {name} names {:?} and the UID of {:?}",
                        kind.name,
                        origin(&twin),
                        place(object)
                    ));
                }
                Some((of, object)) if *of == kind::PODS && kind == kind::PODS => {
                    differences.extend(pods_differ(object, &twin));
                }
                Some(_) => {}
            }
            if let Some(other) = seen.insert(uid, name.clone()) {
                differences.push(format!("twice: host {} {name} and {other}", kind.name));
            }
        }
        if ALWAYS.contains(&kind) {
            let missing = inside.iter().filter(|(uid, (of, object))| {
                *of == kind && mirrored(kind, object) && !seen.contains_key(*uid)
            });
            differences.extend(missing.map(|(_, (_, object))| {
                format!("lost: {} {:?} is not on the host", kind.name, place(object))
            }));
        }
    }
    Ok(differences)
}

/// Whether a marked host object was made by the syncer. Slices that the host's controllers make have the labels of their
/// Service.
fn ours(twin: &Value) -> bool {
    let controller = text(twin, "/metadata/labels/endpointslice.kubernetes.io~1managed-by");
    !controller.ends_with(".k8s.io")
}

/// Whether an object of a kind that is always mirrored must have a twin.
fn mirrored(kind: Kind, object: &Value) -> bool {
    match kind {
        kind::PODS => !matches!(text(object, "/status/phase"), "Succeeded" | "Failed"),
        // The virtual API server's own Service stands for one that is on the host anyway.
        kind::SERVICES => place(object) != ("default", "kubernetes"),
        _ => true,
    }
}

/// What must be the same in both once all has come to rest.
fn pods_differ(inside: &Value, twin: &Value) -> Option<String> {
    for pointer in ["/spec/nodeName", "/status/phase", "/status/podIP"] {
        if inside.pointer(pointer) != twin.pointer(pointer) {
            return Some(format!(
                "pod {:?}: {pointer} is {:?} inside and {:?} on the host",
                place(inside),
                inside.pointer(pointer),
                twin.pointer(pointer)
            ));
        }
    }
    let deleted = |pod: &Value| pod.pointer("/metadata/deletionTimestamp").is_some();
    (deleted(inside) || deleted(twin))
        .then(|| format!("pod {:?} is still being deleted", place(inside)))
}

fn place(object: &Value) -> (&str, &str) {
    (text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}
