//! Names of virtual clusters. Pure.

use crate::error::{CliError, Result};

/// With ten characters of hash and a dash the name must fit into a label of the control plane's pods.
const LONGEST: usize = 52;

/// Whether a virtual cluster can be called this.
///
/// # Errors
/// Usage, with the reason.
pub fn check(name: &str) -> Result<()> {
    let allowed = |character: char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
    };
    let reason = if name.is_empty() {
        "it is empty".to_owned()
    } else if let Some(character) = name.chars().find(|character| !allowed(*character)) {
        format!("{character:?} is not a lower-case letter, a digit or a dash")
    } else if !name.starts_with(|character: char| character.is_ascii_lowercase()) {
        "it does not begin with a letter, as the name of a Service must".to_owned()
    } else if name.ends_with('-') {
        "it ends with a dash".to_owned()
    } else if name.len() > LONGEST {
        format!("it has {} characters, {LONGEST} are possible", name.len())
    } else if name.contains("-x-") || name.ends_with("-x") || name.starts_with("x-") {
        "-x- stands between the parts of the names of its objects on the host".to_owned()
    } else {
        return Ok(());
    };
    Err(CliError::usage(format!("a virtual cluster cannot be called {name:?}"))
        .because(reason)
        .hint(format!("vcluster create {}", suggestion(name))))
}

/// The nearest name that is allowed.
fn suggestion(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let parts: Vec<&str> = lower
        .split(|character: char| !(character.is_ascii_lowercase() || character.is_ascii_digit()))
        .filter(|part| !part.is_empty() && *part != "x")
        .collect();
    let joined: String = parts.join("-").chars().take(LONGEST).collect();
    let name = joined.trim_matches('-');
    match name.chars().next() {
        None => "my-vc".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("vc-{name}"),
        Some(_) => name.to_owned(),
    }
}

/// The namespace: the one asked for, else the context's own, else one named after the virtual cluster.
pub fn namespace(wanted: Option<&str>, of_context: &str, name: &str) -> String {
    match wanted.unwrap_or(of_context) {
        "" | "default" => format!("vcluster-{name}"),
        namespace => namespace.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_pass() {
        for name in ["a", "my-vc", "team1", "vx", "a-xx-b", &"a".repeat(52)] {
            assert!(check(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn bad_names_say_why_and_suggest_a_good_one() {
        for (name, suggested) in [
            ("", "my-vc"),
            ("My-VC", "my-vc"),
            ("my_vc", "my-vc"),
            ("1st", "vc-1st"),
            ("-a", "a"),
            ("a-", "a"),
            ("a-x-b", "a-b"),
            ("a-x", "a"),
            ("x-a", "a"),
            ("ünïcode", "n-code"),
            ("a/b", "a-b"),
            (&"a".repeat(60), &"a".repeat(52)),
        ] {
            let error = check(name).unwrap_err();
            assert_eq!(
                error.hint.as_deref(),
                Some(format!("vcluster create {suggested}").as_str()),
                "{name}"
            );
            assert!(check(suggested).is_ok(), "{suggested}");
        }
    }

    #[test]
    fn the_default_namespace_is_never_used() {
        assert_eq!(namespace(None, "default", "a"), "vcluster-a");
        assert_eq!(namespace(None, "", "a"), "vcluster-a");
        assert_eq!(namespace(Some("default"), "team", "a"), "vcluster-a");
        assert_eq!(namespace(None, "team", "a"), "team");
        assert_eq!(namespace(Some("other"), "team", "a"), "other");
    }
}
