//! Kinds whose host object is a plain copy of some fields, there as long as it is wanted.

use crate::json::{Map, Value};

use crate::mirror::is_twin;
use crate::{
    Gone, Host, NotNow, Object, Op, Plan, Resource, Settings, View, Virtual, diff, metadata,
};

/// The fields beside `metadata` that the host object has: names and values, `None` for absent ones.
pub type Fields = Vec<(&'static str, Option<Value>)>;

/// Plans a plain copy: made when wanted, kept the same, taken away when it is no longer wanted or its virtual object
/// is proven gone. `translate` gives the fields, and may change the metadata that was made for the host object.
///
/// # Errors
/// [`NotNow::ProveGone`] when only the host object is there and nothing proves that its virtual object is gone.
pub fn plan(
    kind: &'static Resource,
    view: &View,
    wanted: bool,
    host: Option<Host<crate::Key>>,
    settings: &Settings,
    translate: impl Fn(&Virtual<Object>, &mut Value) -> Fields,
) -> Result<Plan, NotNow> {
    match (view, host) {
        (View::VirtualOnly { virt }, Some(key)) if wanted && !virt.is_deleting() => {
            let mut metadata = metadata::to_host(virt, kind, &key, settings);
            let fields = translate(virt, &mut metadata);
            let mut object = Map::from_iter([
                ("apiVersion".to_owned(), kind.api_version().into()),
                ("kind".to_owned(), kind.kind.into()),
                ("metadata".to_owned(), metadata),
            ]);
            let present = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
            object.extend(present.map(|(name, value)| (name.to_owned(), value)));
            Ok(Op::create_host(kind, Host(Object::new(Value::Object(object)))).into())
        }
        (View::Both { virt, host }, Some(key)) if wanted && is_twin(virt, host) => {
            let mut metadata = metadata::to_host(virt, kind, &key, settings);
            let fields = translate(virt, &mut metadata);
            if cannot_change(host, &fields) {
                return Ok(Op::delete_host(kind, host).into());
            }
            Ok(change(host, &metadata, &fields)
                .map(|body| Op::patch_host(kind, host, body).into())
                .unwrap_or_default())
        }
        (View::Both { host, .. }, _) if !host.is_deleting() => {
            Ok(Op::delete_host(kind, host).into())
        }
        (View::HostOnly { gone: Gone::Unproven, .. }, _) => Err(NotNow::ProveGone),
        (View::HostOnly { host, .. }, _) if !host.is_deleting() => {
            Ok(Op::delete_host(kind, host).into())
        }
        _ => Ok(Plan::nothing()),
    }
}

/// The merge patch that brings a host object to the wanted metadata and fields, if it differs.
pub fn change(host: &Host<Object>, metadata: &Value, fields: &Fields) -> Option<Value> {
    let mut body = Map::new();
    if let Some(metadata) = metadata::patch(host, metadata) {
        body.insert("metadata", metadata);
    }
    for (name, wanted) in fields {
        let difference = match (host.at(&[name]), wanted) {
            (Some(have), Some(wanted)) => diff::merge_patch(have, wanted),
            (None, Some(wanted)) => Some(wanted.clone()),
            (Some(_), None) => Some(Value::Null),
            (None, None) => None,
        };
        if let Some(difference) = difference {
            body.insert((*name).to_owned(), difference);
        }
    }
    (!body.is_empty()).then_some(Value::Object(body))
}

/// Fields that the API lets nobody change: a Secret's type, a slice's address family.
const FIXED: [&str; 2] = ["type", "addressType"];

/// Whether the API would refuse the change: of a fixed field, or of an immutable object. Then it is made anew.
fn cannot_change(host: &Host<Object>, fields: &Fields) -> bool {
    let immutable = host.at(&["immutable"]) == Some(&Value::Bool(true));
    fields.iter().any(|(name, wanted)| {
        host.at(&[name]) != wanted.as_ref() && (immutable || FIXED.contains(name))
    })
}
