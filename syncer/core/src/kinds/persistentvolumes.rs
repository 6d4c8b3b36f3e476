//! Volumes as they are shown inside: one for each bound claim, made of what the host claim tells. The host's volumes
//! themselves belong to no namespace; only where a scheduler inside must know which nodes reach them are they read.
//!
//! Nothing on the host hangs on these objects, so they carry no finalizer of ours. The API server gives each volume
//! `kubernetes.io/pv-protection`, and the virtual cluster's controller takes it away once the volume is not `Bound`: so
//! the phase becomes `Released` before a volume is deleted, as it would on a real cluster.

use crate::json::{Map, Value, json};

use crate::mirror::{Rule, is_twin};
use crate::resource::{CLAIMS, VOLUMES};
use crate::{
    Host, Key, Mirror, NotNow, Object, Op, Plan, Resource, Scheduling, Settings, Side, View,
    Virtual, World, diff,
};

use super::status;

/// Persistent volumes that show what is behind a claim.
pub struct Volumes;

/// Annotation: the volume on the host that a virtual volume stands for; by it we know ours.
const HOST_VOLUME: &str = "vcluster.loft.sh/host-pv";
/// The nodes that reach a volume. Once said it may not change.
const REACH: [&str; 2] = ["spec", "nodeAffinity"];
/// No driver of this name exists, so nothing inside tries to attach or mount the volume.
const DRIVER: &str = "vcluster.loft.sh";

impl Mirror for Volumes {
    fn kind(&self) -> &'static Resource {
        &VOLUMES
    }

    fn has_twins(&self) -> bool {
        false
    }

    fn original(&self, scheduling: &Scheduling) -> Option<&'static Resource> {
        scheduling.any_inside().then_some(&VOLUMES)
    }

    /// Most volumes of the host are other people's.
    fn slim(&self, host: &mut Object) {
        let reach = host.at(&REACH).cloned();
        host.remove(&["spec"]);
        host.remove(&["status"]);
        host.remove(&["metadata", "annotations"]);
        if let Some(reach) = reach {
            host.set(&REACH, reach);
        }
    }

    fn neighbours(&self) -> &'static [&'static Resource] {
        static NEIGHBOURS: [&Resource; 1] = [&CLAIMS];
        &NEIGHBOURS
    }

    fn host_key(&self, _key: &Virtual<Key>, _settings: &Settings) -> Option<Host<Key>> {
        None
    }

    fn rules(&self) -> &'static [Rule] {
        &[]
    }

    fn plan(&self, view: &View, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
        let Some(volume) = view.virt().filter(|volume| is_ours(volume)) else {
            return Ok(Plan::nothing());
        };
        let text = |member| volume.str_at(&["spec", "claimRef", member]).unwrap_or_default();
        let key = Virtual(Key::new(text("namespace"), text("name")));
        let claim = world.virt(&CLAIMS, &key).filter(|claim| claim.uid() == text("uid"));
        let Some(claim) = claim else {
            return Ok(released(volume, world));
        };
        // The phase first: it names the version that was looked at, which the other write would change.
        let mut plan = Plan::of(in_phase("Bound", volume, world));
        let host = world.host(&CLAIMS, &super::namespaced_host_key(&key, settings));
        if let Some(host) = host.filter(|host| is_twin(&claim, host)) {
            let original = original(volume.name(), world);
            plan.ops.extend(spec_patch(volume, &host, original.as_ref()));
        }
        Ok(plan)
    }
}

/// Whether a virtual volume is one that we made.
pub fn is_ours(volume: &Virtual<Object>) -> bool {
    volume.annotation(HOST_VOLUME) == Some(volume.name())
}

/// The host's volume, if it is read.
pub fn original(name: &str, world: &dyn World) -> Option<Host<Object>> {
    world.host(&VOLUMES, &Host(Key::cluster(name)))
}

/// The virtual volume for a claim that the host has bound.
pub fn made_for(
    virt: &Virtual<Object>,
    host: &Host<Object>,
    name: &str,
    original: Option<&Host<Object>>,
) -> Virtual<Object> {
    let mut spec = shown(host);
    spec.extend(reach(original));
    spec.insert("persistentVolumeReclaimPolicy", "Delete".into());
    spec.insert("csi", json!({"driver": DRIVER, "volumeHandle": name}));
    spec.insert(
        "claimRef",
        json!({
            "apiVersion": CLAIMS.api_version(), "kind": CLAIMS.kind,
            "name": virt.name(), "namespace": virt.namespace(), "uid": virt.uid(),
        }),
    );
    Virtual(Object::new(json!({
        "apiVersion": VOLUMES.api_version(),
        "kind": VOLUMES.kind,
        "metadata": {"name": name, "annotations": {HOST_VOLUME: name}},
        "spec": spec,
    })))
}

/// What a bound host claim tells of its volume.
fn shown(host: &Host<Object>) -> Map {
    let modes = host.at(&["status", "accessModes"]).or(host.at(&["spec", "accessModes"]));
    let members = [
        ("capacity", host.at(&["status", "capacity"])),
        ("accessModes", modes),
        ("storageClassName", host.at(&["spec", "storageClassName"])),
        ("volumeMode", host.at(&["spec", "volumeMode"])),
    ];
    let present = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
    present.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

fn reach(original: Option<&Host<Object>>) -> Option<(String, Value)> {
    Some(("nodeAffinity".into(), original?.at(&REACH)?.clone()))
}

/// What of a volume may change: its size, mostly.
fn spec_patch(
    volume: &Virtual<Object>,
    host: &Host<Object>,
    original: Option<&Host<Object>>,
) -> Option<Op> {
    let mut body = Map::new();
    body.extend(reach(original).filter(|_| volume.at(&REACH).is_none()));
    let changing = shown(host).into_iter().filter(|(name, _)| name != "volumeMode");
    for (name, wanted) in changing {
        let have = volume.at(&["spec", &name]).unwrap_or(&Value::Null);
        if let Some(difference) = diff::merge_patch(have, &wanted) {
            body.insert(name, difference);
        }
    }
    (!body.is_empty()).then(|| Op::patch_virtual(&VOLUMES, volume, json!({ "spec": body })))
}

fn released(volume: &Virtual<Object>, world: &dyn World) -> Plan {
    let phase = in_phase("Released", volume, world);
    let delete = (!volume.is_deleting()).then(|| Op::delete(Side::Virtual, &VOLUMES, volume, None));
    Plan::of(phase.into_iter().chain(delete))
}

fn in_phase(phase: &str, volume: &Virtual<Object>, world: &dyn World) -> Option<Op> {
    let mut wanted = Object::new(volume.at(&["status"]).cloned().unwrap_or_default());
    wanted.set(&["phase"], phase);
    status::follow(&VOLUMES, volume, wanted.into_value(), world)
}
