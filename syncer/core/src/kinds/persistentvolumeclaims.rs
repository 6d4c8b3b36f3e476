//! Claims: the one kind whose host object is the tenant's data.
//!
//! A host claim goes only when its very virtual claim, by UID, was seen being deleted (design D6). So that it always is,
//! a virtual claim carries a finalizer of ours from before its host claim is made until that is gone. A host claim whose
//! virtual claim is merely absent stays, and someone decides: `vcluster adopt` or `vcluster prune`. A virtual claim whose
//! host claim is gone is lost, and is not quietly made again empty.

use crate::json::{Map, Value, json};

use crate::mirror::{Rule, is_twin};
use crate::object::members;
use crate::resource::{CLAIMS, VOLUMES};
use crate::{
    Gone, Host, Key, Mirror, NotNow, Note, Object, Op, Plan, Resource, Settings, View, Virtual,
    World, labels, metadata, quantity,
};

use super::{persistentvolumes, status};
use choice::Choice;

mod choice;

/// Persistent volume claims.
pub struct Claims;

/// On a virtual claim: its host claim may exist.
const FINALIZER: &str = "vcluster.loft.sh/host-claim";

/// What the controllers of a cluster note on its claims: it means nothing in the other, and the host's is shown inside.
const BINDING: [&str; 7] = [
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "pv.kubernetes.io/migrated-to",
    choice::NODE,
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-resizer",
];

impl Mirror for Claims {
    fn kind(&self) -> &'static Resource {
        &CLAIMS
    }

    fn neighbours(&self) -> &'static [&'static Resource] {
        static NEIGHBOURS: [&Resource; 1] = [&VOLUMES];
        &NEIGHBOURS
    }

    fn host_key(&self, key: &Virtual<Key>, settings: &Settings) -> Option<Host<Key>> {
        Some(super::namespaced_host_key(key, settings))
    }

    fn rules(&self) -> &'static [Rule] {
        const CLAIMS: &[&str] = &["persistentvolumeclaims"];
        &[Rule { group: "", resources: CLAIMS, verbs: super::MIRRORED, in_admin: true }]
    }

    fn plan(&self, view: &View, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
        match view {
            View::VirtualOnly { virt } => without_twin(virt, world, settings),
            View::Both { host, .. } if host.is_deleting() && !is_pair(view) => {
                Err(NotNow::waiting("the host claim of an earlier claim is being deleted"))
            }
            View::Both { virt, host } if !is_twin(virt, host) => Err(NotNow::refused(
                "SyncError",
                "the host cluster still has the claim, and the data, of an earlier claim of this name; whoever runs \
                 the virtual cluster can hand it over with `vcluster adopt`, or delete it with `vcluster prune`",
            )),
            View::Both { virt, host } if virt.is_deleting() => Ok(end(virt, host)),
            View::Both { virt, host } => Ok(follow(virt, host, world, settings)),
            View::HostOnly { host, .. } if host.is_deleting() => Ok(Plan::nothing()),
            View::HostOnly { host, .. } if was_deleted(host, world) => {
                Ok(Op::delete_host(&CLAIMS, host).into())
            }
            View::HostOnly { key, host, .. } => Err(NotNow::Orphaned {
                why: format!(
                    "claim {} on the host has lost its virtual claim {}, which was not seen being deleted: the virtual \
                     cluster's store may have lost it; the data stays until `vcluster adopt` or `vcluster prune`",
                    host.name(),
                    **key
                ),
            }),
            View::Neither { .. } => Ok(Plan::nothing()),
        }
    }
}

fn is_pair(view: &View) -> bool {
    view.virt().zip(view.host()).is_some_and(|(virt, host)| is_twin(virt, host))
}

fn was_deleted(host: &Host<Object>, world: &dyn World) -> bool {
    host.annotation(labels::OBJECT_UID).is_some_and(|uid| world.seen_deleted(uid))
}

/// A virtual claim without a host claim: new, lost, or at its end.
fn without_twin(
    virt: &Virtual<Object>,
    world: &dyn World,
    settings: &Settings,
) -> Result<Plan, NotNow> {
    let was_bound = matches!(virt.str_at(&["status", "phase"]), Some("Bound" | "Lost"));
    let ending = virt.is_deleting() && finalizers(virt).contains(&FINALIZER);
    if (was_bound || ending) && world.twin_gone() == Gone::Unproven {
        return Err(NotNow::ProveTwinGone);
    }
    if virt.is_deleting() {
        return Ok(without_finalizer(virt).map(Plan::from).unwrap_or_default());
    }
    if was_bound {
        let mut lost = virt.at(&["status"]).cloned().unwrap_or_default();
        members(&mut lost).insert("phase", "Lost".into());
        return Ok(Plan {
            ops: status::follow(&CLAIMS, virt, lost, world).into_iter().collect(),
            notes: vec![Note {
                warning: true,
                reason: "ClaimLost",
                message: "the host cluster's claim behind this one is gone, and as a rule its data with it; it is not \
                          made again by itself: delete this claim to get a new, empty one"
                    .to_owned(),
            }],
            ..Plan::nothing()
        });
    }
    let object = json!({
        "apiVersion": CLAIMS.api_version(),
        "kind": CLAIMS.kind,
        "metadata": host_metadata(virt, settings),
        "spec": host_spec(virt, settings)?,
    });
    let create = Op::create_host(&CLAIMS, Host(Object::new(object)));
    // Where the finalizer is there already, its write changes nothing, but fails if the claim is gone or another one by
    // now: a host claim that was made for a cache's sake would have nobody to delete it.
    Ok(Plan::of([set_finalizers(virt, &with_ours(virt)), create]))
}

