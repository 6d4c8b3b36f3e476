//! Certificates as people and scripts see them. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Certificate;
use crate::error::Result;
use crate::ui::listing::{self, Output};
use crate::ui::table::{age, table};

/// With so much left the syncer renews a leaf.
const RENEWED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// One certificate. The keys are a format that scripts rely on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    name: &'a str,
    subject: &'a str,
    authority: &'a str,
    ends: String,
    state: &'static str,
}

/// The list for stdout.
///
/// # Errors
/// Never in practice: when it cannot be written as JSON.
pub fn text(certificates: &[Certificate], now: Timestamp, output: Output) -> Result<String> {
    let rows = certificates.iter().map(|it| Row {
        name: &it.name,
        subject: &it.subject,
        authority: &it.authority,
        ends: it.ends.to_string(),
        state: state(it, now),
    });
    if output == Output::Json {
        return listing::json(&rows.collect::<Vec<_>>(), "  ");
    }
    let cells: Vec<Vec<String>> = rows
        .zip(certificates)
        .map(|(row, it)| {
            let left = age(it.ends.as_second() - now.as_second());
            [row.name, row.subject, row.authority, &row.ends, &left, row.state]
                .map(str::to_owned)
                .to_vec()
        })
        .collect();
    Ok(table(&["NAME", "SUBJECT", "AUTHORITY", "ENDS", "LEFT", "STATE"], &cells, true))
}

fn state(certificate: &Certificate, now: Timestamp) -> &'static str {
    let left = certificate.ends.duration_since(now);
    match (left.is_positive(), certificate.signs) {
        (false, _) => "ended",
        (true, false) if left < RENEWED => "due",
        _ => "good",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_and_what_is_due_is_told() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let with = |name: &str, days: i64, signs| Certificate {
            name: name.into(),
            subject: "s".into(),
            authority: "a".into(),
            ends: now + SignedDuration::from_hours(days * 24),
            signs,
        };
        let list = [
            with("ca", 20, true),
            with("fresh", 200, false),
            with("old", 20, false),
            with("gone", -1, false),
        ];
        let text = text(&list, now, Output::Table).unwrap();
        let states: Vec<&str> =
            text.lines().skip(1).filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(states, ["good", "good", "due", "ended"]);
    }
}
