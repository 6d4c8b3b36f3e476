//! The node for which a claim is to get its volume, where volumes wait for their first consumer: a scheduler chooses it,
//! and whoever makes volumes on the host hears of it, and may say that it cannot be done there.

use crate::json::{Value, json};

use crate::resource::CLAIMS;
use crate::{Host, Object, Op, Settings, Virtual};

/// The annotation by which a scheduler tells the node. Whoever makes volumes takes it away if he can make none there.
pub const NODE: &str = "volume.kubernetes.io/selected-node";
/// Annotation on a host claim: the node that we told last.
const SENT: &str = "vcluster.loft.sh/selected-node";

/// What is to be done about the choice.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice {
    /// A scheduler inside has chosen, and the host does not know yet.
    Send,
    /// Nothing is chosen inside: what the host noted of an earlier choice goes.
    Forget,
    /// The host's word counts.
    Hosts,
}

impl Choice {
    /// What is to be done. `bound`: the host claim has its volume.
    pub fn of(
        virt: &Virtual<Object>,
        host: &Host<Object>,
        bound: bool,
        settings: &Settings,
    ) -> Choice {
        let (chosen, sent) = (virt.annotation(NODE), host.annotation(SENT));
        if bound || !settings.scheduling.any_inside() {
            return Choice::Hosts;
        }
        match (chosen, sent) {
            (Some(_), _) if chosen != sent => Choice::Send,
            (None, Some(_)) => Choice::Forget,
            _ => Choice::Hosts,
        }
    }

    /// The write that the host needs.
    pub fn sent(&self, virt: &Virtual<Object>, host: &Host<Object>) -> Option<Op> {
        let chosen = virt.annotation(NODE);
        let annotations = match self {
            Choice::Send => json!({NODE: chosen, SENT: chosen}),
            Choice::Forget => json!({SENT: Value::Null}),
            Choice::Hosts => return None,
        };
        let body = json!({"metadata": {"annotations": annotations}});
        Some(Op::patch_host(&CLAIMS, host, body))
    }
}
