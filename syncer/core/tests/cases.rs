//! Cases: what one plan is, in folders of YAML files `tests/cases/KIND/CASE/`. KIND is the plural name of the virtual
//! resource. `UPDATE=1 cargo test -p vcluster-syncer-core cases` writes the golden files; read them before you commit.
//!
//! Input files, each optional:
//! - `virtual.yaml`: the virtual object.
//! - `before.yaml`: the virtual object as it was when it was mirrored first. It is mirrored for real, then replaced by
//!   `virtual.yaml` (same UID), or taken away when there is none.
//! - `host.yaml`: with `before.yaml`, a merge patch on the host twin: what the host made of it. Without, the whole host
//!   object; where it has no `metadata.name`, name and marks are made as for a twin of `virtual.yaml`.
//! - `world.yaml`: the neighbours, a map with any of
//!   - `virtual`, `host`: lists of objects that are simply there;
//!   - `synced`: a list of virtual objects that are mirrored before the case begins;
//!   - `after_sync: {virtual: [...], host: [...]}`: merge patches on what is there then, by kind, namespace and name;
//!   - `gone`: `read` or `seen`, when neither `virtual.yaml` nor a fresh read can tell (default: a fresh read is made);
//!   - `key`: `NAMESPACE/NAME`, when there is neither `virtual.yaml` nor `before.yaml`;
//!   - `refuse: {virtual: [...], host: [...]}`: answers to the next writes, `{code, reason, message, field}`; `null` lets
//!     one pass;
//!   - `only`: a list of kinds; the others are not planned;
//!   - `settings`: members that differ from `Settings::example()`; `now`: the time; `dual_stack: true`.
//!
//! What is left out is filled in: UIDs (`SIDE-uid-of-NAME`), versions, creation times.
//!
//! Golden file `plan.yaml`: the plan, carried out; then the next plan of the same key, until there is nothing to do. A
//! write that failed is followed by `failed`, a plan that needed a fresh read by `first_read`.

use std::path::{Path, PathBuf};

use vcluster_syncer_core::diff::apply_merge_patch;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::pod_security::Standard;
use vcluster_syncer_core::{
    Host, HostNodes, Key, Object, Settings, Side, Virtual, Which, metadata,
};

use crate::world::{Clusters, failure, outcome, resource};
use crate::yaml;

/// More plans than any key needs to come to rest.
const MOST_PLANS: usize = 12;

#[test]
fn cases() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let only = std::env::var("CASE").unwrap_or_default();
    let mut failures = Vec::new();
    let mut count = 0;
    for kind in folders(&root) {
        for case in folders(&kind) {
            if !case.to_string_lossy().contains(&only) {
                continue;
            }
            count += 1;
            let got = std::panic::catch_unwind(|| run(&case, file_name(&kind)));
            let result = match got {
                Ok(got) => yaml::golden(&case.join("plan.yaml"), &yaml::print(&got)),
                Err(_) => Err(format!("{} panicked (see above)", case.display())),
            };
            failures.extend(result.err());
        }
    }
    assert!(count > 0, "no case matches CASE={only}");
    assert!(failures.is_empty(), "{} of {count} cases:\n{}", failures.len(), failures.join("\n"));
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten();
    let mut found: Vec<_> =
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a UTF-8 name")
}

