//! One API server: objects with versions, UIDs, preconditions, finalizers and grace periods.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{Timestamp, ToSpan as _};
use vcluster_syncer_core::diff::apply_merge_patch;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::resource::{PODS, SERVICES};
use vcluster_syncer_core::{Act, Key, Object, Op, PatchForm, Resource, Side, skew};

use super::{admission, services, strategic};

/// An answer other than success.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub code: u16,
    pub reason: String,
    pub message: String,
    pub details: Value,
}

impl Failure {
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Failure {
        Failure { code, reason: reason.into(), message: message.into(), details: Value::Null }
    }

    /// 422, naming the field.
    pub fn invalid(field: &str, message: &str) -> Failure {
        let cause = json!({"reason": "FieldValueInvalid", "field": field, "message": message});
        Failure {
            details: json!({ "causes": [cause] }),
            ..Failure::new(422, "Invalid", format!("{field}: {message}"))
        }
    }
}

/// An answer on order: `{field, message}` for a 422, `{code, reason, message}`, or `null` for success.
pub fn failure(answer: &Value) -> Option<Failure> {
    let answer = Object::new(answer.clone());
    let message = answer.str_at(&["message"])?;
    if let Some(field) = answer.str_at(&["field"]) {
        return Some(Failure::invalid(field, message));
    }
    let code = answer.at(&["code"]).and_then(Value::as_u64).expect("a code") as u16;
    Some(Failure::new(code, answer.str_at(&["reason"]).unwrap_or_default(), message))
}