/// The host claim goes when nothing but us holds the virtual one: until then its owner may still want the data.
fn end(virt: &Virtual<Object>, host: &Host<Object>) -> Plan {
    let held = finalizers(virt).iter().any(|name| *name != FINALIZER);
    match held || host.is_deleting() {
        true => Plan::nothing(),
        false => Op::delete_host(&CLAIMS, host).into(),
    }
}

fn follow(
    virt: &Virtual<Object>,
    host: &Host<Object>,
    world: &dyn World,
    settings: &Settings,
) -> Plan {
    if !finalizers(virt).contains(&FINALIZER) {
        return set_finalizers(virt, &with_ours(virt)).into();
    }
    let mut plan = Plan::nothing();
    let bound = host.str_at(&["status", "phase"]) == Some("Bound");
    let volume = host.str_at(&["spec", "volumeName"]).filter(|name| bound && !name.is_empty());
    if let Some(name) = volume {
        match world.virt(&VOLUMES, &Virtual(Key::cluster(name))) {
            None => {
                let original = persistentvolumes::original(name, world);
                if original.is_some() || !settings.scheduling.any_inside() {
                    let made = persistentvolumes::made_for(virt, host, name, original.as_ref());
                    plan.ops.push(Op::create_virtual(&VOLUMES, made));
                }
            }
            Some(found) if persistentvolumes::is_ours(&found) => {}
            Some(_) => plan.notes.push(Note {
                warning: true,
                reason: "SyncWarning",
                message: format!(
                    "a persistent volume {name} exists that stands for something else, so the volume of this claim \
                     cannot be shown under that name"
                ),
            }),
        }
    }
    // The status first: it names the version that was looked at, which the other write would change.
    if let Some(wanted) = host.at(&["status"]) {
        plan.ops.extend(status::follow(&CLAIMS, virt, wanted.clone(), world));
    }
    let choice = Choice::of(virt, host, bound, settings);
    plan.ops.extend(binding_back(virt, host, volume, &choice));
    plan.ops.extend(choice.sent(virt, host));
    plan.ops.extend(host_patch(virt, host, bound, settings));
    plan
}

/// The name of the bound volume, which the API lets be set once, and what the host's controllers note.
fn binding_back(
    virt: &Virtual<Object>,
    host: &Host<Object>,
    volume: Option<&str>,
    choice: &Choice,
) -> Option<Op> {
    let mut body = Map::new();
    let unnamed = virt.str_at(&["spec", "volumeName"]).is_none_or(str::is_empty);
    if let Some(name) = volume.filter(|_| unnamed) {
        body.insert("spec", json!({ "volumeName": name }));
    }
    let differing = BINDING.iter().filter(|key| {
        virt.annotation(key) != host.annotation(key)
            && !(**key == choice::NODE && *choice == Choice::Send)
    });
    let annotations: Map = differing.map(|key| ((*key).to_owned(), host.annotation(key))).collect();
    if !annotations.is_empty() {
        body.insert("metadata", json!({ "annotations": annotations }));
    }
    (!body.is_empty()).then(|| Op::patch_virtual(&CLAIMS, virt, Value::Object(body)))
}

/// Labels and annotations at any time; of the spec what may change once the claim is bound.
fn host_patch(
    virt: &Virtual<Object>,
    host: &Host<Object>,
    bound: bool,
    settings: &Settings,
) -> Option<Op> {
    let mut body = Map::new();
    if let Some(metadata) = metadata::patch(host, &host_metadata(virt, settings)) {
        body.insert("metadata", metadata);
    }
    let mut spec = Map::new();
    if let Some(size) = size_to_ask(virt, host) {
        spec.insert("resources", json!({"requests": {"storage": size}}));
    }
    let class = ["spec", "volumeAttributesClassName"];
    if let Some(wanted) = virt.at(&class).filter(|wanted| host.at(&class) != Some(wanted)) {
        spec.insert("volumeAttributesClassName", wanted.clone());
    }
    if bound && !spec.is_empty() {
        body.insert("spec", Value::Object(spec));
    }
    let others = other_owners(host, settings);
    if let Some(others) = &others {
        let metadata = members(body.entry("metadata").or_insert(Value::Null));
        metadata.insert("ownerReferences", others.clone());
    }
    let patch = (!body.is_empty()).then(|| Op::patch_host(&CLAIMS, host, Value::Object(body)))?;
    Some(match others {
        Some(_) => patch.at_version(host.resource_version()),
        None => patch,
    })
}

