//! Which Kubernetes a virtual cluster runs. Pure.

use serde_json::Value;
use vcluster_config::Distro;
use vcluster_config::images::KUBERNETES_VERSION;

/// A patch release that is published for each minor, oldest first.
const PATCHES: [(u32, u32); 7] =
    [(30, 14), (31, 14), (32, 13), (33, 13), (34, 4), (35, 4), (36, 3)];

/// A version and what to tell the user about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// For the values; none: the chart's own.
    pub version: Option<String>,
    /// Something that the user should know.
    pub notice: Option<String>,
}

/// The version asked for: `1.33` gets the table's patch, `1.33.2` is taken as it is.
///
/// # Errors
/// A sentence, when it is no version.
pub fn asked_for(text: &str) -> Result<Choice, String> {
    let wrong = || format!("{text:?} is not a version of Kubernetes such as 1.34");
    let (minor, patch) = parse(text).ok_or_else(wrong)?;
    match patch {
        Some(patch) => Ok(Choice { version: Some(format!("v1.{minor}.{patch}")), notice: None }),
        // Said aloud: on an upgrade, what is not named stays as it is.
        None => {
            let Choice { version, notice } = of_minor(minor);
            Ok(Choice { version: version.or_else(|| Some(KUBERNETES_VERSION.to_owned())), notice })
        }
    }
}

/// The version of the host.
pub fn like_host(host: &str) -> Choice {
    match parse(host) {
        Some((minor, _)) => of_minor(minor),
        None => Choice { version: None, notice: None },
    }
}

/// The version in all values, defaults among them: what a virtual cluster runs with.
pub fn of_values(values: &Value) -> Option<String> {
    let distro = values.pointer("/controlPlane/distro")?;
    if let Ok(distro) = serde_json::from_value::<Distro>(distro.clone()) {
        return Some(distro.kubernetes_version().0);
    }
    // Another version's, or the Go chart's.
    let said = ["/k8s/version", "/k8s/image/tag"].into_iter().filter_map(|it| distro.pointer(it));
    let version = said.filter_map(Value::as_str).find(|text| parse(text).is_some())?;
    Some(format!("v{}", version.trim_start_matches('v')))
}

/// What `--kubernetes-version` and the values call a version such as `v1.34.4-eks-1-34-17`.
pub fn plain(version: &str) -> &str {
    version.split(['-', '+']).next().unwrap_or(version)
}

/// Why a virtual cluster cannot go from one version to another, and the minor to go to instead. Stores are written by the
/// newer one in a way that the older one need not read, and API servers skip no minor; source:
/// <https://kubernetes.io/releases/version-skew-policy/>.
pub fn leap(from: &str, to: &str) -> Option<(String, String)> {
    let (old, new) = (parse(from)?.0, parse(to)?.0);
    let (why, minor) = match new {
        _ if new < old => ("does not go back", old),
        _ if new > old + 1 => ("goes up one minor at a time", old + 1),
        _ => return None,
    };
    Some((format!("it runs Kubernetes {from}, which {why}, and not to {to}"), format!("1.{minor}")))
}

/// The newer patch that is published for a version, if any.
pub fn newer_patch(version: &str) -> Option<String> {
    let (minor, patch) = parse(version)?;
    let (_, newest) = PATCHES.iter().find(|(known, _)| *known == minor)?;
    (*newest > patch?).then(|| format!("v1.{minor}.{newest}"))
}

fn of_minor(minor: u32) -> Choice {
    let [(oldest, _), .., (newest, _)] = PATCHES;
    let used = minor.clamp(oldest, newest);
    let notice = (used != minor).then(|| {
        format!("officially unsupported host server version 1.{minor}, will fallback to virtual cluster version v1.{used}")
    });
    // Of the chart's own minor exactly the chart's own patch: that is what was tested.
    let of_chart = parse(KUBERNETES_VERSION).is_some_and(|(minor, _)| minor == used);
    let patch = PATCHES.iter().find(|(minor, _)| *minor == used).map(|(_, patch)| *patch);
    let version = patch.filter(|_| !of_chart).map(|patch| format!("v1.{used}.{patch}"));
    Choice { version, notice }
}