fn run(case: &Path, kind: &str) -> Value {
    let read = |name: &str| yaml::read(&case.join(name));
    let world = Object::new(read("world.yaml").unwrap_or_default());
    let kind = resource(kind);
    let (virt, before) = (read("virtual.yaml"), read("before.yaml"));

    let now = world.str_at(&["now"]).unwrap_or("2026-01-01T00:00:00Z");
    let mut clusters = Clusters::new(settings(&world), now.parse().expect("a time"));
    let dual_stack = world.at(&["dual_stack"]) == Some(&json!(true));
    (clusters.virt.dual_stack, clusters.host.dual_stack) = (dual_stack, dual_stack);
    let only = world.items_at(&["only"]);
    clusters.kinds.retain(|mirror| only.is_empty() || only.contains(&json!(mirror.kind().plural)));
    let index = clusters.kind_of(kind);

    for (side, list) in [(Side::Virtual, "virtual"), (Side::Host, "host")] {
        seed(&mut clusters, side, world.items_at(&[list]));
    }
    seed(&mut clusters, Side::Virtual, world.items_at(&["synced"]));
    seed(&mut clusters, Side::Virtual, before.as_slice());
    if before.is_some() || !world.items_at(&["synced"]).is_empty() {
        clusters.relist();
        clusters.sync();
    }
    for (side, list) in [(Side::Virtual, "virtual"), (Side::Host, "host")] {
        for patch in world.items_at(&["after_sync", list]) {
            merge(&mut clusters, side, patch);
        }
    }

    let named = virt.clone().or_else(|| before.clone()).map(|object| Object::new(object).key());
    let key = named.or_else(|| world.str_at(&["key"]).map(parse_key)).expect("an object or `key`");
    match (&before, virt) {
        (Some(_), Some(after)) => replace(&mut clusters, kind, &key, after),
        (Some(_), None) => drop_virtual(&mut clusters, kind, &key),
        (None, Some(object)) => drop(clusters.virt.seed(kind, Object::new(object))),
        (None, None) => {}
    }
    if let Some(host) = read("host.yaml") {
        put_host(&mut clusters, index, &key, before.is_some(), host);
    }
    clusters.relist();
    let plan_key = (index, Virtual(key));
    match world.str_at(&["gone"]) {
        Some("seen") => {
            let before = Object::new(before.unwrap_or_default());
            let assigned = format!("virtual-uid-of-{}", before.name());
            let uid = if before.uid().is_empty() { &assigned } else { before.uid() };
            clusters.memory.tombstones.insert(plan_key.clone(), uid.to_owned());
        }
        Some("read") => drop(clusters.memory.read_gone.insert(plan_key.clone())),
        _ => {}
    }
    for (side, list) in [(Side::Virtual, "virtual"), (Side::Host, "host")] {
        let failures = world.items_at(&["refuse", list]).iter().map(failure).collect();
        clusters.server(side).refuse = failures;
    }

    let mut plans = Vec::new();
    for _ in 0..MOST_PLANS {
        let step = clusters.step(&plan_key);
        let mut shown = outcome(&step.outcome);
        for (op, result) in &step.tried {
            if let Err(failure) = result {
                shown["failed"] = json!(format!("{} {}: {}", op.kind, op.key, failure.message));
            }
        }
        if !step.read.is_empty() && shown.is_object() {
            let sides: Vec<_> = step.read.iter().map(|side| format!("{side}")).collect();
            shown["first_read"] = json!(sides);
        }
        plans.push(shown);
        if step.tried.is_empty() {
            return Value::Array(plans);
        }
        clusters.virt.run_controllers();
        clusters.host.run_controllers();
        clusters.deliver();
    }
    panic!("{}: no rest after {MOST_PLANS} plans: {plans:#?}", case.display());
}

fn settings(world: &Object) -> Settings {
    let mut settings = Settings::example();
    for (name, value) in world.at(&["settings"]).and_then(Value::as_object).into_iter().flatten() {
        let text = || value.as_str().expect("a string").to_owned();
        let flag = || value.as_bool().expect("true or false");
        match name.as_str() {
            "name" => settings.name = text(),
            "host_namespace" => settings.host_namespace = text(),
            "cluster_domain" => settings.cluster_domain = text(),
            "workload_service_account" => settings.workload_service_account = text(),
            "own_dns" => settings.own_dns = flag(),
            "rewrite_hosts" => settings.rewrite_hosts = flag(),
            "rewrite_hosts_image" => settings.rewrite_hosts_image = text(),
            "rewrite_hosts_resources" => settings.rewrite_hosts_resources = value.clone(),
            "owner_uid" => settings.owner_uid = text(),
            "all_config_maps" => settings.all_config_maps = flag(),
            "all_secrets" => settings.all_secrets = flag(),
            "kubernetes_version" => settings.kubernetes_version = text(),
            "host_minor" => settings.host_minor = value.as_u64().expect("a number") as u32,
            "priority_class_name" => settings.priority_class_name = Some(text()),
            "runtime_class_name" => settings.runtime_class_name = Some(text()),
            "pod_security" => {
                settings.pod_security = Some(match value.as_str() {
                    Some("baseline") => Standard::Baseline,
                    Some("restricted") => Standard::Restricted,
                    other => panic!("no standard is called {other:?}"),
                });
            }
            "scheduler_inside" => settings.scheduling.inside = flag(),
            "schedulers_of_host" => {
                let names: Vec<String> = value.to().expect("names");
                settings.scheduling.of_host = Some(names);
            }
            "images" => settings.images = value.to().expect("a map"),
            "tolerations" => settings.tolerations = value.as_array().expect("a list").clone(),
            "host_nodes" => settings.scheduling.nodes = Some(host_nodes(value)),
            other => panic!("no setting is called {other:?}"),
        }
    }
    settings
}

