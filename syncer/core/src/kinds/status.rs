//! The status of a virtual object, following its host twin's.

use crate::json::{Value, json};

use crate::{Object, Op, PatchForm, Resource, Side, Virtual, World, diff, skew};

/// The write that makes a virtual object's status equal to `wanted`, if it differs. Only for kinds whose status nobody
/// else writes in the virtual cluster: unknown fields survive, and what is not wanted goes.
///
/// Lists are replaced whole, so the write carries the version that was looked at.
pub fn follow(
    kind: &'static Resource,
    virt: &Virtual<Object>,
    wanted: Value,
    world: &dyn World,
) -> Option<Op> {
    let mut wanted = json!({ "status": wanted });
    for path in world.drops(Side::Virtual, kind) {
        skew::remove(&mut wanted, &path);
    }
    let have = json!({"status": virt.at(&["status"]).cloned().unwrap_or_else(|| json!({}))});
    let body = diff::merge_patch(&have, &wanted)?;
    let op = Op::patch(Side::Virtual, kind, virt, PatchForm::Merge, Some("status"), body);
    Some(op.at_version(virt.resource_version()))
}
