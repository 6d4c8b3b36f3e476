//! Host objects that someone decided to keep: `vcluster adopt` marked them with [`labels::KEPT`] (design D6).
//!
//! Their virtual objects went with a store that was lost. A kept object stays until a virtual object of its key comes
//! back, and is then handed over to that: it keeps its data, its addresses and its UID on the host.

use crate::json::{Value, json};

use crate::mirror::{AfterLoss, Mirror, View, is_twin};
use crate::{Host, NotNow, Object, Op, Plan, Settings, Virtual, World, labels};

/// Decides about a key as its kind does, unless its host object is kept.
///
/// # Errors
/// As [`Mirror::plan`]; and [`NotNow::Orphaned`] while a kept object waits.
pub fn plan(
    mirror: &dyn Mirror,
    view: &View,
    world: &dyn World,
    settings: &Settings,
) -> Result<Plan, NotNow> {
    let may_hand_over = match mirror.after_loss() {
        AfterLoss::HandedOver => true,
        AfterLoss::Replaced => false,
        AfterLoss::Ours => return mirror.plan(view, world, settings),
    };
    match view {
        View::HostOnly { key, host, .. } if is_kept(host) => Err(waits(host, &key.to_string())),
        View::Both { virt, host } if is_kept(host) && is_twin(virt, host) => {
            Ok(hand_over(mirror, virt, host))
        }
        View::Both { virt, host } if is_kept(host) && may_hand_over => match virt.is_deleting() {
            // Handed over to an object on its way out, it would go with that.
            true => Err(waits(host, &virt.key().to_string())),
            false => Ok(hand_over(mirror, virt, host)),
        },
        _ => mirror.plan(view, world, settings),
    }
}

/// Whether it is kept. One that is on its way out cannot be.
fn is_kept(host: &Host<Object>) -> bool {
    host.annotation(labels::KEPT).is_some() && !host.is_deleting()
}

/// Rewrites the marks. What else differs is the next plan's.
fn hand_over(mirror: &dyn Mirror, virt: &Virtual<Object>, host: &Host<Object>) -> Plan {
    let marks = json!({"metadata": {"annotations": {
        (labels::OBJECT_UID): virt.uid(),
        (labels::OBJECT_VERSION): virt.resource_version(),
        (labels::KEPT): Value::Null,
    }}});
    Op::patch_host(mirror.host_kind(), host, marks).into()
}

fn waits(host: &Host<Object>, key: &str) -> NotNow {
    let why = format!(
        "{} on the host is kept until its virtual object {key} comes back, or `vcluster prune` deletes it",
        host.name()
    );
    NotNow::Orphaned { why }
}