/// The owners that are left of a claim that was made while the release owned it, and that is to outlive it now.
fn other_owners(host: &Host<Object>, settings: &Settings) -> Option<Value> {
    let owners = host.items_at(&["metadata", "ownerReferences"]);
    let release = [("kind", "Service"), ("name", settings.name.as_str())];
    let is_release = |owner: &&Value| {
        release.iter().all(|(member, is)| owner.get(member).is_some_and(|it| it == is))
    };
    let others: Vec<&Value> = owners.iter().filter(|owner| !is_release(owner)).collect();
    (settings.owner_uid.is_empty() && others.len() < owners.len()).then(|| json!(others))
}

/// The size that the host should be asked for, if another than now. A host that gave more than was asked keeps it; a
/// request that came to nothing may be lowered again, down to what there is.
fn size_to_ask<'a>(virt: &'a Virtual<Object>, host: &Host<Object>) -> Option<&'a str> {
    const REQUEST: [&str; 4] = ["spec", "resources", "requests", "storage"];
    let wanted = virt.str_at(&REQUEST)?;
    let asked = host.str_at(&REQUEST).and_then(quantity::parse);
    let given = host.str_at(&["status", "capacity", "storage"]).and_then(quantity::parse);
    let size = quantity::parse(wanted)?;
    (Some(size) != asked && Some(size) > asked.min(given.or(asked))).then_some(wanted)
}

fn host_metadata(virt: &Virtual<Object>, settings: &Settings) -> Value {
    let mut plain = virt.clone();
    for key in BINDING.iter().filter(|key| virt.annotation(key).is_some()) {
        plain.0.remove(&["metadata", "annotations", key]);
    }
    let key = super::namespaced_host_key(&Virtual(virt.key()), settings);
    metadata::to_host(&plain, &CLAIMS, &key, settings)
}

/// The storage class is the host's, by its name, and so is a volume that is asked for by name or label.
fn host_spec(virt: &Virtual<Object>, settings: &Settings) -> Result<Value, NotNow> {
    let mut spec = virt.at(&["spec"]).cloned().unwrap_or_else(|| json!({}));
    for field in ["dataSource", "dataSourceRef"] {
        let Some(source) = virt.at(&["spec", field]).cloned().map(Object::new) else { continue };
        let elsewhere = source.str_at(&["namespace"]).is_some_and(|of| of != virt.namespace());
        if source.str_at(&["kind"]) != Some(CLAIMS.kind) || elsewhere {
            // Passed as it is, it would name an object of the host's.
            return Err(NotNow::refused(
                "SyncError",
                format!(
                    "spec.{field}: only a claim of the same namespace can be the source of another; {} {:?} is not \
                     known to the host cluster",
                    source.str_at(&["kind"]).unwrap_or_default(),
                    source.str_at(&["name"]).unwrap_or_default(),
                ),
            ));
        }
        let key = Virtual(Key::new(virt.namespace(), source.str_at(&["name"]).unwrap_or_default()));
        let mut translated = source;
        translated.set(&["name"], super::namespaced_host_key(&key, settings).name());
        translated.remove(&["namespace"]);
        members(&mut spec).insert(field, translated.into_value());
    }
    Ok(spec)
}

fn finalizers(virt: &Virtual<Object>) -> Vec<&str> {
    virt.items_at(&["metadata", "finalizers"]).iter().filter_map(Value::as_str).collect()
}

fn with_ours(virt: &Virtual<Object>) -> Vec<&str> {
    let mut names = finalizers(virt);
    if !names.contains(&FINALIZER) {
        names.push(FINALIZER);
    }
    names
}

fn without_finalizer(virt: &Virtual<Object>) -> Option<Op> {
    let mut names = finalizers(virt);
    names.contains(&FINALIZER).then(|| {
        names.retain(|name| *name != FINALIZER);
        set_finalizers(virt, &names)
    })
}

/// A merge patch replaces the whole list, so nobody may have changed it meanwhile.
fn set_finalizers(virt: &Virtual<Object>, names: &[&str]) -> Op {
    let body = json!({"metadata": {"finalizers": names}});
    Op::patch_virtual(&CLAIMS, virt, body).at_version(virt.resource_version())
}
