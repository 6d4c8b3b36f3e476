//! Plans as text.

use vcluster_syncer_core::json::{Map, Value, json};
use vcluster_syncer_core::{Act, NotNow, Note, Op, PatchForm, Plan};

/// A decision as a document, for golden files.
pub fn outcome(outcome: &Result<Plan, NotNow>) -> Value {
    match outcome {
        Ok(plan) => {
            let mut shown = Map::new();
            if !plan.ops.is_empty() {
                shown.insert("ops", plan.ops.iter().map(op).collect());
            }
            if !plan.notes.is_empty() {
                shown.insert("notes", plan.notes.iter().map(note).collect());
            }
            if let Some(at) = plan.again_at {
                shown.insert("again_at", at.to_string().into());
            }
            if shown.is_empty() { json!("nothing to do") } else { Value::Object(shown) }
        }
        Err(NotNow::Refused(why)) => json!({ "refused": note(why) }),
        Err(NotNow::Waiting { on }) => json!({ "waiting": on }),
        Err(NotNow::ProveGone) => json!("prove that it is gone"),
        Err(NotNow::ProveTwinGone) => json!("prove that its twin is gone"),
        Err(NotNow::Orphaned { why }) => json!({ "orphaned": why }),
    }
}

fn note(note: &Note) -> Value {
    let kind = if note.warning { "Warning" } else { "Normal" };
    json!(format!("{kind} {}: {}", note.reason, note.message))
}

fn op(op: &Op) -> Value {
    let (verb, of, shown) = act(&op.act);
    json!({(format!("{verb} {} {}{of} {}", op.side, op.kind, op.key)): shown})
}

/// The verb, the subresource, and all the rest.
fn act(act: &Act) -> (String, String, Value) {
    let of = |subresource: &Option<&str>| subresource.map(|name| format!("/{name}"));
    let (verb, of, mut shown) = match act {
        Act::Create(object) => ("create", None, json!({"object": object.value()})),
        Act::Patch { uid, resource_version, form, subresource, body } => {
            let verb = match form {
                PatchForm::Merge => "patch",
                PatchForm::Strategic => "patch (strategic)",
            };
            let shown =
                json!({"body": body, "if": {"uid": uid, "version": resource_version.as_deref()}});
            (verb, of(subresource), shown)
        }
        Act::Delete { uid, grace_seconds } => {
            ("delete", None, json!({"grace": *grace_seconds, "if": {"uid": uid}}))
        }
        Act::Bind { uid, node } => ("bind", None, json!({"node": node, "if": {"uid": uid}})),
        Act::WithTokens { requests, then } => {
            let requests: Vec<_> = requests
                .iter()
                .map(|request| {
                    json!({
                        "data_key": &request.data_key, "audiences": &request.audiences,
                        "service_account": request.service_account.to_string(),
                        "seconds": request.expiration_seconds,
                        "pod": &request.pod_name, "pod_uid": &request.pod_uid,
                    })
                })
                .collect();
            let (verb, of, mut shown) = self::act(then);
            shown["tokens"] = json!(requests);
            return (format!("with tokens, {verb}"), of, shown);
        }
    };
    drop_nulls(&mut shown);
    (verb.to_owned(), of.unwrap_or_default(), shown)
}

/// Leaves out what is not said, but keeps the nulls of patches: they mean something.
fn drop_nulls(shown: &mut Value) {
    let members = shown.as_object_mut().expect("an object");
    members.retain(|_, value| !value.is_null());
    if let Some(conditions) = members.get_mut("if").and_then(Value::as_object_mut) {
        conditions.retain(|_, value| !value.is_null());
    }
}

/// A write in one line, for transcripts.
pub fn op_line(op: &Op) -> String {
    let what = match &op.act {
        Act::Create(_) => "create".to_owned(),
        Act::Patch { subresource, body, .. } => {
            let of = subresource.map(|name| format!("/{name}")).unwrap_or_default();
            return format!("patch {}{of} {} {}: {body}", op.side, op.kind, op.key);
        }
        Act::Delete { grace_seconds: None, .. } => "delete".to_owned(),
        Act::Delete { grace_seconds: Some(grace), .. } => format!("delete (grace {grace})"),
        Act::Bind { node, .. } => format!("bind to {node}"),
        Act::WithTokens { requests, .. } => format!("with {} tokens, write", requests.len()),
    };
    format!("{what} {} {} {}", op.side, op.kind, op.key)
}
