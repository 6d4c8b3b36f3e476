//! What a failed write means: who must know, and when to try again.

use std::time::Duration;

use vcluster_syncer_core::json::Value;
use vcluster_syncer_core::{Act, Note, Op, Refusal, Side};

use super::api::ApiError;

/// What to do after a failed write.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// The cache was behind: read the object afresh, then plan again.
    Reread,
    /// Plan again at once, now that the refusal is known.
    Replan(Refusal),
    /// Tell the owner of the virtual object, and try again after a growing wait.
    Tell(Note),
    /// The host namespace is going away, and everything in it: nothing may be concluded from that any more.
    Close,
    /// Try again after a growing wait, or after the server's wish.
    Wait(Option<Duration>),
}

/// Judges a failed write.
pub fn judge(op: &Op, error: &ApiError) -> Next {
    let ApiError::Status { code, reason, message, details, retry_after } = error else {
        return Next::Wait(None);
    };
    let create = matches!(op.act, Act::Create(_))
        || matches!(&op.act, Act::WithTokens { then, .. } if matches!(**then, Act::Create(_)));
    match *code {
        409 if create && reason == "AlreadyExists" => Next::Reread,
        409 => Next::Reread,
        404 if !create => Next::Reread,
        // A wrong UID in a patch answers 422 "field is immutable": a precondition that failed.
        422 if !create && message.contains("metadata.uid") => Next::Reread,
        500 if message.contains("HealthCheck NodePort") => {
            Next::Replan(Refusal::new(op, *code, reason, message, details))
        }
        429 | 500..=599 => Next::Wait(*retry_after),
        403 if has_cause(details, "NamespaceTerminating") => match op.side {
            Side::Host => Next::Close,
            // A virtual namespace on its way out: nothing to tell, nothing to hurry.
            Side::Virtual => Next::Wait(Some(Duration::from_secs(10))),
        },
        422 => Next::Replan(Refusal::new(op, *code, reason, message, details)),
        _ => Next::Tell(Note { warning: true, reason: "SyncError", message: told(op, message) }),
    }
}

/// The message for the owner of the virtual object.
fn told(op: &Op, message: &str) -> String {
    let verb = match &op.act {
        Act::Create(_) => "create",
        Act::Patch { .. } => "update",
        Act::Delete { .. } => "delete",
        Act::Bind { .. } => "bind",
        Act::WithTokens { .. } => "request service account tokens for",
    };
    format!("the {} cluster refused to {verb} the {}: {message}", op.side, op.kind.kind)
}

fn has_cause(details: &Value, reason: &str) -> bool {
    let causes = details.get("causes").and_then(Value::as_array);
    causes
        .into_iter()
        .flatten()
        .any(|cause| cause.get("reason").and_then(Value::as_str) == Some(reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vcluster_syncer_core::json::json;
    use vcluster_syncer_core::resource::PODS;
    use vcluster_syncer_core::{Key, Object, PatchForm};

    fn status(code: u16, reason: &str, message: &str, details: Value) -> ApiError {
        ApiError::Status {
            code,
            reason: reason.into(),
            message: message.into(),
            details,
            retry_after: None,
        }
    }

    fn op(act: Act) -> Op {
        Op { side: Side::Host, kind: &PODS, key: Key::new("a", "b"), act }
    }

    #[test]
    fn answers_are_judged() {
        let create = op(Act::Create(Object::default()));
        let patch = op(Act::Patch {
            uid: "u".into(),
            resource_version: None,
            form: PatchForm::Merge,
            subresource: None,
            body: json!({}),
        });
        let none = Value::Null;
        assert_eq!(judge(&create, &status(409, "AlreadyExists", "", none.clone())), Next::Reread);
        assert_eq!(judge(&patch, &status(404, "NotFound", "", none.clone())), Next::Reread);
        assert_eq!(
            judge(
                &patch,
                &status(422, "Invalid", "metadata.uid: field is immutable", none.clone())
            ),
            Next::Reread
        );
        assert_eq!(judge(&create, &status(503, "", "", none.clone())), Next::Wait(None));
        assert_eq!(judge(&create, &ApiError::Transport("reset".into())), Next::Wait(None));
        assert!(matches!(
            judge(&create, &status(422, "Invalid", "no", none.clone())),
            Next::Replan(_)
        ));
        assert!(matches!(
            judge(&create, &status(403, "Forbidden", "exceeded quota", none)),
            Next::Tell(_)
        ));
        let going = json!({"causes": [{"reason": "NamespaceTerminating"}]});
        assert_eq!(judge(&create, &status(403, "Forbidden", "", going)), Next::Close);
    }
}
