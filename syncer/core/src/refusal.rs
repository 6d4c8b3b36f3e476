//! What an API server refused, so that the next plan can ask for something else.

use crate::json::Value;

use crate::{Key, Op, Resource, Side};

/// A write that an API server answered with a `Status` saying that the object is not acceptable as it is.
///
/// The engine remembers one for every 422 and for the 500 of a taken health check port. It plans again at once; if the
/// plan comes out the same, it tells the owner and waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Which cluster refused.
    pub side: Side,
    /// Resource of the refused write.
    pub kind: &'static Resource,
    /// Key of the refused write.
    pub key: Key,
    /// HTTP status code.
    pub code: u16,
    /// `reason` of the Status.
    pub reason: String,
    /// `message` of the Status.
    pub message: String,
    /// `details.causes` of the Status: which fields.
    pub causes: Vec<Cause>,
}

/// One cause of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Path of the field, for example `spec.ports[0].nodePort`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Refusal {
    /// The refusal of a write, from the members of the `Status`.
    pub fn new(op: &Op, code: u16, reason: &str, message: &str, details: &Value) -> Refusal {
        let text = |cause: &Value, member| {
            cause.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let causes = details.get("causes").and_then(Value::as_array);
        Refusal {
            side: op.side,
            kind: op.kind,
            key: op.key.clone(),
            code,
            reason: reason.to_owned(),
            message: message.to_owned(),
            causes: causes
                .into_iter()
                .flatten()
                .map(|cause| Cause { field: text(cause, "field"), message: text(cause, "message") })
                .collect(),
        }
    }

    /// The causes whose field starts like this.
    pub fn about<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a Cause> {
        self.causes.iter().filter(move |cause| cause.field.starts_with(field))
    }
}