/// What a watch would deliver.
#[derive(Clone, Debug)]
pub enum Event {
    Is(&'static Resource, Object),
    Gone(&'static Resource, Object),
}

/// One API server with its store.
#[derive(Clone)]
pub struct Server {
    pub side: Side,
    pub now: Timestamp,
    /// What happened, in order; the number of events that a watcher has seen is its place.
    pub events: Vec<Event>,
    /// Answers to the next writes, for trouble on order.
    pub refuse: VecDeque<Option<Failure>>,
    /// Fields that this server is too old to know, and drops from patches; paths as `skew::dropped` gives them.
    pub unknown: Vec<String>,
    /// Whether Services can have IPv6 addresses too.
    pub dual_stack: bool,
    /// First two bytes of the IPv4 addresses of Services.
    pub range: [u8; 2],
    /// UIDs of all objects whose deletion was asked for; an older store does not bring them back to life here.
    pub ended: BTreeSet<String>,
    objects: BTreeMap<(&'static Resource, Key), Object>,
    version: u64,
    uids: u64,
}

/// What is kept to bring an older state of the store back.
#[derive(Clone)]
pub struct Backup {
    objects: BTreeMap<(&'static Resource, Key), Object>,
    version: u64,
}

impl Backup {
    pub fn all(&self) -> impl Iterator<Item = (&'static Resource, &Object)> {
        self.objects.iter().map(|((kind, _), object)| (*kind, object))
    }
}

impl Server {
    pub fn new(side: Side, now: Timestamp) -> Server {
        Server {
            side,
            now,
            events: Vec::new(),
            refuse: VecDeque::new(),
            unknown: Vec::new(),
            dual_stack: false,
            range: [10, 96],
            ended: BTreeSet::new(),
            objects: BTreeMap::new(),
            version: 100,
            uids: 0,
        }
    }

    pub fn get(&self, kind: &'static Resource, key: &Key) -> Option<&Object> {
        self.objects.get(&(kind, key.clone()))
    }

    pub fn all(&self) -> impl Iterator<Item = (&'static Resource, &Object)> {
        self.objects.iter().map(|((kind, _), object)| (*kind, object))
    }

    pub fn of(&self, kind: &'static Resource) -> impl Iterator<Item = &Object> {
        self.all().filter(move |(of, _)| *of == kind).map(|(_, object)| object)
    }

    /// The version that a list would return.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn backup(&self) -> Backup {
        Backup { objects: self.objects.clone(), version: self.version }
    }

    /// Brings an older store back under the running server. Watches are not told.
    pub fn restore(&mut self, backup: Backup) {
        self.objects = backup.objects;
        self.version = backup.version;
    }

    /// Puts an object in as it is, with a UID and a version if it has none. A Service gets its addresses.
    pub fn seed(&mut self, kind: &'static Resource, mut object: Object) -> Object {
        if *kind == SERVICES {
            let before = self.get(kind, &object.key()).cloned();
            let result = match before {
                Some(before) => services::update(self, &before, &mut object),
                None => services::create(self, &mut object),
            };
            result.unwrap_or_else(|failure| panic!("{}: {}", object.key(), failure.message));
        }
        object.set(&["apiVersion"], kind.api_version());
        object.set(&["kind"], kind.kind);
        if object.uid().is_empty() {
            let uid = format!("{}-uid-of-{}", self.side, object.name());
            object.set(&["metadata", "uid"], uid);
        }
        if object.is_deleting() {
            self.ended.insert(object.uid().to_owned());
        }
        if object.at(&["metadata", "creationTimestamp"]).is_none() {
            object.set(&["metadata", "creationTimestamp"], self.now.to_string());
        }
        self.store(kind, object)
    }

    /// Carries out one write of a plan; `WithTokens` must be unwrapped before.
    pub fn write(&mut self, op: &Op) -> Result<Option<Object>, Failure> {
        if let Some(Some(failure)) = self.refuse.pop_front() {
            return Err(failure);
        }
        match &op.act {
            Act::Create(object) => self.create(op.kind, object.clone()).map(Some),
            Act::Patch { uid, resource_version, form, subresource, body } => {
                let mut body = body.clone();
                // The engine sends preconditions inside the patch.
                let mut pinned = json!({ "uid": uid });
                if let Some(version) = resource_version {
                    pinned["resourceVersion"] = version.as_str().into();
                }
                apply_merge_patch(&mut body, &json!({ "metadata": pinned }));
                self.patch(op.kind, &op.key, *form, *subresource, &body).map(Some)
            }
            Act::Delete { uid, grace_seconds } => {
                self.delete(op.kind, &op.key, Some(uid), *grace_seconds)
            }
            Act::Bind { uid, node } => self.bind(&op.key, uid, node).map(Some),
            Act::WithTokens { .. } => unreachable!("tokens are filled in before the write"),
        }
    }

    pub fn create(
        &mut self,
        kind: &'static Resource,
        mut object: Object,
    ) -> Result<Object, Failure> {
        let key = object.key();
        if self.get(kind, &key).is_some() {
            return Err(Failure::new(409, "AlreadyExists", format!("{kind} {key} already exists")));
        }
        for server_side in ["resourceVersion", "deletionTimestamp", "managedFields"] {
            object.remove(&["metadata", server_side]);
        }
        admission::create(self, kind, &mut object)?;
        self.uids += 1;
        object.set(&["metadata", "uid"], format!("{}-{}", self.side, self.uids));
        object.set(&["metadata", "creationTimestamp"], self.now.to_string());
        Ok(self.store(kind, object))
    }

    pub fn patch(
        &mut self,
        kind: &'static Resource,
        key: &Key,
        form: PatchForm,
        subresource: Option<&str>,
        body: &Value,
    ) -> Result<Object, Failure> {
        let before = self.existing(kind, key)?;
        let mut patched = before.value().clone();
        match form {
            PatchForm::Merge => apply_merge_patch(&mut patched, body),
            PatchForm::Strategic => strategic::merge(&mut patched, body),
        }
        self.unknown.iter().for_each(|path| skew::remove(&mut patched, path));
        let mut after = admission::limited_to(kind, subresource, &before, Object::new(patched));
        if after.resource_version() != before.resource_version() {
            return Err(Failure::new(409, "Conflict", "the object has been modified"));
        }
        if after.uid() != before.uid() {
            return Err(Failure::invalid("metadata.uid", "field is immutable"));
        }
        admission::update(self, kind, subresource, &before, &mut after)?;
        if after == before {
            return Ok(before);
        }
        if after.is_deleting() && after.items_at(&["metadata", "finalizers"]).is_empty() {
            let graceful = after.at(&["metadata", "deletionGracePeriodSeconds"]);
            if graceful.and_then(Value::as_i64).unwrap_or(0) == 0 {
                return Ok(self.erase(kind, after));
            }
        }
        Ok(self.store(kind, after))
    }

    /// Deletes an object; `uid` is a precondition. Returns it if it stays for a while.
    pub fn delete(
        &mut self,
        kind: &'static Resource,
        key: &Key,
        uid: Option<&str>,
        grace: Option<i64>,
    ) -> Result<Option<Object>, Failure> {
        let mut object = self.existing(kind, key)?;
        if uid.is_some_and(|uid| uid != object.uid()) {
            return Err(Failure::new(409, "Conflict", "Precondition failed: UID in precondition"));
        }
        self.ended.insert(object.uid().to_owned());
        let grace = if *kind == PODS { pod_grace(&object, grace) } else { 0 };
        let held = !object.items_at(&["metadata", "finalizers"]).is_empty();
        if grace == 0 && !held {
            self.erase(kind, object);
            return Ok(None);
        }
        let before = object.clone();
        let running =
            object.at(&["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64);
        if running.is_none_or(|running| grace < running) {
            object
                .set(&["metadata", "deletionTimestamp"], (self.now + grace.seconds()).to_string());
            object.set(&["metadata", "deletionGracePeriodSeconds"], grace);
        }
        if object != before {
            object = self.store(kind, object);
        }
        Ok(Some(object))
    }

    /// Puts a pod on a node.
    pub fn bind(&mut self, key: &Key, uid: &str, node: &str) -> Result<Object, Failure> {
        let mut pod = self.existing(&PODS, key)?;
        if pod.uid() != uid {
            return Err(Failure::new(409, "Conflict", "Precondition failed: UID in precondition"));
        }
        if let Some(bound) = pod.str_at(&["spec", "nodeName"]) {
            let message = format!("pod {} is already assigned to node {bound:?}", pod.name());
            return Err(Failure::new(409, "Conflict", message));
        }
        pod.set(&["spec", "nodeName"], node);
        let mut conditions = pod.items_at(&["status", "conditions"]).to_vec();
        conditions.retain(|condition| condition["type"] != "PodScheduled");
        let at = self.now.to_string();
        conditions
            .push(json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": at}));
        pod.set(&["status", "conditions"], conditions);
        Ok(self.store(&PODS, pod))
    }

    fn existing(&self, kind: &'static Resource, key: &Key) -> Result<Object, Failure> {
        let found = self.get(kind, key).cloned();
        found.ok_or_else(|| Failure::new(404, "NotFound", format!("{kind} {key:?} not found")))
    }

    fn store(&mut self, kind: &'static Resource, mut object: Object) -> Object {
        self.version += 1;
        object.set(&["metadata", "resourceVersion"], self.version.to_string());
        self.objects.insert((kind, object.key()), object.clone());
        self.events.push(Event::Is(kind, object.clone()));
        object
    }

    fn erase(&mut self, kind: &'static Resource, object: Object) -> Object {
        self.version += 1;
        self.objects.remove(&(kind, object.key()));
        self.events.push(Event::Gone(kind, object.clone()));
        object
    }

    /// What the controllers of a cluster do that matter here: they let go of claims and volumes no longer in use.
    pub fn run_controllers(&mut self) {
        for (kind, object) in admission::unprotected(self) {
            let kept: Vec<_> = object
                .items_at(&["metadata", "finalizers"])
                .iter()
                .filter(|name| !admission::PROTECTION.contains(&name.as_str().unwrap_or_default()))
                .cloned()
                .collect();
            let body = json!({"metadata": {"finalizers": kept}});
            self.patch(kind, &object.key(), PatchForm::Merge, None, &body).expect("it exists");
        }
    }
}

/// The grace period that the API server gives a pod's deletion.
fn pod_grace(pod: &Object, asked: Option<i64>) -> i64 {
    let ended = matches!(pod.str_at(&["status", "phase"]), Some("Succeeded" | "Failed"));
    if ended || pod.str_at(&["spec", "nodeName"]).is_none_or(str::is_empty) {
        return 0;
    }
    let own = pod.at(&["spec", "terminationGracePeriodSeconds"]).and_then(Value::as_i64);
    asked.or(own).unwrap_or(30)
}
