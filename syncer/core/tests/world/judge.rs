//! What no write of the syncer's may do, whatever its caches made it believe. Judged on what is true when it is made.

use vcluster_syncer_core::resource::{CLAIMS, ENDPOINT_SLICES, NODES, PODS, VOLUMES};
use vcluster_syncer_core::{Act, Key, Object, Op, Side, Virtual, labels};

use super::clusters::Clusters;

/// What is wrong with a write that is about to succeed, if anything.
pub fn wrong(clusters: &Clusters, op: &Op) -> Option<String> {
    let target = match op.side {
        Side::Virtual => clusters.virt.get(op.kind, &op.key),
        Side::Host => clusters.host.get(op.kind, &op.key),
    }?;
    let deletes = matches!(op.act, Act::Delete { .. });
    match op.side {
        Side::Host => not_ours(clusters, target)
            .or_else(|| deletes.then(|| still_wanted(clusters, op, target)).flatten()),
        Side::Virtual => deletes.then(|| not_made_by_us(op, target)).flatten(),
    }
    .map(|why| format!("{op:?}: {why}"))
}

fn not_ours(clusters: &Clusters, target: &Object) -> Option<String> {
    let ours = target.label(labels::MANAGED_BY) == Some(&clusters.settings.name)
        && target.annotation(labels::OBJECT_NAME).is_some();
    (!ours).then(|| "the object is somebody else's".to_owned())
}

/// Claims hold data, and pods run: their virtual objects must be at their end. All else can be made again.
fn still_wanted(clusters: &Clusters, op: &Op, target: &Object) -> Option<String> {
    if ![&CLAIMS, &PODS].contains(&op.kind) {
        return None;
    }
    let text = |annotation| target.annotation(annotation).unwrap_or_default();
    let key = Key::new(text(labels::OBJECT_NAMESPACE), text(labels::OBJECT_NAME));
    let uid = text(labels::OBJECT_UID);
    let virt = clusters.virt.get(op.kind, &key).filter(|virt| virt.uid() == uid)?;
    (!virt.is_deleting()).then(|| "its virtual object is alive".to_owned())
}

/// Pods end inside once they ended on the host; the rest of what may go inside was made by us.
fn not_made_by_us(op: &Op, target: &Object) -> Option<String> {
    let made = match op.kind {
        kind if *kind == PODS => true,
        kind if *kind == NODES => target.label("vcluster.loft.sh/fake-node").is_some(),
        kind if *kind == VOLUMES => target.annotation("vcluster.loft.sh/host-pv").is_some(),
        kind if *kind == ENDPOINT_SLICES => {
            Virtual(target.key()) == Virtual(Key::new("default", "kubernetes"))
        }
        _ => false,
    };
    (!made).then(|| "the tenant made it".to_owned())
}
