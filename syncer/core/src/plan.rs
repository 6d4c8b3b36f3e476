//! What to do: writes with their preconditions, events to post, and when to look again.

use crate::json::Value;

use crate::{Host, Key, Object, Resource, Side, Virtual};

/// The outcome of deciding about one key. An empty plan is the normal one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Writes, carried out in this order; the first that fails ends the plan, and the key is planned afresh.
    pub ops: Vec<Op>,
    /// The writes do not wait for each other, and may all be under way at once. Each is carried out even if another fails.
    pub together: bool,
    /// Once its writes are done nothing is left to do about the key, whatever the servers answer: until something else
    /// happens it is not planned again. Most plans are followed by one that finds nothing to do, for the servers may have
    /// answered what leads to more, as the address of a new Service; who says that there is no such thing saves that.
    pub settles: bool,
    /// What the virtual object's owner should read as an event on it.
    pub notes: Vec<Note>,
    /// Plan again at this time, even when nothing changes: a token must be renewed, a grace period ends.
    pub again_at: Option<jiff::Timestamp>,
}

/// Why nothing can be done now.
#[derive(Clone, Debug, PartialEq)]
pub enum NotNow {
    /// It will not be done as the object stands: a Warning event says why, and a change is waited for.
    Refused(Note),
    /// Something else must appear or change first. Whatever was looked up in the [`crate::World`] plans this again.
    Waiting {
        /// What is waited for, for logs and `/debug/state`.
        on: String,
    },
    /// The virtual object is absent from the cache, which proves nothing: a fresh read must say so first (design D6).
    ProveGone,
    /// The host object is absent from the cache, which proves nothing: a fresh read must say so first. What it says
    /// comes back as [`crate::World::twin_gone`].
    ProveTwinGone,
    /// The host object holds data and has lost its virtual twin, but nothing proves that its owner deleted it. It stays
    /// until the twin comes back, or `vcluster adopt` or `vcluster prune` decides (design D6).
    Orphaned {
        /// What to tell whoever must decide.
        why: String,
    },
}

impl NotNow {
    /// A refusal with a Warning event.
    pub fn refused(reason: &'static str, message: impl Into<String>) -> NotNow {
        NotNow::Refused(Note { warning: true, reason, message: message.into() })
    }

    /// Waiting for something named.
    pub fn waiting(on: impl Into<String>) -> NotNow {
        NotNow::Waiting { on: on.into() }
    }
}

/// An event to post on the virtual object. Host names do not belong in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// `Warning` if true, `Normal` otherwise.
    pub warning: bool,
    /// The event's reason, CamelCase, for example `SyncError` as upstream has it.
    pub reason: &'static str,
    /// The event's message.
    pub message: String,
}

/// One write to one cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// Which cluster.
    pub side: Side,
    /// The resource.
    pub kind: &'static Resource,
    /// The object.
    pub key: Key,
    /// What to do with it.
    pub act: Act,
}

/// What a write does. Each carries what must hold for it (design D5).
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// POST; fails if it exists.
    Create(Object),
    /// PATCH of what differs.
    Patch {
        /// The UID that the object must have: sent in the patch, a wrong one answers 422.
        uid: String,
        /// The resourceVersion that it must have, where a lost update would matter.
        resource_version: Option<String>,
        /// How the server merges.
        form: PatchForm,
        /// `status`, `ephemeralcontainers` or `resize`.
        subresource: Option<&'static str>,
        /// The patch.
        body: Value,
    },
    /// DELETE of exactly this object.
    Delete {
        /// The UID that the object must have.
        uid: String,
        /// Grace period; the object's own when absent.
        grace_seconds: Option<i64>,
    },
    /// POST to a virtual pod's `binding`: the only way to set `spec.nodeName`.
    Bind {
        /// The pod's UID.
        uid: String,
        /// The virtual node.
        node: String,
    },
    /// Requests service account tokens of the virtual cluster, fills them in (see
    /// `kinds::pods::tokens::fill`), and goes on with the write.
    WithTokens {
        /// What to request.
        requests: Vec<TokenRequest>,
        /// Create or Patch of the host Secret that holds them.
        then: Box<Act>,
    },
}

