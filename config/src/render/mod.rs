//! The files that are made from the types: `values.yaml`, its schema, the states of other keys and the reference page.

mod reference;
mod refused;
mod yaml;

use serde_json::{Map, Value};

pub use reference::{Upstream, reference};
pub use refused::states;

use crate::Config;
use crate::document::Document;

/// Says at the top of a file where it comes from.
const ORIGIN: &str =
    "Made from the types in config/src by `UPDATE=1 cargo test -p vcluster-config`; change those.";

/// The chart's `values.yaml`: every option with its default, and what it does as a comment.
#[must_use]
pub fn values() -> String {
    let mut text = format!("# {ORIGIN}\n# yaml-language-server: $schema=values.schema.json\n");
    if let Some(document) = defaults() {
        yaml::map(&mut text, &document.root, &crate::schema(), 0);
    }
    text
}

/// The chart's `values.schema.json`.
#[must_use]
pub fn schema() -> String {
    let mut schema = crate::schema();
    if let Value::Object(object) = &mut schema {
        object.insert("$comment".into(), ORIGIN.into());
    }
    format!("{schema:#}\n")
}

/// The chart's `files/DISTRO.json`: the tag of a distribution's images for each minor of Kubernetes.
#[must_use]
pub fn releases(of: &[(u32, &str)]) -> String {
    let tags: Map<String, Value> =
        of.iter().map(|(minor, tag)| (format!("1.{minor}"), (*tag).into())).collect();
    format!("{:#}\n", Value::Object(tags))
}

/// The defaults in the order in which the types define them. (A JSON value would sort the keys; the
/// text of one does not.)
fn defaults() -> Option<Document> {
    let text = serde_json::to_string(&Config::default()).ok()?;
    Document::parse("defaults", &text).ok()
}
