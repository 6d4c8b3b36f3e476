//! A decision as people and scripts see it. Pure.

use serde::Serialize;

use super::decide::{Fate, Scene};
use super::marks::Mirrored;
use crate::error::Result;
use crate::ui::listing::{self, Output};
use crate::ui::table::table;

/// One object. The keys are a format that scripts rely on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    host_name: &'a str,
    fate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
}

/// The list for stdout.
///
/// # Errors
/// Never in practice: when it cannot be written as JSON.
pub fn text(fates: &[(&Mirrored, Fate)], output: Output) -> Result<String> {
    let rows = fates.iter().map(|(object, fate)| {
        let (fate, because) = word(fate);
        Row {
            kind: &object.resource.kind,
            namespace: &object.twin.namespace,
            name: &object.twin.name,
            host_name: &object.name,
            fate,
            because,
        }
    });
    if output == Output::Json {
        return listing::json(&rows.collect::<Vec<_>>(), "  ");
    }
    let cells: Vec<Vec<String>> = rows
        .map(|row| {
            let fate = match row.because {
                Some(because) => format!("{} ({because})", row.fate),
                None => row.fate.to_owned(),
            };
            vec![row.kind.into(), row.namespace.into(), row.name.into(), row.host_name.into(), fate]
        })
        .collect();
    Ok(table(&["KIND", "NAMESPACE", "NAME", "ON THE HOST", "BECOMES"], &cells, !cells.is_empty()))
}

/// One line: how many of each.
pub fn summary(scene: &Scene, fates: &[(&Mirrored, Fate)]) -> String {
    let mut parts: Vec<String> = ["deleted", "handed over", "kept", "replaced", "left"]
        .into_iter()
        .filter_map(|wanted| {
            let count = fates.iter().filter(|(_, fate)| word(fate).0 == wanted).count();
            (count > 0).then(|| format!("{count} {wanted}"))
        })
        .collect();
    parts.push(format!("{} as they were", scene.paired()));
    parts.join(", ")
}

fn word(fate: &Fate) -> (&'static str, Option<String>) {
    match fate {
        Fate::HandedOver => ("handed over", None),
        Fate::Kept => ("kept", None),
        Fate::Replaced => ("replaced", None),
        Fate::Deleted => ("deleted", None),
        Fate::Spared(because) => ("left", Some(because.clone())),
        Fate::InUse(pod) => ("left", Some(format!("used by pod {pod}"))),
    }
}
