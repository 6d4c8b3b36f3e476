//! What API servers add to objects, keep apart and refuse, as far as decisions of ours meet it.

use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::resource::{
    CLAIMS, CONFIG_MAPS, ENDPOINT_SLICES, NODES, PODS, SECRETS, SERVICES, VOLUMES,
};
use vcluster_syncer_core::{Object, Resource};

use super::server::{Failure, Server};
use super::services;

/// Finalizers that controllers of a cluster take away once an object is out of use.
pub const PROTECTION: [&str; 2] = ["kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"];

/// The taint that every new node gets until a controller has seen it.
const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// Fills in and checks a new object.
pub fn create(
    server: &mut Server,
    kind: &'static Resource,
    object: &mut Object,
) -> Result<(), Failure> {
    object.set(&["apiVersion"], kind.api_version());
    object.set(&["kind"], kind.kind);
    if has_status(kind) && *kind != NODES {
        object.remove(&["status"]);
    }
    match kind.plural {
        "pods" => object.set(&["status"], json!({"phase": "Pending"})),
        "services" => services::create(server, object)?,
        "persistentvolumeclaims" | "persistentvolumes" => {
            object.set(&["status"], json!({"phase": "Pending"}));
            let name = PROTECTION[usize::from(*kind == VOLUMES)];
            let mut finalizers = object.items_at(&["metadata", "finalizers"]).to_vec();
            if !finalizers.iter().any(|have| have == name) {
                finalizers.push(name.into());
            }
            object.set(&["metadata", "finalizers"], finalizers);
        }
        "nodes" => {
            let mut taints = object.items_at(&["spec", "taints"]).to_vec();
            taints.push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
            object.set(&["spec", "taints"], taints);
        }
        "secrets" => {
            if object.at(&["type"]).is_none() {
                object.set(&["type"], "Opaque");
            }
            take_in_strings(object);
        }
        _ => {}
    }
    object.remove_nulls();
    Ok(())
}

/// Keeps of a patched object only what the endpoint that was patched may change.
pub fn limited_to(
    kind: &'static Resource,
    subresource: Option<&str>,
    before: &Object,
    patched: Object,
) -> Object {
    let mut after = patched;
    match subresource {
        Some("status") => {
            let status = after.at(&["status"]).cloned();
            let preconditions = ["uid", "resourceVersion"]
                .map(|field| (field, after.at(&["metadata", field]).cloned()));
            after = before.clone();
            put(&mut after, &["status"], status);
            for (field, value) in preconditions {
                put(&mut after, &["metadata", field], value);
            }
        }
        Some("ephemeralcontainers" | "resize") => {
            put(&mut after, &["status"], before.at(&["status"]).cloned());
        }
        Some(other) => panic!("no such subresource: {other}"),
        None if has_status(kind) => put(&mut after, &["status"], before.at(&["status"]).cloned()),
        None => {}
    }
    put(
        &mut after,
        &["metadata", "deletionTimestamp"],
        before.at(&["metadata", "deletionTimestamp"]).cloned(),
    );
    after.remove_nulls();
    after
}

/// Fills in and checks a changed object.
pub fn update(
    server: &mut Server,
    kind: &'static Resource,
    subresource: Option<&str>,
    before: &Object,
    after: &mut Object,
) -> Result<(), Failure> {
    if *kind == SECRETS {
        take_in_strings(after);
    }
    let differs = |path: &[&str]| before.at(path) != after.at(path);
    let immutable = |field: &str| Err(Failure::invalid(field, "field is immutable"));
    if before.is_deleting() && added_finalizer(before, after) {
        return Err(Failure::invalid("metadata.finalizers", "no new finalizers can be added"));
    }
    if subresource == Some("status") {
        return Ok(());
    }
    if *kind == SERVICES {
        return services::update(server, before, after);
    }
    if (*kind == SECRETS || *kind == CONFIG_MAPS)
        && before.at(&["immutable"]) == Some(&Value::Bool(true))
    {
        for field in ["data", "binaryData", "stringData", "immutable"] {
            if differs(&[field]) {
                return immutable(field);
            }
        }
    }
    if *kind == SECRETS && differs(&["type"]) {
        return immutable("type");
    }
    if *kind == ENDPOINT_SLICES && differs(&["addressType"]) {
        return immutable("addressType");
    }
    if *kind == VOLUMES && differs(&["spec", "csi"]) {
        return immutable("spec.persistentvolumesource");
    }
    if *kind == CLAIMS
        && spec_without(before, claim_freedom(before)) != spec_without(after, claim_freedom(before))
    {
        return Err(Failure::invalid("spec", "spec is immutable after creation"));
    }
    if *kind == PODS && subresource.is_none() && fixed_pod_spec(before) != fixed_pod_spec(after) {
        return Err(Failure::invalid("spec", "pod updates may not change fields other than ..."));
    }
    Ok(())
}