/// How the API server merges a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchForm {
    /// `application/merge-patch+json`.
    Merge,
    /// `application/strategic-merge-patch+json`: lists with merge keys, such as conditions, are merged.
    Strategic,
}

/// One TokenRequest to the virtual API, bound to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// Key in the Secret's `data` for the token.
    pub data_key: String,
    /// The service account.
    pub service_account: Virtual<Key>,
    /// Audiences; empty for the API server's default.
    pub audiences: Vec<String>,
    /// Wanted lifetime in seconds; the least the API takes is 600.
    pub expiration_seconds: i64,
    /// Name of the pod it is bound to.
    pub pod_name: String,
    /// UID of that pod; a wrong one answers 409.
    pub pod_uid: String,
}

/// A granted token. Not printable: tokens never reach a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Key in the Secret's `data`.
    pub data_key: String,
    /// The token.
    pub token: String,
    /// When it ends.
    pub expires: jiff::Timestamp,
}

impl Op {
    /// Creates a host object.
    pub fn create_host(kind: &'static Resource, object: Host<Object>) -> Op {
        Op { side: Side::Host, kind, key: object.key(), act: Act::Create(object.0) }
    }

    /// Creates a virtual object.
    pub fn create_virtual(kind: &'static Resource, object: Virtual<Object>) -> Op {
        Op { side: Side::Virtual, kind, key: object.key(), act: Act::Create(object.0) }
    }

    /// Patches a host object by a merge patch, with its UID as precondition.
    pub fn patch_host(kind: &'static Resource, host: &Host<Object>, body: Value) -> Op {
        Op::patch(Side::Host, kind, host, PatchForm::Merge, None, body)
    }

    /// Patches a virtual object by a merge patch, with its UID as precondition.
    pub fn patch_virtual(kind: &'static Resource, virt: &Virtual<Object>, body: Value) -> Op {
        Op::patch(Side::Virtual, kind, virt, PatchForm::Merge, None, body)
    }

    /// Patches the status of a virtual object by a strategic merge patch.
    pub fn patch_virtual_status(
        kind: &'static Resource,
        virt: &Virtual<Object>,
        status: Value,
    ) -> Op {
        let body = crate::json::json!({ "status": status });
        Op::patch(Side::Virtual, kind, virt, PatchForm::Strategic, Some("status"), body)
    }

    /// Patches an object, with its UID as precondition.
    pub fn patch(
        side: Side,
        kind: &'static Resource,
        object: &Object,
        form: PatchForm,
        subresource: Option<&'static str>,
        body: Value,
    ) -> Op {
        let act = Act::Patch {
            uid: object.uid().to_owned(),
            resource_version: None,
            form,
            subresource,
            body,
        };
        Op { side, kind, key: object.key(), act }
    }

    /// Deletes exactly this host object.
    pub fn delete_host(kind: &'static Resource, host: &Host<Object>) -> Op {
        Op::delete(Side::Host, kind, host, None)
    }

    /// Deletes exactly this object.
    pub fn delete(
        side: Side,
        kind: &'static Resource,
        object: &Object,
        grace_seconds: Option<i64>,
    ) -> Op {
        Op {
            side,
            kind,
            key: object.key(),
            act: Act::Delete { uid: object.uid().to_owned(), grace_seconds },
        }
    }

    /// Requires the version that was looked at: for patches of lists that have no merge key.
    pub fn at_version(mut self, version: &str) -> Op {
        if let Act::Patch { resource_version, .. } = &mut self.act {
            *resource_version = Some(version.to_owned());
        }
        self
    }
}

impl From<Op> for Plan {
    fn from(op: Op) -> Plan {
        Plan { ops: vec![op], ..Plan::default() }
    }
}

impl Plan {
    /// Nothing to do.
    pub fn nothing() -> Plan {
        Plan::default()
    }

    /// These writes, in this order.
    pub fn of(ops: impl IntoIterator<Item = Op>) -> Plan {
        Plan { ops: ops.into_iter().collect(), ..Plan::default() }
    }
}