/// `v1.34.4+k3s1`, `1.34`, `1.34+`.
fn parse(text: &str) -> Option<(u32, Option<u32>)> {
    let mut parts = text.trim().trim_start_matches('v').splitn(3, '.');
    let (major, minor, patch) = (parts.next()?, parts.next()?, parts.next());
    if major != "1" {
        return None;
    }
    let digits = |text: &str| -> Option<u32> {
        let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse().ok()
    };
    match patch {
        Some(patch) => Some((digits(minor)?, Some(digits(patch)?))),
        None => Some((digits(minor)?, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minor_gets_a_published_patch() {
        for (text, version) in [
            ("1.33", Some("v1.33.13")),
            ("v1.33", Some("v1.33.13")),
            ("1.33.2", Some("v1.33.2")),
            ("v1.31.1+k3s1", Some("v1.31.1")),
            ("1.34", Some(KUBERNETES_VERSION)),
        ] {
            assert_eq!(
                asked_for(text).unwrap(),
                Choice { version: version.map(str::to_owned), notice: None },
                "{text}"
            );
        }
        for text in ["", "2.1", "latest", "1", "1.x", "v1..3"] {
            assert!(asked_for(text).is_err(), "{text}");
        }
    }

    #[test]
    fn unknown_minors_fall_back_and_say_so() {
        assert_eq!(like_host("v1.34.4"), Choice { version: None, notice: None });
        assert_eq!(
            like_host("v1.35.1-gke.2"),
            Choice { version: Some("v1.35.4".into()), notice: None }
        );
        for (host, used) in [("v1.40.0", "v1.36"), ("v1.25.3", "v1.30")] {
            let choice = like_host(host);
            assert!(choice.notice.unwrap().ends_with(used), "{host}");
            assert!(choice.version.unwrap().starts_with(used), "{host}");
        }
    }

    #[test]
    fn the_charts_own_version_is_in_the_table() {
        let (minor, patch) = parse(KUBERNETES_VERSION).unwrap();
        assert!(PATCHES.contains(&(minor, patch.unwrap())));
        assert!(PATCHES.is_sorted());
    }

    #[test]
    fn what_runs_is_read_from_all_values() {
        use serde_json::json;
        let of = |distro: Value| of_values(&json!({ "controlPlane": { "distro": distro } }));
        assert_eq!(of(json!({})).as_deref(), Some(KUBERNETES_VERSION));
        assert_eq!(of(json!({ "k8s": { "version": "1.35.1" } })).as_deref(), Some("v1.35.1"));
        let eks = json!({ "eks": { "enabled": true }, "k8s": { "version": "v1.33.1" } });
        assert_eq!(plain(&of(eks).unwrap()), "v1.33.13");
        let of_go =
            json!({ "k8s": { "version": "", "unheardOf": 1, "image": { "tag": "v1.32.1" } } });
        assert_eq!(of(of_go).as_deref(), Some("v1.32.1"));
        assert_eq!(of_values(&json!({})), None);
    }

    #[test]
    fn a_version_goes_up_one_minor_at_a_time() {
        let leap = |from, to| leap(from, to).map(|(_, minor)| minor);
        for (from, to) in [("v1.34.4", "v1.34.1"), ("v1.34.4", "v1.35.0"), ("v1.34.4", "odd")] {
            assert_eq!(leap(from, to), None, "{from} {to}");
        }
        assert_eq!(leap("v1.35.4", "v1.34.4").as_deref(), Some("1.35"));
        assert_eq!(leap("v1.33.5-k3s1", "v1.35.5-k3s1").as_deref(), Some("1.34"));
    }

    #[test]
    fn newer_patches_are_known() {
        assert_eq!(newer_patch("v1.33.1").as_deref(), Some("v1.33.13"));
        assert_eq!(newer_patch("v1.33.99"), None);
        assert_eq!(newer_patch("v1.99.1"), None);
    }
}