/// `all`, `in use`, or labels.
fn host_nodes(value: &Value) -> HostNodes {
    let which = match value.as_str() {
        Some("all") => Which::All,
        Some("in use") => Which::InUse,
        _ => Which::Labelled(value.to().expect("labels")),
    };
    HostNodes { which, without_images: false }
}

fn parse_key(text: &str) -> Key {
    match text.split_once('/') {
        Some((namespace, name)) => Key::new(namespace, name),
        None => Key::cluster(text),
    }
}

fn seed(clusters: &mut Clusters, side: Side, objects: &[Value]) {
    for object in objects {
        let object = Object::new(object.clone());
        let kind = resource(object.str_at(&["kind"]).expect("an object has a kind"));
        clusters.server(side).seed(kind, object);
    }
}

fn merge(clusters: &mut Clusters, side: Side, patch: &Value) {
    let named = Object::new(patch.clone());
    let kind = resource(named.str_at(&["kind"]).expect("a patch has a kind"));
    let found = clusters.server(side).get(kind, &named.key());
    let mut object =
        found.unwrap_or_else(|| panic!("{side} has no {kind} {}", named.key())).clone();
    apply_merge_patch(object.value_mut(), patch);
    clusters.server(side).seed(kind, object);
}

fn replace(
    clusters: &mut Clusters,
    kind: &'static vcluster_syncer_core::Resource,
    key: &Key,
    after: Value,
) {
    let mut object = Object::new(after);
    let before = clusters.virt.get(kind, key).expect("it was seeded").clone();
    for kept in ["uid", "creationTimestamp", "finalizers"] {
        if let (None, Some(value)) =
            (object.at(&["metadata", kept]), before.at(&["metadata", kept]).cloned())
        {
            object.set(&["metadata", kept], value);
        }
    }
    clusters.virt.seed(kind, object);
}

/// The virtual object is gone, however it was held.
fn drop_virtual(clusters: &mut Clusters, kind: &'static vcluster_syncer_core::Resource, key: &Key) {
    let body = json!({"metadata": {"finalizers": null}});
    let form = vcluster_syncer_core::PatchForm::Merge;
    clusters.virt.patch(kind, key, form, None, &body).expect("it was seeded");
    clusters.virt.delete(kind, key, None, Some(0)).expect("it was seeded");
}

fn put_host(clusters: &mut Clusters, index: usize, key: &Key, synced: bool, host: Value) {
    let mirror = &clusters.kinds[index];
    let (kind, host_kind) = (mirror.kind(), mirror.host_kind());
    let virt = clusters.virt.get(kind, key).cloned();
    let host_key = mirror.host_key(&Virtual(key.clone()), &clusters.settings);
    let mut object = Object::default();
    if synced {
        let host_key = host_key.expect("a mirrored key");
        object = clusters.host.get(host_kind, &host_key).expect("it was mirrored").clone();
    } else if host.pointer("/metadata/name").is_none() {
        let virt = Virtual(virt.expect("a virtual object to mark it as the twin of"));
        let host_key: Host<Key> = host_key.expect("a mirrored key");
        object.set(&["metadata"], metadata::to_host(&virt, kind, &host_key, &clusters.settings));
    }
    apply_merge_patch(object.value_mut(), &host);
    clusters.host.seed(host_kind, object);
}