/// `stringData` is only written; it ends up in `data`.
fn take_in_strings(secret: &mut Object) {
    let Some(Value::Object(strings)) = secret.remove(&["stringData"]) else { return };
    for (key, text) in strings {
        let text = text.as_str().expect("a string");
        secret.set(&["data", &key], format!("base64 of {text:?}"));
    }
}

/// The claims and volumes that are being deleted and out of use, but still protected.
pub fn unprotected(server: &Server) -> Vec<(&'static Resource, Object)> {
    let protected = |object: &&Object| {
        let finalizers = object.items_at(&["metadata", "finalizers"]);
        let held = |name: &Value| PROTECTION.contains(&name.as_str().unwrap_or_default());
        object.is_deleting() && finalizers.iter().any(held)
    };
    let mounted = |claim: &Object| {
        server.of(&PODS).filter(|pod| pod.namespace() == claim.namespace()).any(|pod| {
            pod.items_at(&["spec", "volumes"]).iter().any(|volume| {
                volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str)
                    == Some(claim.name())
            })
        })
    };
    let claims = server.of(&CLAIMS).filter(protected).filter(|claim| !mounted(claim));
    let volumes = server
        .of(&VOLUMES)
        .filter(protected)
        .filter(|volume| volume.str_at(&["status", "phase"]) != Some("Bound"));
    let claims = claims.map(|claim| (&CLAIMS as &'static Resource, claim.clone()));
    claims.chain(volumes.map(|volume| (&VOLUMES as &'static Resource, volume.clone()))).collect()
}

fn has_status(kind: &Resource) -> bool {
    [&PODS, &SERVICES, &CLAIMS, &VOLUMES, &NODES].contains(&kind)
}

fn added_finalizer(before: &Object, after: &Object) -> bool {
    let had = before.items_at(&["metadata", "finalizers"]);
    after.items_at(&["metadata", "finalizers"]).iter().any(|name| !had.contains(name))
}

/// The members of a claim's spec that may change now.
fn claim_freedom(before: &Object) -> &'static [&'static str] {
    let bound = before.str_at(&["status", "phase"]) == Some("Bound");
    match (bound, before.str_at(&["spec", "volumeName"]).is_none_or(str::is_empty)) {
        (true, true) => &["resources", "volumeAttributesClassName", "volumeName"],
        (true, false) => &["resources", "volumeAttributesClassName"],
        (false, true) => &["volumeName"],
        (false, false) => &[],
    }
}

fn spec_without(object: &Object, free: &[&str]) -> Value {
    let mut spec = object.at(&["spec"]).cloned().unwrap_or_default();
    if let Some(members) = spec.as_object_mut() {
        members.retain(|name, _| !free.contains(&name.as_str()));
    }
    spec
}

fn fixed_pod_spec(pod: &Object) -> Value {
    let mut spec = spec_without(
        pod,
        &[
            "activeDeadlineSeconds",
            "tolerations",
            "schedulingGates",
            "terminationGracePeriodSeconds",
        ],
    );
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(members) = container.as_object_mut() {
                members.remove("image");
            }
        }
    }
    spec
}

fn put(object: &mut Object, path: &[&str], value: Option<Value>) {
    match value {
        Some(value) => object.set(path, value),
        None => drop(object.remove(path)),
    }
}

/// The API drops members that are null.
trait RemoveNulls {
    fn remove_nulls(&mut self);
}

impl RemoveNulls for Object {
    fn remove_nulls(&mut self) {
        fn sweep(value: &mut Value) {
            match value {
                Value::Object(members) => {
                    members.retain(|_, value| !value.is_null());
                    members.values_mut().for_each(sweep);
                }
                Value::Array(items) => items.iter_mut().for_each(sweep),
                _ => {}
            }
        }
        sweep(self.value_mut());
    }
}
