//! What no write of the syncer's may do, whatever its caches made it believe. Judged on what is true when it is made.

use vcluster_syncer_core::resource::{CLAIMS, ENDPOINT_SLICES, NODES, PODS, VOLUMES};
use vcluster_syncer_core::{Act, Key, Object, Op, Side, labels};

use super::clusters::Clusters;

/// What is wrong with a write that is about to succeed, if anything.
pub fn wrong(clusters: &Clusters, op: &Op) -> Option<String> {
    let deletes = matches!(op.act, Act::Delete { .. });
    let why = match (op.side, &op.act) {
        (Side::Host, Act::Create(object)) => made_again_empty(clusters, op, object),
        (Side::Host, act) => {
            let target = clusters.host.get(op.kind, &op.key)?;
            not_ours(clusters, target)
                .or_else(|| handed_over(op, act, target))
                .or_else(|| deletes.then(|| still_wanted(clusters, op, target)).flatten())
        }
        (Side::Virtual, _) => {
            let target = clusters.virt.get(op.kind, &op.key)?;
            deletes.then(|| not_made_by_us(op, target)).flatten()
        }
    };
    why.map(|why| format!("{op:?}: {why}"))
}

fn not_ours(clusters: &Clusters, target: &Object) -> Option<String> {
    let ours = target.label(labels::MANAGED_BY) == Some(&clusters.settings.name)
        && target.annotation(labels::OBJECT_NAME).is_some();
    (!ours).then(|| "the object is somebody else's".to_owned())
}

/// A claim that was bound held data; a new one in its place would hide that it is lost.
fn made_again_empty(clusters: &Clusters, op: &Op, object: &Object) -> Option<String> {
    let virt = clusters.virt.get(op.kind, &twin_key(object))?;
    let was_bound = *op.kind == CLAIMS && virt.str_at(&["status", "phase"]) == Some("Bound");
    was_bound.then(|| "its data is lost, and it is made again".to_owned())
}

/// Whose a claim is, is decided by people.
fn handed_over(op: &Op, act: &Act, target: &Object) -> Option<String> {
    let Act::Patch { body, .. } = act else { return None };
    let uid = body.get("metadata")?.get("annotations")?.get(labels::OBJECT_UID);
    let decided = target.annotation(labels::KEPT).is_some();
    (*op.kind == CLAIMS && uid.is_some() && !decided)
        .then(|| "another claim gets its data".to_owned())
}

/// Of claims, which hold data, and pods, which run, the very virtual object must have been deleted. All else can be made
/// again, but is not taken away for being absent from a cache.
fn still_wanted(clusters: &Clusters, op: &Op, target: &Object) -> Option<String> {
    let uid = target.annotation(labels::OBJECT_UID).unwrap_or_default();
    let key = twin_key(target);
    let virt = clusters.virt.get(op.kind, &key).filter(|virt| virt.uid() == uid);
    let deleted = clusters.virt.ended.contains(uid);
    let alive = virt.is_some() && !deleted;
    let unseen = clusters.memory.get(Side::Virtual, op.kind, &key).is_none();
    if alive && (unseen || [&CLAIMS, &PODS].contains(&op.kind)) {
        return Some("its virtual object is alive".to_owned());
    }
    (*op.kind == CLAIMS && !deleted)
        .then(|| "its virtual claim was not deleted, but lost".to_owned())
}

fn twin_key(host: &Object) -> Key {
    let text = |annotation| host.annotation(annotation).unwrap_or_default();
    Key::new(text(labels::OBJECT_NAMESPACE), text(labels::OBJECT_NAME))
}

/// Pods end inside once they ended on the host; the rest of what may go inside was made by us.
fn not_made_by_us(op: &Op, target: &Object) -> Option<String> {
    let made = match op.kind {
        kind if *kind == PODS => true,
        kind if *kind == NODES => target.label("vcluster.loft.sh/fake-node").is_some(),
        kind if *kind == VOLUMES => target.annotation("vcluster.loft.sh/host-pv").is_some(),
        kind if *kind == ENDPOINT_SLICES => target.key() == Key::new("default", "kubernetes"),
        _ => false,
    };
    let made = made || target.annotation(labels::FROM_HOST).is_some();
    (!made).then(|| "the tenant made it".to_owned())
}
